"""Exact second derivatives of a potential from the primitive cell alone."""
