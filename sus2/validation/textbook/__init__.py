"""Does a potential know the textbook? A scoreboard over crystals that everybody knows."""
