"""The parts of an explanation: formulas read off a page, an example, the chain of its steps, and their text."""
