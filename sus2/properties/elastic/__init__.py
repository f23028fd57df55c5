"""Elastic constants and what follows from them."""
