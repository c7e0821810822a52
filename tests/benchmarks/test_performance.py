"""The table of speed and scale: every part runs and gives its figures; no time is asserted."""

import ast
import json
import sys
from typing import Any

import pytest

from benchmarks import growth, lockstep, numeric_gradient, performance, processes
from benchmarks.performance import Figure
from gradtwin.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("measured", "target", "more", "met"),
    [(0.12, 0.12, False, True), (0.13, 0.12, False, False), (1000, 1000, True, True), (999, 1000, True, False)],
)
def test_a_figure_is_met_on_its_own_side_of_the_target(measured: float, target: float, more: bool, met: bool) -> None:
    """At most, or at least; NaN is neither."""
    assert Figure("x", measured, target, more).met is met
    assert not Figure("x", float("nan"), target, more).met


def test_a_missed_target_is_status_1_and_marked(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """With the figure beside what was wanted."""
    monkeypatch.setitem(performance.PARTS, "check", lambda quick: [Figure("slow", 2.0, 1.0), Figure("quick", 0.5, 1.0)])
    assert performance.main(["check"]) == 1
    printed = capsys.readouterr().out
    assert "| slow | 2.00 | at most 1 | **no** |" in printed and "| quick | 0.50 | at most 1 | yes |" in printed


def test_an_unknown_part_is_refused(capsys: Any) -> None:
    """With the names there are."""
    with pytest.raises(SystemExit, match="2"):
        performance.main(["stepz"])
    assert "unknown part 'stepz': there are steps, check, numeric" in capsys.readouterr().err


@pytest.mark.parametrize(("part", "count"), [("check", 2), ("numeric", 1)])
def test_a_part_gives_its_figures(part: str, count: int, capsys: Any) -> None:
    """Positive ratios, with targets."""
    assert performance.main([part, "--quick", "--json"]) in (0, 1)
    figures = json.loads(capsys.readouterr().out)
    assert len(figures) == count and all(f["measured"] > 0 and f["target"] > 0 for f in figures)


def test_the_three_ways_to_train_end_at_the_same_parameters() -> None:
    """Both bare loops are the training they are compared with: XOR's full batch, and batches that vary."""
    for name, steps in (("xor", 30), ("softmax_regression", 4)):
        asked = TrainingSettings(steps=steps, data=None if name == "xor" else "digits")
        plan = lockstep.make_plan(lockstep.catalog.get(name), asked)
        parts = list(lockstep.chunks(plan, lockstep.np.random.default_rng((plan.settings.seed or 0, 1))))
        history = lockstep.training.train(plan.twin, steps=steps, data=None if name == "xor" else "digits")
        for loop, side in ((lockstep.manual_loop, "manual"), (lockstep.tensorflow_loop, "tensorflow")):
            params = loop(plan, parts)()
            assert all(abs(params[k] - p).max() < 1e-12 for k, p in history.params[side].items())


def test_lockstep_is_timed_beside_both_loops(capsys: Any) -> None:
    """Twenty steps of XOR."""
    assert lockstep.main(["xor", "--steps", "20", "--rounds", "1", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["steps"] == 20 and row["lockstep_over_both"] > 0 and min(row["seconds"].values()) > 0


def test_a_numeric_gradient_agrees_with_what_it_is_timed_beside() -> None:
    """The reference's own gradient, to the digits that differences have."""
    assert numeric_gradient.measure(5, 1).numeric_error < 1e-4


def test_growth_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small size; the exponent of two made-up ones is the slope of their logarithms."""
    monkeypatch.setattr(growth, "SIZES", (30, 10_000))
    (found,) = growth.measure(1_000, "float64", 1)
    assert found.parameters == 930 and found.seconds > 0 and found.peak > 0
    assert growth.exponent([growth.Growth(10, 1.0, 1.0), growth.Growth(1000, 10.0, 1.0)]) == pytest.approx(0.5)


def test_processes_are_taken_in_ratios(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Less the import of TensorFlow where that is said; the commands themselves are replaced by nothing."""
    assert processes.ratios(
        {"numpy": 0.1, "help": 0.2, "list": 0.3, "tensorflow": 2.0, "check": 6.0, "xor": 3.0, "loop": 2.5}
    ) == {"help": 2.0, "list": pytest.approx(3.0), "check": 3.0, "xor": 2.0}
    monkeypatch.setattr(processes, "COMMANDS", {name: [sys.executable, "-c", ""] for name in processes.COMMANDS})
    assert processes.main(["--rounds", "1"]) == 0
    assert "| numpy |  |" in capsys.readouterr().out


def test_tensorflows_loop_alone_trains_xor(capsys: Any) -> None:
    """The parameters of the replayed training, 10,001 steps from the source's start."""
    assert processes.main(["--loop"]) == 0
    final = ast.literal_eval(capsys.readouterr().out)
    history = lockstep.training.train("xor", steps=10_001)
    assert all(abs(history.params["tensorflow"][k] - final[k]).max() < 1e-12 for k in final)


def test_the_page_has_a_place_for_the_table() -> None:
    """docs/performance.md holds the markers that --write looks for."""
    text = performance.PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- begin performance -->") == text.count("<!-- end performance -->") == 1
