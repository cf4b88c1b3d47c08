"""Declarations, a file for each kind of group in `configs/`."""
