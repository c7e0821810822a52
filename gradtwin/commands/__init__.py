"""The command line: what it reads, what it starts, what it prints."""
