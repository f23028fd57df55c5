"""Fits of a small potential within a limit of time, which specialise and frames share."""
