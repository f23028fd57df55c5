"""Potentials of others in text files that are safe to read: evaluators of our own, first derivatives by torch."""
