"""What is printed: narrow and wide, in colour and into a pipe, and the progress of long work."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gradtwin.commands import terminal

SHOWN = ["", "list", "check xor --dtype float64 --route tape", "train xor --steps 5", "replay 001-handset 001-nn-h"]


@pytest.mark.parametrize("words", SHOWN)
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_every_width_shows_the_same_words_within_its_columns(
    words: str, columns: int, printed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is cut off with an ellipsis on a narrow terminal, and no line is wider than it."""
    monkeypatch.chdir(tmp_path)
    out = printed(words.split(), columns)
    paths_aside = [line for line in out.splitlines() if not line.lstrip().startswith("logs/")]
    assert "…" not in out
    assert max(map(len, paths_aside)) <= columns


def test_a_narrow_check_has_each_tensor_with_all_its_numbers(printed: Any) -> None:
    """At 40 columns a row becomes a paragraph: shape, error, bound and verdict of each of the nine tensors."""
    out = printed("check xor --dtype float64 --route tape".split(), 40)
    rows = re.findall(r"^(\w+)\n +(shape .*?verdict agree)$", out, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in rows] == "loss dz2 dW2 db2 da1 dz1 dW1 db1 dx".split()
    assert all(re.search(r"float64\s+ulp\s+[\d.]+,\s+bound\s+64", text) for _, text in rows)


@pytest.mark.parametrize("words", SHOWN)
def test_no_line_in_a_pipe_ends_in_blanks(words: str, printed: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A diff of two outputs shows what differs, and nothing that cannot be seen."""
    monkeypatch.chdir(tmp_path)
    lines = printed(words.split()).splitlines()
    assert lines
    assert [line for line in lines if line != line.rstrip()] == []


def test_blanks_at_line_ends_are_seen() -> None:
    """Without the console of this program a table's last column is padded: the check above can fail."""
    stream = io.StringIO()
    table = terminal.new_table("a", "bb")
    table.add_row("x", "y")
    Console(file=stream, width=20).print(table)
    assert any(line != line.rstrip() for line in stream.getvalue().splitlines())


@pytest.mark.parametrize(("variable", "coloured"), [("FORCE_COLOR", True), ("NO_COLOR", False)])
def test_no_color_takes_the_colours_away(
    variable: str, coloured: bool, printed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal has colours; with NO_COLOR it has none of them (bold may stay)."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, "1")
    out = printed("check gates --dtype float64 --route tape".split())
    assert "\x1b[" in out
    assert bool(re.search(r"\x1b\[[\d;]*3\dm", out)) == coloured


def shown_on(is_terminal: bool) -> str:
    """Let three things pass while their progress is shown on a terminal, or into a pipe."""
    stream = io.StringIO()
    out = Console(file=stream, width=80, force_terminal=is_terminal)
    assert list(terminal.on_the_way([1, 2, 3], out, "checking", 3)) == [1, 2, 3]
    return stream.getvalue()


def test_long_work_shows_how_far_it_is_on_a_terminal_and_nothing_in_a_pipe() -> None:
    """A bar with count and time left; it is wiped away at the end, and a pipe has never seen it."""
    shown = shown_on(is_terminal=True)
    assert "checking" in shown and re.search(r"[0-3]/3", shown)
    assert shown_on(is_terminal=False) == ""
