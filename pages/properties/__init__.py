"""Pages of one property each."""
