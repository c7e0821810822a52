"""Measurements: speed, and detection against the checkers people use. Run as modules from the project's root."""
