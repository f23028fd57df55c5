"""Fitting: configuration, parameters, loss, optimisers, run folders."""
