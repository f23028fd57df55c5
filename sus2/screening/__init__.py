"""Properties of thousands of structures into a database."""
