"""What a planted fault is, and what is a mutation that turned out to be none."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from gradtwin.twins.twin import Twin


@dataclass(frozen=True, eq=False)
class PlantedFault:
    """One fault, planted in the hand-written side of a twin.

    Attributes:
        id: stable and readable: twin, gradient, what was done.
        twin: the twin's name.
        tensor: the name whose own step is wrong.
        cause: the cause in the referee's vocabulary.
        line: the source before and after.
        half: 1 or 2; rules are tuned on 1 only.
        side: the manual side with the fault in it.
        also: other causes that give the very same gradients at the operating point.
        refused: whether the side raises or gives a wrong shape.
        home: the twin, right, at a point where the fault shows; None where the twin's own point shows it.
    """

    id: str
    twin: str
    tensor: str
    cause: str
    line: str
    half: int
    side: Any
    also: frozenset[str] = frozenset()
    refused: bool = False
    home: Twin | None = None

    def planted_in(self, twin: Twin) -> Twin:
        """Give the twin with this fault in it, at the point where it shows."""
        return replace(self.home or twin, manual=self.side)


@dataclass(frozen=True)
class Equivalent:
    """A mutation that changes no gradient, and the reason why it cannot."""

    id: str
    twin: str
    line: str
    reason: str


def half_of(fault: str) -> int:
    """Put a fault's id into half 1 or 2, for good."""
    return 1 + hashlib.sha256(fault.encode()).digest()[0] % 2
