"""The terminal: examples on every help page, completion, suggestions, narrow and wide, colour and pipe."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from rich.console import Console

from gradtwin.commands import cli, terminal
from gradtwin.core import progress
from gradtwin.training.tensorboard import tensorboard
from gradtwin.twins import catalog

COMMANDS: dict[str, Any] = {"": cli.app} | {
    name: cli.app.get_command(click.Context(cli.app), name) for name in cli.COMMANDS
}
EXAMPLE = re.compile(r"^Example: gradtwin (.+)$")


class EndedTensorBoard:
    """A TensorBoard that has nothing to do."""

    def wait(self) -> int:
        return 0

    def terminate(self) -> None:
        return None


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Collect what `board` would launch; that it serves is seen in test_cli."""
    calls: list[tuple[Path, int]] = []

    def launch(logdir: Path, port: int) -> EndedTensorBoard:
        calls.append((logdir, port))
        return EndedTensorBoard()

    monkeypatch.setattr(tensorboard, "launch", launch)
    return calls


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that runs one command line at a width and gives what it prints."""

    def run(words: list[str], columns: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))
        cli.run(words)
        return capsys.readouterr().out

    return run


# ---- help --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_page_of_help_has_an_example_that_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launched: list[tuple[Path, int]], without_ray: Any
) -> None:
    """The last line of the page is a command line of that command, and it exits 0 as it stands."""
    found = EXAMPLE.match(COMMANDS[name].epilog or "")
    assert found, f"gradtwin {name} --help has no example"
    words = found[1].split()
    assert not name or words[0] == name
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    assert cli.run(words) == 0
    assert launched == ([(Path("logs"), 6007)] if name == "board" else [])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_help_shows_its_example(name: str, printed: Any) -> None:
    """Who asks for help sees the example."""
    assert COMMANDS[name].epilog in printed([*([name] if name else []), "--help"], columns=120)


def test_gradtwin_alone_shows_three_commands_and_no_page_of_options(printed: Any) -> None:
    """Each of the three parses; the reader is told where the rest is."""
    out = printed([])
    steps = re.findall(r"^  gradtwin (\w+) ?(\w*)", out, re.MULTILINE)
    assert len(steps) == 3
    assert all(command in COMMANDS and (not name or name in catalog.names()) for command, name in steps)
    assert "gradtwin --help" in out and "--version" not in out
    assert len(out.splitlines()) <= 10


# ---- what is mistyped --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        ("chek xor", "Did you mean 'check'?"),
        ("check --sed 3", "Did you mean '--seed'?"),
        ("check xro", "Did you mean 'xor'?"),
        ("train xor --optimiser adam", "Did you mean '--optimizer'?"),
        ("replay 001-handst", "Did you mean '001-handset'?"),
        ("check xor --dtype float46", "Did you mean 'float64'?"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest_one(
    words: str, suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr, with a suggestion, and exit status 2."""
    assert cli.run(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert suggestion in err
    assert not re.search(r"[.?]{2}", err)


# ---- completion --------------------------------------------------------------------------------------


def complete(line: str) -> list[str]:
    """Ask for the completion of a command line as bash does."""
    words = line.split(" ")
    environment = {"_GRADTWIN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run([sys.executable, "-m", "gradtwin"], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return [answer.partition(",")[2] for answer in done.stdout.split()]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gradtwin ch", ["check"]),
        ("gradtwin check x", ["xor"]),
        ("gradtwin train xor --opt", ["--optimizer"]),
        ("gradtwin replay 001-hands", ["001-handset", "001-handset-h"]),
    ],
)
def test_the_shell_completes_commands_options_twins_and_figures(line: str, words: list[str]) -> None:
    """What `--install-completion` installs asks `gradtwin` itself, which answers a word a line, after its kind."""
    assert complete(line) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed_and_installing_it_again_adds_nothing(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Any
) -> None:
    """The script is where the shell reads it; what stood in the shell's start file stays."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    for start_file in (".bashrc", ".zshrc"):
        (tmp_path / start_file).write_text("alias l=ls")
    script = printed(["--show-completion"])
    assert f"_GRADTWIN_COMPLETE={shell}_complete" in script
    assert shell in printed(["--install-completion"])
    first = {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    printed(["--install-completion", shell])
    assert first == {file: file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    (written,) = [file for file, text in first.items() if "_GRADTWIN_COMPLETE" in text]
    if shell != "fish":
        assert first[tmp_path / f".{shell}rc"] == f"alias l=ls\nsource {written}\n"


def test_the_installed_script_completes_in_a_real_bash(tmp_path: Path) -> None:
    """Bash reads its start file, and `gradtwin ch` becomes `gradtwin check`."""
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    install = [sys.executable, "-m", "gradtwin", "--install-completion", "bash"]
    subprocess.run(install, env=environment, check=True, capture_output=True)
    (tmp_path / "gradtwin").write_text(f"#!/bin/sh\nexec {sys.executable} -m gradtwin \"$@\"\n")
    (tmp_path / "gradtwin").chmod(0o755)
    ask = (
        f"PATH={tmp_path}:$PATH; . {tmp_path}/.bashrc; COMP_WORDS=(gradtwin ch); COMP_CWORD=1; "
        '_gradtwin_completion gradtwin ch gradtwin; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", ask], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["check"], done.stderr


# ---- width, colour, pipe -----------------------------------------------------------------------------

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


# ---- progress ----------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("speed", "words"), [(1234.5, "1,234/s"), (2.26, "2.3/s"), (None, "")])
def test_the_rate_is_said_as_soon_as_it_is_known(speed: float | None, words: str) -> None:
    """Many a second without digits, few with one."""
    task: Any = type("Task", (), {"speed": speed, "finished_speed": None})
    assert str(progress._Rate().render(task)) == words
