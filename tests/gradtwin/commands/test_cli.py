"""The command line as a whole: help, what is mistyped, what is loaded, exit statuses, pipes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from gradtwin.commands import cli
from gradtwin.training.tensorboard import tensorboard
from gradtwin.twins import catalog
from tests.gradtwin.commands.running import refusal

COMMANDS: dict[str, Any] = {"": cli.app} | {
    name: cli.app.get_command(click.Context(cli.app), name) for name in cli.COMMANDS
}
EXAMPLE = re.compile(r"^Example: gradtwin (.+)$")


def modules_after(code: str) -> set[str]:
    """Run code in a fresh process and give the modules it has loaded."""
    code = f"{code}\nimport sys; print('modules:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import gradtwin, gradtwin.commands.cli, gradtwin.catalog",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run(['list'])",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run(['--help'])",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run(['check', 'xro'])",
        "import gradtwin.commands.cli; gradtwin.commands.cli.run([])",
    ],
)
def test_what_does_not_compare_or_train_loads_no_tensorflow(code: str) -> None:
    """Help, list and a refused name answer at once, so TensorFlow and matplotlib stay unloaded."""
    loaded = modules_after(code)
    assert "gradtwin.commands.cli" in loaded
    assert not loaded & {"tensorflow", "keras", "matplotlib", "tensorboard"}


def test_gradtwin_alone_shows_three_commands_and_no_page_of_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The bare command is a question, not a mistake. Each of the three parses; the last line says where the rest is."""
    assert cli.run([]) == 0
    out = capsys.readouterr().out
    steps = re.findall(r"^  gradtwin (\w+) ?(\w*)", out, re.MULTILINE)
    assert len(steps) == 3
    assert all(command in COMMANDS and (not name or name in catalog.names()) for command, name in steps)
    assert "gradtwin --help" in out and "--version" not in out
    assert len(out.splitlines()) <= 10


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`gradtwin --version` names the release."""
    assert cli.run(["--version"]) == 0
    assert re.fullmatch(r"gradtwin \d+\.\d+\.\d+\n", capsys.readouterr().out)


class EndedTensorBoard:
    """A TensorBoard that has nothing to do."""

    def wait(self) -> int:
        return 0

    def terminate(self) -> None:
        return None


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Collect what `board` would launch; that it serves is seen in test_board."""
    calls: list[tuple[Path, int]] = []

    def launch(logdir: Path, port: int) -> EndedTensorBoard:
        calls.append((logdir, port))
        return EndedTensorBoard()

    monkeypatch.setattr(tensorboard, "launch", launch)
    return calls


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
    """And `-h` is the same page."""
    words = [name] if name else []
    page = printed([*words, "--help"], columns=120)
    assert COMMANDS[name].epilog in page and page == printed([*words, "-h"], columns=120)


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("chek", "'chek'"),
        ("check xro", "Did you mean 'xor'? gradtwin list"),
        ("check xor --dtype bf16", "Did you mean 'bfloat16'?"),
        ("check xor --route eager", "eager"),
        ("check gates --route mirrored", "gates: "),
        ("check node_relu --route multiworker", "node_relu: "),
        ("check xor --device GPU:0", "only CPU:0, CPU:1."),
        ("check xor --device CPU:1 --route mirrored", "route mirrored"),
        ("check xor --seed -1", "--seed"),
        ("check xor --sed 1", "'--sed'"),
        ("check nowhere.py", "nowhere.py"),
        ("replay 000-trian", "Did you mean '000-train'?"),
        ("board --logdir nowhere", "nowhere"),
        ("board --logdir . --port 70000", "70000"),
        ("list --jason", "'--jason'"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names what was given, and where there is a near word, that."""
    assert message in refusal(arguments.split(), capsys)


@pytest.mark.parametrize("words", ["check --sed 3", "train", "sweep --workers 0", "board --port x"])
def test_wrong_usage_ends_with_where_to_look(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The page of help of the command that was meant; of `gradtwin` where no command was."""
    assert refusal(words.split(), capsys).endswith(f" See gradtwin {words.split()[0]} --help.\n")
    assert refusal(["chek"], capsys).endswith(" See gradtwin --help.\n")


def test_a_reader_that_stops_reading_is_no_error() -> None:
    """`gradtwin list | head -1` ends without a traceback."""
    command = f"{sys.executable} -m gradtwin list | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("gates")
    assert done.stderr == ""
