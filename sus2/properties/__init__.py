"""Properties of a crystal: each has one function, one frozen result, its checks."""
