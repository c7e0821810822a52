"""Run a hand-written training step again without Python's part in it.

A page of `manual_grads` is mathematics: a new array for every formula, a dictionary for every pass. On a network of a
few units the arithmetic is a tenth of the time, and the rest goes into making arrays and looking up names. So a
training runs the page once on arrays that write down every numpy call (`traced.py`), and from then on makes the same
calls, in the same order, into arrays that are already there (`program.py`): the same bits, for a fraction of the time.
Calls whose results the update does not need are left out, and of two equal calls one.

What looks at a number to decide what to do next cannot be traced; it is run as it is written.
"""

from gradtwin.tracing.program import Program, trace
from gradtwin.tracing.traced import NotTraceable

__all__ = ["NotTraceable", "Program", "trace"]
