"""Results -> plotly figures: pure functions with keyword arguments only."""
