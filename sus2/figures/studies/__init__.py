"""Figures of training runs and studies."""
