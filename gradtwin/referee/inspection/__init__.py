"""How hand-written code behaves, and what an operating point cannot show."""
