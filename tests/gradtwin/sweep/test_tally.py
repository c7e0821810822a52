"""The tally: the same sums whatever the order of the rows."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from gradtwin.sweep import tally as module
from gradtwin.sweep.tally import SweepTally


def row(number: int, outcome: str = "agree", **other: Any) -> dict[str, Any]:
    failed = outcome not in ("agree", "rounding")
    known = {"number": number, "kind": "check", "target": "xor", "dtype": "float64", "route": "tape"}
    return known | {"outcome": outcome, "failed": failed, "size": number % 7 / 7} | other


def tallied(rows: Iterable[dict[str, Any]]) -> SweepTally:
    tally = SweepTally()
    for each in rows:
        tally.add(each)
    return tally


def test_the_sums_and_the_worst_do_not_depend_on_the_order() -> None:
    """Ties are settled by the number, so two workers and one name the same ten."""
    rows = [row(n, "rounding" if n % 5 == 0 else "agree", dtype=("float64", "float32")[n % 2]) for n in range(100)]
    first = tallied(rows)
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        again = tallied(rows)
        assert (again.counts(), again.worst, again.groups) == (first.counts(), first.worst, first.groups)
    assert [r["number"] for r in first.worst] == [6, 13, 20, 27, 34, 41, 48, 55, 62, 69]


def test_what_failed_is_worse_than_what_agrees_and_no_number_is_worse_than_any() -> None:
    """A case that came to no verdict cannot hide behind a small error."""
    tally = tallied([row(0, size=1e9), row(1, "disagree", size=3.0), row(2, "timeout", size=None), row(3, size=None)])
    tally.add(row(4, "disagree", size=float("nan")))
    assert [r["number"] for r in tally.worst] == [2, 4, 1, 0, 3]


def test_only_a_built_in_twin_raises_a_false_alarm() -> None:
    """A user's twin may be wrong; so may a planted fault, which is no check of a right twin."""
    tally = tallied([row(0, "disagree"), row(1, "disagree", target="mine.py:twin"), row(2, "undecidable")])
    tally.add(row(3, "disagree", kind="fuzz", target="node_relu"))
    assert tally.false_alarms == 2 and tally.failed == 4


def test_seeds_are_folded_and_combinations_beyond_the_limit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room does not grow with the number of cases."""
    monkeypatch.setattr(module, "MOST_GROUPS", 2)
    tally = tallied(row(n, widths=("2-3-1", "2-4-1", "2-5-1")[n % 3], size=n / 10) for n in range(9))
    assert [(group.widths, sums.cases, sums.largest) for group, sums in tally.groups.items()] == [
        ("2-3-1", 3, 0.6), ("2-4-1", 3, 0.7),
    ]  # fmt: skip
    assert tally.groups_left_out and tally.done == 9
