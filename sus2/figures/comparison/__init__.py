"""Figures and reports of comparisons."""
