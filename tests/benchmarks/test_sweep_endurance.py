"""The endurance of sweeps in its short form: what needs a Ray of its own is in tests/gradtwin/sweep/test_ray.py."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import sweep_endurance, sweep_scaling
from benchmarks.sweep_endurance import Length

SHORTEST = Length(kills=0, seeds=1, seconds=2.0)


def test_a_full_disk_is_survived(without_ray: Any, tmp_path: Path) -> None:
    """No file of this process may grow beyond 30 kB for a while: the kernel refuses, as a full disk does."""
    assert sweep_endurance.disk(SHORTEST, tmp_path).endswith("then 200 of 200 cases")


def test_fuzzing_measures_its_memory(without_ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds of it; how much memory that takes means nothing, for everything is being loaded."""
    monkeypatch.setattr(sweep_endurance, "MOST_GROWTH", 1e9)
    monkeypatch.setattr(sweep_endurance._Memory, "every", 0.0)
    line = sweep_endurance.fuzz(SHORTEST, tmp_path)
    assert re.search(r"\d+ cases in \d+ s", line) and "MB and then" in line


def test_what_does_not_hold_is_status_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a line that says which."""

    def fails(*_: Any) -> str:
        raise AssertionError("a case has two rows")

    monkeypatch.setitem(sweep_endurance.PARTS, "kills", fails)
    monkeypatch.setitem(sweep_endurance.PARTS, "disk", lambda *_: "well")
    assert sweep_endurance.main(["kills", "disk", "--short"]) == 1
    assert capsys.readouterr().out == "kills: DOES NOT HOLD: a case has two rows\ndisk: well\n"
    assert sweep_endurance.main(["disk", "--short"]) == 0


def test_both_numbers_of_workers_are_timed(without_ray: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Here both are this process, so that the ratio means nothing."""
    assert sweep_scaling.main(["--cases", "2", "--steps", "3", "--rounds", "2", "--json"]) in (0, 1)
    rounds = json.loads(capsys.readouterr().out)
    assert len(rounds) == 2 and all(one["cases"] == 2 and one["ratio"] > 0 for one in rounds)
