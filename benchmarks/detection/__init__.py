"""What a check sees and what it does not: false alarms, the smallest error, and the other checkers, really run."""
