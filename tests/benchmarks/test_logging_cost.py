"""The benchmark of logging runs, with settings so small that its numbers mean nothing; no time is asserted."""

import json

from benchmarks import logging_cost


def test_both_kinds_of_training_are_timed(capsys):
    """Two ratios of positive times, and the size of the files."""
    assert logging_cost.main(["gates", "--steps", "3", "--rounds", "2", "--json"]) in (0, 1)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["twin"], row["steps"]) == ("gates", 3)
    assert min(row["wall"], row["cpu"], row["seconds_without"]) > 0
    assert 10_000 < row["bytes"] < 1_000_000


def test_a_cost_above_a_tenth_is_status_1(capsys, monkeypatch):
    """The three steps of the gates are far shorter than what is written once; a bound beyond it passes."""
    monkeypatch.setattr(logging_cost, "TARGET", 0.0)
    assert logging_cost.main(["gates", "--steps", "3", "--rounds", "1"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("gates")
    monkeypatch.setattr(logging_cost, "TARGET", 1e9)
    assert logging_cost.main(["gates", "--steps", "3", "--rounds", "1"]) == 0
