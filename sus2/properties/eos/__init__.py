"""Equation of state: energy against volume."""
