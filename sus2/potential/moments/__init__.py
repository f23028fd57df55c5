"""The moment graph: which contractions there are, in what order they are computed, and its quadratic form."""
