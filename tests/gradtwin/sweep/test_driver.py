"""The driver: every bound is kept, nothing is run twice. The cases run in this process; test_ray has the workers."""

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gradtwin.core.errors import InputError
from gradtwin.sweep import driver, read_results, sweep
from gradtwin.sweep.journal import Journal

WRONG = """
from types import SimpleNamespace
from gradtwin import Twin
from gradtwin.twins import catalog
from manual_grads.networks import xor

def backward(params, cache):
    gradients = xor.backward(params, cache)
    return gradients | {"W1": 2 * gradients["W1"]}

side = SimpleNamespace(init_params=xor.init_params, forward=xor.forward, backward=backward)
wrong = Twin("wrong", manual=side, reference="tf_reference.networks.xor", batch=catalog.get("xor").batch)
"""


def numbers(folder: Path) -> list[int]:
    return read_results(folder)["number"].to_pylist()


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """Ask for twenty seeds of xor, in a folder of the test's own."""
    return {"targets": ["xor"], "axes": {"seed": range(20)}, "results": tmp_path / "r"}


def test_a_sweep_runs_every_case_once_and_tells_of_each(without_ray: Any, tmp_path: Path) -> None:
    """As many rows as the grid has cases; the first thing told is that none is done."""
    seen: list[int] = []
    axes = {"seed": range(10), "dtype": "float64,float32"}
    folder = tmp_path / "r"
    summary = sweep(["xor", "gates"], axes=axes, results=folder, watch=lambda so_far: seen.append(so_far.tally.done))
    assert sorted(numbers(folder)) == list(range(22)) == sorted(without_ray.given)
    assert summary.tally.counts() == {"agree": 22} and summary.ended_by is None
    assert seen == sorted(seen) and seen[0] == 0 and seen[-1] == 22


def test_after_ctrl_c_the_rest_is_run_and_nothing_twice(without_ray: Any, asked: dict[str, Any]) -> None:
    """The two runs together are a whole one, and the second one's summary counts both."""

    def press(summary: driver.Summary) -> None:
        if summary.tally.done == 7:
            os.kill(os.getpid(), signal.SIGINT)

    first = sweep(**asked, watch=press)
    assert first.ended_by == "interrupt" and numbers(asked["results"]) == list(range(7))
    second = sweep(**asked, resume=True)
    assert second.ended_by is None and (second.begun_with, second.tally.done) == (7, 20)
    assert sorted(numbers(asked["results"])) == list(range(20)) == sorted(set(without_ray.given))


def test_a_time_budget_begins_no_case_after_it(
    without_ray: Any, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes on by a second whenever it is looked at; what is begun is finished, the rest can be resumed."""
    ticks = iter(range(10**6))
    with monkeypatch.context() as patch:
        patch.setattr(driver, "time", type("Clock", (), {"monotonic": staticmethod(lambda: float(next(ticks)))}))
        first = sweep(**asked, time_budget=10)
    assert first.ended_by == "time budget" and 0 < first.tally.done < 20
    assert len(numbers(asked["results"])) == first.tally.done
    assert sweep(**asked, resume=True).tally.done == 20
    assert sorted(without_ray.given) == list(range(20))


def test_a_full_disk_ends_the_sweep_in_one_line_and_costs_no_row(
    without_ray: Any, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before is readable; with room again the rest is run."""
    add = Journal.add

    def full_at_five(self: Journal, row: Any) -> None:
        if len(self.rows) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", full_at_five)
        with pytest.raises(InputError, match="the disk is full"):
            sweep(**asked)
    assert numbers(asked["results"]) == list(range(5))
    assert sweep(**asked, resume=True).tally.done == 20
    assert sorted(numbers(asked["results"])) == list(range(20))


def test_fail_fast_begins_no_case_after_a_failure(
    without_ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it all of them are run."""
    monkeypatch.chdir(tmp_path)
    Path("wrong_twin.py").write_text(WRONG)
    first = sweep(["wrong_twin.py"], axes={"seed": range(5)}, results="fast", fail_fast=True)
    assert (first.tally.done, first.tally.failed, first.ended_by) == (1, 1, "failure")
    whole = sweep(["wrong_twin.py"], axes={"seed": range(5)}, results="whole")
    assert (whole.tally.done, whole.tally.failed, whole.ended_by) == (5, 5, None)
    assert whole.tally.false_alarms == 0


def test_a_sample_of_a_billion_is_run_and_can_be_made_larger(without_ray: Any, tmp_path: Path) -> None:
    """The larger sample holds the smaller one, whose cases are not run again."""
    asked: dict[str, Any] = {"axes": {"seed": "0..999999999"}, "results": tmp_path / "r"}
    assert sweep(["xor"], max_cases=3, **asked).cases == 3
    assert sweep(["xor"], max_cases=8, resume=True, **asked).begun_with == 3
    assert len(set(numbers(tmp_path / "r"))) == 8 == len(without_ray.given)
    assert max(numbers(tmp_path / "r")) > 5 * 10**8


def test_what_is_whole_needs_no_worker_to_be_resumed(
    without_ray: Any, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started for nothing."""
    sweep(**asked)
    monkeypatch.setattr(driver, "_pool", None)
    again = sweep(**asked, resume=True)
    assert (again.begun_with, again.tally.done, again.seconds) == (20, 20, 0)


@pytest.mark.parametrize(
    ("bound", "line"),
    [
        ({"time_budget": 0}, "time_budget: expected"),
        ({"max_cases": 0}, "max_cases: expected an integer from 1"),
        ({"workers": 0}, "workers: expected an integer from 1"),
    ],
)
def test_a_bound_that_leaves_nothing_is_refused(bound: dict[str, Any], line: str, asked: dict[str, Any]) -> None:
    """Before a folder is made."""
    with pytest.raises(InputError, match=line):
        sweep(**asked, **bound)
    assert not asked["results"].exists()


def test_the_folder_without_a_name_is_that_of_the_grid(
    without_ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the same command with --resume finds it again."""
    monkeypatch.chdir(tmp_path)
    first = sweep(["xor"], axes={"seed": [1, 2]})
    assert sweep(["xor"], axes={"seed": "1,2"}, resume=True).folder == first.folder
    assert sweep(["xor"], axes={"seed": "1..2"}, max_cases=1).folder != first.folder
    assert first.folder.parent == Path("sweeps")
