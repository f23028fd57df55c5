"""Studies of the model: ablations, transfer between functionals, limits."""
