"""Readers of structure files other than CIF.

Each takes text and gives Atoms with info["notices"], or raises StructureError. None runs code, unpickles, or opens
another file.
"""
