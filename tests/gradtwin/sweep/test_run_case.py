"""A case in a worker: one row comes of it, whatever it does."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradtwin.checking.check import DTYPES, check
from gradtwin.core.routes import ROUTES
from gradtwin.sweep import fuzzing, run_case, table
from gradtwin.sweep.case import SweepCase
from gradtwin.sweep.run_case import Twins
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin


def row_of(case: SweepCase, twin: Any = None) -> dict[str, Any]:
    twins = Twins()
    if twin is not None:
        twins._known[case.target] = twin
    return run_case.run_case(case, twins)


def test_a_check_has_the_worst_tensor_of_its_report() -> None:
    """The row says of XOR what `gradtwin.check` says, and every name in it is a column."""
    row = row_of(SweepCase(0, "check", "xor", "float32", "gradients", 3))
    report = check("xor", dtype="float32", route="gradients", seed=3)
    assert row["outcome"] == report.verdict == "agree" and not row["failed"]
    assert row["size"] == max(tensor.error_ulps / tensor.bound_ulps for tensor in report.tensors)
    assert set(row) <= set(table.COLUMNS)


def test_a_wrong_gradient_fails_and_says_whose_it_is() -> None:
    """A page with a factor too much in dW1, as the referee sees it."""

    class TwiceW1:
        init_params, forward = (staticmethod(getattr(catalog.get("xor").manual, n)) for n in ("init_params", "forward"))

        @staticmethod
        def backward(params: Any, cache: Any) -> Any:
            gradients = catalog.get("xor").manual.backward(params, cache)
            return gradients | {"W1": 2 * gradients["W1"]}

    wrong = Twin("xor", manual=TwiceW1, reference="tf_reference.networks.xor", batch=catalog.get("xor").batch)
    row = row_of(SweepCase(0, "check", "mine.py:wrong", "float64", "tape", 0), wrong)
    assert (row["outcome"], row["blame"], row["tensor"], row["failed"]) == ("disagree", "manual", "W1", True)


def test_a_training_has_its_largest_gap_and_both_losses() -> None:
    """The twin's own learning rate is in the row, though the case left it open."""
    row = row_of(SweepCase(0, "train", "xor", "float64", seed=1, steps=20))
    assert row["outcome"] == "together" and row["size"] < 1e-12 and row["learning_rate"] == 0.1
    assert row["loss_manual"] == pytest.approx(row["loss_tensorflow"])


def test_a_planted_fault_is_caught_and_one_that_is_seen_by_nobody_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign fails by what the check does not see: here nothing, for the fault is planted nowhere."""
    fault = run_case.planted(catalog.get("gates"))[0]
    assert row_of(SweepCase(0, "faults", "gates", fault=fault.id))["outcome"] == "caught"
    monkeypatch.setattr(type(fault), "planted_in", lambda self, twin: twin)
    row = row_of(SweepCase(0, "faults", "gates", fault=fault.id))
    assert (row["outcome"], row["failed"]) == ("missed", True)


@pytest.mark.parametrize(
    ("raised", "status", "message"),
    [
        (ValueError("two\nlines"), "error", "ValueError: two lines"),
        (SystemExit(3), "error", "SystemExit: 3"),
        (MemoryError(), "out_of_memory", "MemoryError"),
    ],
)
def test_what_a_case_raises_is_its_row(
    raised: BaseException, status: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line; the worker lives on."""

    def check(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(run_case, "check", check)
    row = row_of(SweepCase(0, "check", "xor", "float64", "tape", 0))
    assert (row["status"], row["outcome"], row["message"], row["failed"]) == (status, status, message, True)


def test_a_users_file_is_found_in_the_folder_the_sweep_was_begun_in(tmp_path: Path) -> None:
    """A worker's own folder is another one."""
    (tmp_path / "mine_to_find.py").write_text("import gradtwin.catalog\ntwin = gradtwin.catalog.get('xor')\n")
    assert Twins(tmp_path)["mine_to_find.py:twin"] is catalog.get("xor")
    sys.modules.pop("mine_to_find", None)


# ---- fuzzing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in catalog.names() if name != "mnist"])
def test_a_fuzz_case_is_drawn_from_its_seed_alone_and_another_seed_is_another_point(name: str) -> None:
    """The same point, dtype and route each time; among five seeds more than one of everything that is drawn."""
    twin = catalog.get(name)
    first, again = ([fuzzing.draw(SweepCase(n, "fuzz", name, seed=n), twin) for n in range(5)] for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert (one.dtype, one.route, one.words) == (other.dtype, other.route, other.words)
        for mine, theirs in zip(one.twin.point()[0].values(), other.twin.point()[0].values(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert len({draw.route for draw in first}) > 1 and len({draw.dtype for draw in first}) > 1
    assert all(draw.dtype in DTYPES and draw.route in ROUTES for draw in first)
    if twin.widths is not None:
        assert len({draw.twin.widths for draw in first}) > 1


def test_what_an_axis_fixes_is_not_drawn() -> None:
    """The dtype and the route of the case."""
    draws = [fuzzing.draw(SweepCase(n, "fuzz", "deep", "float32", "tape", n), catalog.get("deep")) for n in range(5)]
    assert {(draw.dtype, draw.route) for draw in draws} == {("float32", "tape")}


def test_a_point_that_tells_nothing_is_drawn_again() -> None:
    """The neuron's da1 is e^|l|, which no float32 holds past |l| = 88; every gradient may be zero, too."""
    twin, t = catalog.get("neuron"), np.zeros((1, 1))
    point = {"w": np.full((1, 1), 100.0), "b": np.zeros(1)}, (np.ones((1, 1)), t)
    assert not fuzzing.is_telling(twin, point, "float32")
    assert fuzzing.is_telling(twin, point, "float64")
    zero = {"W": np.ones((1, 1)), "b": np.zeros(1)}, (np.ones((2, 1)), np.ones((2, 1)))
    assert not fuzzing.is_telling(catalog.get("linear_regression"), zero, "float64")


def test_right_twins_raise_no_alarm_at_drawn_points() -> None:
    """Three points of every twin, on the tape, where a check takes milliseconds."""
    for name in catalog.names():
        for seed in range(3):
            row = row_of(SweepCase(0, "fuzz", name, route="tape", seed=seed))
            assert row["outcome"] in ("agree", "rounding"), (name, seed, row)


def test_the_command_of_a_case_is_one_the_command_line_takes() -> None:
    """Checks and trainings have commands of their own; all else is run here, alone."""
    assert SweepCase(0, "check", "xor", "float64", "tape", 3).command == (
        "gradtwin check xor --dtype float64 --route tape --seed 3"
    )
    assert SweepCase(0, "check", "deep", "float64", "tape", 3, (2, 5, 1)).command == (
        "gradtwin sweep deep --axis dtype=float64 --axis route=tape --axis seed=3 --axis widths=2-5-1 --here"
    )
    assert SweepCase(0, "train", "deep", "float32", None, 3, (2, 5, 4, 1), 0.1).command == (
        "gradtwin train deep --dtype float32 --seed 3 --learning-rate 0.1 --hidden 5 --hidden 4"
    )
    assert SweepCase(0, "faults", "my file.py:t", fault="a:b").command == (
        "gradtwin sweep 'my file.py:t' --kind faults --axis fault=a:b --here"
    )
