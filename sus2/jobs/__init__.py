"""Calculations as values: keys, workers, queue, store, archive, reproduction."""
