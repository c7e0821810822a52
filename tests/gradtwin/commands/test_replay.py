"""`gradtwin replay`."""

import json
import re
from pathlib import Path

import pytest

from gradtwin.commands import cli


def test_replay_prints_each_figure_in_its_own_digits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As printed, on the manual side, on the reference side; 001 prints the hand-set weights as whole numbers."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["replay", "001-handset", "001-logistic-h"]) == 0
    out = capsys.readouterr().out
    assert re.findall(r"^  (\w+) +5 -7 -8 3$", out, re.MULTILINE) == ["printed", "manual", "reference"]
    assert re.findall(r"^  (\w+) +0\.5 0\.5 0\.5 0\.5$", out, re.MULTILINE) == [
        "printed",
        "manual",
        "reference",
    ]
    assert "2 of 2 figures reproduced." in out


def test_a_figure_that_is_not_reproduced_fails_the_replay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted error in the hand-set start is seen: exit 1, and the figure is named."""
    from gradtwin.replay import RECIPES

    monkeypatch.setitem(RECIPES, "001-handset", lambda bench: [[5.0, -7.0], [-8.0, 4.0]])
    assert cli.run(["replay", "001-handset"]) == 1
    assert "not reproduced: 001-handset." in capsys.readouterr().out
    assert cli.run(["replay", "001-handset", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert list(row)[:7] == "figure source system printed manual tensorflow reproduced".split()
    assert row["reproduced"] is False


def test_a_figure_that_needs_mnist_says_so_and_does_not_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without MNIST the rest still passes, and nobody reads that the figure was reproduced."""
    monkeypatch.delenv("GRADTWIN_MNIST_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert cli.run(["replay", "001-handset", "004-losses"]) == 0
    assert "1 of 2 figures reproduced; 1 need" in capsys.readouterr().out
