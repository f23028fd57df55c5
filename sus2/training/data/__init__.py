"""Training sets: crystals, structures made from them, readers, splits."""
