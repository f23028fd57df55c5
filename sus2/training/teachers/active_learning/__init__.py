"""Structures made for one potential and labelled by a teacher, so that its next fit learns where it was wrong."""
