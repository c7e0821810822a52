"""Both sides trained in lockstep."""
