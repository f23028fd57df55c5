"""Ways to evaluate the model in batches of edges: torch, and Triton on a GPU."""
