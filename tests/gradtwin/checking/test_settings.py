"""The settings of a check write the command and the call that repeat it."""

import shlex
import subprocess
import sys

import pytest

import gradtwin
from gradtwin.checking.settings import OF_FUNCTIONS, OF_TWINS, CheckSettings
from gradtwin.commands import cli


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (CheckSettings(), ["--dtype float64", "--route tape", "--seed 0"]),
        (CheckSettings("float32", "xla", seed=3), ["--dtype float32", "--route xla", "--seed 3"]),
        (CheckSettings(device="CPU:1", thorough=True), ["--device CPU:1", "--thorough"]),
    ],
)
def test_the_command_has_what_was_set_and_runs(settings, options):
    """As `gradtwin check` takes it."""
    command = settings.command("gates")
    assert all(option in command for option in options) and command.startswith("gradtwin check gates --")
    assert cli.run(shlex.split(command)[1:]) == 0


def test_a_name_with_a_blank_is_quoted():
    """As a shell takes it."""
    assert shlex.split(CheckSettings().command("my file.py:twin"))[2] == "my file.py:twin"


def test_shards_are_repeated_from_python_because_the_command_line_has_no_option_for_them():
    """The report's command runs as it stands, and cuts the batch in the same way."""
    report = gradtwin.check("xor", route="mirrored", shards=(2, 2))
    python, *words = shlex.split(report.command)
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    assert python == "python" and report.notes[0].id == "shards" and report.notes[0] in done.stdout


def test_keywords_are_those_of_the_two_checks_and_only_what_was_set():
    """dtype and route always."""
    settings = CheckSettings(device="GPU:0", shards=(3, 1), kinks="reference")
    assert settings.keywords(OF_TWINS) == "dtype='float64', route='tape', device='GPU:0', shards=(3, 1)"
    assert settings.keywords(OF_FUNCTIONS) == "route='tape', device='GPU:0', shards=(3, 1), kinks='reference'"
