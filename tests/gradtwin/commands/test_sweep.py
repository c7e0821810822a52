"""`gradtwin sweep`: what it prints, where, and with which exit status."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradtwin.commands import cli
from gradtwin.commands import sweep_live as live
from gradtwin.sweep import read_results
from tests.gradtwin.sweep.test_driver import WRONG


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def test_all_well_is_exit_0_with_counts_the_worst_and_what_repeats_them(
    without_ray: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe every line stands on its own: no bar, no colour."""
    assert cli.run("sweep xor gates --axis seed=0..4 --axis dtype=float64,float32 --results r".split()) == 0
    out = capsys.readouterr().out
    assert out.startswith("12 checks of 2 twins, results in r\n  gates: the seed changes nothing")
    assert "12 of 12 cases: 12 agree; 0 false alarms on built-in twins." in out
    repeating = r"^    gradtwin check (xor|gates) --dtype float\d\d --route tape --seed \d$"
    assert len(re.findall(repeating, out, re.MULTILINE)) == 10
    assert "\x1b" not in out and "\r" not in out
    assert read_results("r").num_rows == 12


def test_a_failed_case_is_exit_1_and_its_command_repeats_it(
    without_ray: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worst case's command, run as it stands, fails as well."""
    Path("wrong_one.py").write_text(WRONG)
    assert cli.run("sweep wrong_one.py xor --results r".split()) == 1
    out = capsys.readouterr().out
    command = re.search(r"disagree in dW1: wrong_one.py:wrong.*\n +gradtwin (.+)\n", out)
    assert command and cli.run(command[1].split()) == 1
    assert "1 agree, 1 disagree; 0 false alarms" in out


def test_json_is_one_document_and_nothing_else(without_ray: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What a user's file prints goes to stderr."""
    Path("talking.py").write_text("print('my own words')\n" + WRONG)
    assert cli.run("sweep talking.py --axis seed=0..2 --results r --json".split()) == 1
    captured = capsys.readouterr()
    (document,) = json.loads(captured.out)
    assert document["outcomes"] == {"disagree": 3} and document["done"] == document["cases"] == 3
    assert document["worst"][0]["target"] == "talking.py:wrong" and document["false_alarms"] == 0
    assert "my own words" in captured.err


def test_ctrl_c_is_exit_130_with_the_summary_so_far(
    without_ray: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that the rest can be resumed, and it can."""
    watching = live._Lines.__call__

    def press(self: Any, summary: Any) -> None:
        watching(self, summary)
        if summary.tally.done == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(live._Lines, "__call__", press)
        assert cli.run("sweep xor --axis seed=0..9 --results r".split()) == 130
    out = capsys.readouterr().out
    assert "4 of 10 cases: 4 agree" in out and "Interrupted; 6 cases left. Continue with --resume." in out
    assert cli.run("sweep xor --axis seed=0..9 --results r --resume".split()) == 0
    assert "10 of 10 cases (4 in earlier runs): 10 agree" in capsys.readouterr().out


def test_here_shows_every_case_and_stores_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A check, a training, a fault and a drawn point; no Ray, no folder."""
    for words in (
        "deep --axis widths=2-3-1 --here",
        "xor --kind train --axis steps=5 --here",
        "gates --kind faults --axis fault=gates:df:negated --here",
        "deep --kind fuzz --axis seed=3 --axis route=tape --here",
    ):
        assert cli.run(["sweep", *words.split()]) == 0, words
        assert words.split()[0] in capsys.readouterr().out
    assert cli.run("sweep xor --here --json".split()) == 0
    assert json.loads(capsys.readouterr().out)[0]["outcome"] == "agree"
    assert list(Path().iterdir()) == []


BAD = {
    "sweep xor --axis sed=1": "Unknown axis 'sed'",
    "sweep xor --axis seed=9..1": "9..1 is empty",
    "sweep xor --axis dtype=": "no values",
    "sweep xor --axis dtype=float46": "Did you mean 'float64'?",
    "sweep xro": "Did you mean 'xor'?",
    "sweep nofile.py": "no file nofile.py",
    "sweep xor --axis seed=0..999999999": "The grid has 1,000,000,000 cases",
    "sweep xor --time-budget 0": "--time-budget: expected a time above 0",
    "sweep xor --timeout 0s": "--timeout: expected a time above 0",
    "sweep xor --memory lots": "--memory: expected a size",
    "sweep xor --max-cases 0": "is not in the range x>=1",
    "sweep xor --workers 0": "is not in the range x>=1",
    "sweep xor --kind chek": "'check'",
    "sweep xor --address 127.0.0.1:1": "Nothing answers at 127.0.0.1:1",
    "sweep xor --address nowhere": "expected HOST:PORT",
    "sweep xor --results file": "is a file",
    "sweep xor --results other": "holds other files",
    "sweep xor --logdir file": "is a file",
    "sweep xor --here --resume": "leave out --resume",
    "sweep xor --here --time-budget 1m": "leave out --time-budget",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_line_and_exit_2(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing on stdout, one line on stderr, and nothing half-written is left behind."""
    Path("file").write_text("")
    Path("other").mkdir()
    Path("other", "letter").write_text("mine")
    before = {str(path) for path in Path().rglob("*")}
    assert cli.run(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and BAD[words] in err
    assert {str(path) for path in Path().rglob("*")} == before


def test_a_damaged_part_is_one_line_and_exit_2(without_ray: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Resumed without it, its cases are run again."""
    assert cli.run("sweep xor --axis seed=0..4 --results r".split()) == 0
    part = Path("r/part-00000.parquet")
    part.write_bytes(part.read_bytes()[:-9])
    capsys.readouterr()
    assert cli.run("sweep xor --axis seed=0..4 --results r --resume".split()) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "part-00000.parquet is damaged or half-written" in err
    part.unlink()
    assert cli.run("sweep xor --axis seed=0..4 --results r --resume".split()) == 0
    assert read_results("r").num_rows == 5


def test_the_command_line_declares_the_sweep_without_loading_it() -> None:
    """`gradtwin --help` loads no Ray, no pyarrow and nothing of the sweep but its options."""
    command = [sys.executable, "-c", "import sys; from gradtwin.commands import sweep; print(*sorted(sys.modules))"]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"ray", "pyarrow", "tensorflow", "gradtwin.sweep.driver"}
    assert "gradtwin.commands.sweep" in loaded
