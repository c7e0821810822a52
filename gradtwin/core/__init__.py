"""Errors, floating-point formats, ulp arithmetic, and the record that a check returns; knows no other room."""
