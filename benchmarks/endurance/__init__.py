"""What checks and trainings survive: ten thousand in one process, a kill, a full disk. `make endurance` runs it."""
