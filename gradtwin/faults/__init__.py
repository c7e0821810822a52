"""Planted faults: break the hand-written side on purpose, one place at a time, and keep the score."""
