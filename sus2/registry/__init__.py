"""Potentials by name: shipped weights, recommendation, applicability, other people's calculators."""
