"""Grid: all cases of a sweep, counted by arithmetic and made one at a time."""

import bisect
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.core.verdicts import Note
from gradtwin.sweep.axes import Integers, Values
from gradtwin.sweep.case import SweepCase, written

MOST_UNBOUNDED = 1_000_000  # cases
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Block:
    """The cases of one twin: every combination of the axes that apply to it, the last one varying fastest."""

    target: str
    axes: dict[str, Values]

    @property
    def count(self) -> int:
        """How many there are."""
        return math.prod(map(len, self.axes.values()))

    def settings(self, index: int) -> dict[str, Any]:
        """Give the combination at an index: its digits, with the length of each axis as the base of a digit."""
        found = {}
        for name, values in reversed(self.axes.items()):
            index, digit = divmod(index, len(values))
            found[name] = values[digit]
        return found


@dataclass(frozen=True)
class Grid:
    """The blocks of all twins one after another.

    Attributes:
        kind: one of `KINDS`.
        blocks: one a twin.
        files: the SHA-256 of each user's file, by its name.
        notes: which axes do not apply to which twins, a line each.
    """

    kind: str
    blocks: tuple[Block, ...]
    files: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    _ends: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ends", list(itertools.accumulate(block.count for block in self.blocks)))

    @property
    def count(self) -> int:
        """How many cases there are."""
        return self._ends[-1] if self._ends else 0

    def case(self, number: int) -> SweepCase:
        """Make the case of a number from 0."""
        at = bisect.bisect_right(self._ends, number)
        block = self.blocks[at]
        first = self._ends[at] - block.count
        return SweepCase(number=number, kind=self.kind, target=block.target, **block.settings(number - first))

    def numbers(self, max_cases: int | None, *, spread: bool) -> Iterator[int]:
        """Give the numbers of the cases to run, in the order they are started.

        Args:
            max_cases: the most; None for all.
            spread: whether the first ones shall be an even sample of all. Each step is the golden section of the grid,
                modulo its size. No number comes twice, since step and size have no common divisor.
        """
        count = self.count if max_cases is None else min(max_cases, self.count)
        if not spread and count == self.count:
            yield from _up_to(count)
            return
        step = _coprime_near(int(GOLDEN * self.count), self.count)
        yield from (k * step % self.count for k in _up_to(count))

    def description(self) -> dict[str, Any]:
        """Give what distinguishes this grid from others, as plain data."""
        blocks = [
            {"target": block.target, "axes": {name: _text(values) for name, values in block.axes.items()}}
            for block in self.blocks
        ]
        return {"kind": self.kind, "files": self.files, "blocks": blocks}


def refuse_size(grid: Grid, *, bounded: bool) -> None:
    """Refuse a grid without cases, and one with too many cases and no bound.

    Raises:
        InputError: with the exact count.
    """
    if not grid.count:
        raise InputError("The grid is empty: there is no case to run.")
    if grid.count > MOST_UNBOUNDED and not bounded:
        raise InputError(
            f"The grid has {grid.count:,} cases; without a bound at most {MOST_UNBOUNDED:,} are run. For an even "
            "sample of them give --max-cases or --time-budget."
        )
    if grid.count >= 2**63:
        raise InputError(f"The grid has {grid.count:,} cases, more than can be numbered. Shorten its axes.")


def _up_to(count: int) -> Iterator[int]:
    return itertools.takewhile(lambda k: k < count, itertools.count())


def _coprime_near(number: int, count: int) -> int:
    return next(step for step in itertools.count(max(1, number)) if math.gcd(step, count) == 1)


def _text(values: Values) -> str:
    return str(values) if isinstance(values, Integers) else ",".join(map(written, values))
