"""Where a gradient is wrong, and why."""
