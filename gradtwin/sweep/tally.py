"""The tally: rows are added up as they come, in memory that does not grow with their number."""

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gradtwin.core.verdicts import Verdict
from gradtwin.sweep.case import CaseRow
from gradtwin.twins import catalog, outside_twins

WORST = 10
MOST_GROUPS = 1_000  # rows that TensorBoard can still show

# In the order they are printed.
OUTCOMES = (
    "agree", "together", "caught", "rounding", "kink", "apart", "undecidable", "disagree", "missed", "error",
    "timeout", "out_of_memory", "worker_died",
)  # fmt: skip


@dataclass(frozen=True)
class Group:
    """The settings that the seeds of one combination share."""

    twin: str
    dtype: str
    route: str
    widths: str
    learning_rate: float | None


@dataclass
class GroupTally:
    """The rows of a group added up: how many, how they ended, the largest size."""

    cases: int = 0
    failed: int = 0
    largest: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass
class SweepTally:
    """All rows so far.

    Attributes:
        done: how many.
        outcomes: how many of each.
        failed: how many make the sweep fail.
        false_alarms: how many checks of a built-in twin ended in "disagree", although its gradients are right.
        groups: the rows of each combination of twin, dtype, route, widths and learning rate, at most 1,000 of them.
        groups_left_out: whether there were more.
    """

    done: int = 0
    failed: int = 0
    false_alarms: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    groups: dict[Group, GroupTally] = field(default_factory=dict)
    groups_left_out: bool = False
    _worst: list[tuple[Any, ...]] = field(default_factory=list)
    _built_in: frozenset[str] = field(default_factory=lambda: _built_in())

    def add(self, row: CaseRow) -> None:
        """Count a row."""
        self.done += 1
        self.failed += bool(row["failed"])
        self.outcomes[row["outcome"]] += 1
        is_check = row["kind"] in ("check", "fuzz")
        self.false_alarms += is_check and row["outcome"] == Verdict.DISAGREE and row["target"] in self._built_in
        self._add_to_group(row)
        # The number settles ties: the worst do not depend on the order of the rows.
        entry = (bool(row["failed"]), size_of(row), -row["number"], row)
        (heapq.heappush if len(self._worst) < WORST else heapq.heappushpop)(self._worst, entry)

    @property
    def worst(self) -> list[CaseRow]:
        """The ten worst rows, failed ones first, then by size."""
        return [entry[3] for entry in sorted(self._worst, key=lambda entry: entry[:3], reverse=True)]

    def counts(self) -> dict[str, int]:
        """Give the outcomes there were, in their order."""
        return {outcome: self.outcomes[outcome] for outcome in OUTCOMES if self.outcomes[outcome]}

    def _add_to_group(self, row: CaseRow) -> None:
        twin, dtype, route, widths = (row.get(name) or "-" for name in ("target", "dtype", "route", "widths"))
        group = Group(twin, dtype, route, widths, row.get("learning_rate"))
        if group not in self.groups and len(self.groups) >= MOST_GROUPS:
            self.groups_left_out = True
            return
        into = self.groups.setdefault(group, GroupTally())
        into.cases += 1
        into.failed += bool(row["failed"])
        into.largest = max(into.largest, size_of(row))
        into.outcomes[row["outcome"]] += 1


def _built_in() -> frozenset[str]:
    """Name the twins whose gradients are known to be right."""
    return frozenset(catalog.names()) - frozenset(outside_twins.declared())


def size_of(row: CaseRow) -> float:
    """Give how far apart the sides are: infinitely, if a case failed without a number."""
    size = row.get("size")
    if size is None:
        return math.inf if row["failed"] else 0.0
    return math.inf if math.isnan(size) else float(size)
