"""What is seen of a sweep under way, on a terminal and in a pipe."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gradtwin.commands import sweep_live as live
from gradtwin.sweep import sweep
from gradtwin.sweep.driver import Summary


def summary_of(**values: Any) -> Summary:
    """Make a summary with so many cases done, as far as the pace is concerned."""
    tally = type("Tally", (), {"done": values.pop("done")})()
    known: dict[str, Any] = {"grid": None, "folder": Path(), "tally": tally, "begun_with": 0, "cases": 100}
    return Summary(**known | {"ended_by": None, "seconds": 10.0} | values)


def test_the_pace_counts_what_this_run_has_done() -> None:
    """Twenty in ten seconds are two a second, and eighty are left; ten of an earlier run are not this one's."""
    assert live.pace(summary_of(done=20)) == "20 of 100 done, 2/s, 40 s left"
    assert live.pace(summary_of(done=20, begun_with=10)) == "20 of 100 done, 1/s, 1 min 20 s left"
    assert live.pace(summary_of(done=20, cases=10**9, time_budget=30.0)) == "20 of 1,000,000,000 done, 2/s, 20 s left"
    assert live.pace(summary_of(done=0, seconds=0.0)) == "0 of 100 done, workers are loading TensorFlow"
    assert live.pace(summary_of(done=0)) == "0 of 100 done"


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (61, "1 min 1 s"), (3660, "1 h 1 min")])
def test_a_time_is_written_as_people_say_it(seconds: float, text: str) -> None:
    """Rounded to what matters."""
    assert live.duration(seconds) == text


def test_a_terminal_shows_a_bar_the_counts_and_the_worst(
    without_ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture goes when the sweep is over; what it is and what is folded stays."""
    out = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(live, "console", lambda: out)
    with live.watching(shown=True) as watch:
        sweep(["xor", "gates"], axes={"seed": range(3)}, results=tmp_path / "r", watch=watch, time_budget=600)
    shown = out.file.getvalue()  # type: ignore[attr-defined]
    for words in ("4 checks of 2 twins", "gates: the seed", "4 of 4 done", "4 agree", "worst so far", "━"):
        assert words in shown


def test_a_pipe_gets_a_line_now_and_then(
    without_ray: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here after every row; and at the beginning of what goes on, how much of it is done."""
    monkeypatch.setattr(live, "LINE_EVERY", 0.0)
    asked: dict[str, Any] = {"axes": {"seed": range(5)}, "results": tmp_path / "r"}
    with live.watching(shown=True) as watch:
        sweep(["xor"], watch=watch, max_cases=3, **asked)
        sweep(["xor"], resume=True, **asked)
    with live.watching(shown=True) as watch:
        sweep(["xor"], watch=watch, resume=True, **asked)
    out = capsys.readouterr().out
    assert out.startswith("3 checks of 1 twin, sampled from 5, results in ") and "2 of 3 done, " in out
    assert "\n  5 of them " in out
    with live.watching(shown=False) as watch:
        assert watch is None
