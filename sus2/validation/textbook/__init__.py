"""A scoreboard over well-known crystals."""
