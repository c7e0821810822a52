"""`gradtwin train`: what it prints and writes, and what it refuses before anything is written."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gradtwin.commands import cli
from tests.gradtwin.commands.running import refusal


def test_train_runs_every_twin_at_every_learning_rate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`train --json` has one row a run, the promised keys, and the files where the row says."""
    rates = ["--learning-rate", "0.1", "--learning-rate", "0.01"]
    logdir = tmp_path / "logs"
    assert cli.run(["train", "xor", "logistic", *rates, "--steps", "5", "--logdir", str(logdir), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["twin"], r["learning_rate"], r["steps"]) for r in rows] == [
        (twin, rate, 5) for twin in ("xor", "logistic") for rate in (0.1, 0.01)
    ]
    promised = "twin run dtype learning_rate steps manual tensorflow gap diverged_at".split()
    for row in rows:
        assert set(promised) <= set(row)
        assert {"loss", "accuracy"} <= set(row["manual"]) & set(row["tensorflow"])
        assert {"manual", "tensorflow"} <= {part.name for part in (logdir / row["twin"] / row["run"]).iterdir()}


def test_zoo_is_trained_as_its_source_prints_it_beside_the_right_way(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Both reach 100 % within 310 updates, the row where 000 stops printing; only the faulty side drifts."""
    assert cli.run(["train", "zoo", "--logdir", str(tmp_path), "--json"]) == 0
    right, faulty = json.loads(capsys.readouterr().out)
    assert (right["variant"], faulty["variant"]) == ("", "F000-1+F000-2")
    for row in (right, faulty):
        at_310 = row["logged"]["step"].index(310)
        assert set(row["logged"]["accuracy_manual"][at_310:]) == {1.0}
    assert right["diverged_at"] is None and right["gap"] < 1e-9
    assert faulty["gap"] > 1


def test_train_for_people_shows_both_sides_the_gap_and_where_the_files_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Loss, accuracy, predictions and gap; no progress bar and no escape codes in a pipe."""
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.run(["train", "xor", "--steps", "200", "--logdir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"^  (?:manual|reference) +0\.\d+ +\d+\.00 %", out, re.MULTILINE)) == 2
    assert "prediction, 4 rows" in out
    assert ", never above 1e-6." in out
    assert str(tmp_path / "xor") in out
    assert "\x1b" not in out and "training xor" not in out


def test_hidden_widths_make_another_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--hidden 3 --hidden 4` trains 2-3-4-1: parameters of three layers."""
    options = ["--hidden", "3", "--hidden", "4", "--steps", "2", "--seed", "1", "--json"]
    assert cli.run(["train", "wide", *options, "--logdir", str(tmp_path)]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row["logged"]["gap"]) == {"W1", "b1", "W2", "b2", "W3", "b3"}


def test_ctrl_c_ends_the_training_in_order(tmp_path: Path) -> None:
    """Exit 130, the summary so far on stdout, no traceback, event files that can be read."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    process = subprocess.Popen(
        [sys.executable, "-m", "gradtwin", "train", "xor", "--steps", "1000000", "--logdir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    while not all(any(tmp_path.glob(f"xor/*/{side}/*")) for side in ("manual", "tensorflow")):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by Ctrl-C after" in out
    assert err == ""
    for file in tmp_path.glob("xor/*/*/*"):
        assert len(list(EventFileLoader(str(file)).Load())) > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "NAME"),
        ("zo", "Unknown twin 'zo'. Did you mean 'zoo'?"),
        ("zoo xro", "Unknown twin 'xro'"),
        ("xor --steps -5", "got -5"),
        ("xor --steps 0", "got 0"),
        ("xor --steps ten", "--steps"),
        ("xor --steps 5 --epochs 5", "not both"),
        ("xor --learning-rate nan", "learning rate must be a finite number above 0, got nan"),
        ("xor --learning-rate inf", "got inf"),
        ("xor --learning-rate 0", "got 0"),
        ("xor --learning-rate -0.1", "got -0.1"),
        ("xor --learning-rate 0.1 --learning-rate nan", "got nan"),
        ("xor --batch-size 5", "a whole number from 1 to 4"),
        ("xor --batch-size 0", "got 0"),
        ("xor --seed -1", "seed must be a whole number from 0, got -1"),
        ("xor --optimizer sgd", "sgd"),
        ("xor --keep 0.5", "has no dropout"),
        ("xor --hidden 10", "Twin 'xor' has no hidden layers that can be resized"),
        ("zoo --hidden 10", "Twin 'zoo' has no hidden layers that can be resized"),
        ("wide --hidden 0", "at least 1, got 2, 0, 1"),
        ("deep --hidden 10 --hidden -3", "at least 1, got 2, 10, -3, 1"),
        ("mnist --hidden 5 --keep 1.5", "at most 1, got 1.5"),
        ("zoo --data nowhere.csv", "nowhere.csv"),
    ],
)
def test_an_impossible_training_is_refused_before_anything_is_written(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No run starts, not even the right one of two; the log directory is not made."""
    logdir = tmp_path / "logs"
    assert message in refusal(["train", *arguments.split(), "--logdir", str(logdir)], capsys)
    assert not logdir.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,0\n1,2,3,0\n", "line 2"),
        ("1,2,0\n1,two,1\n", "line 2"),
        ("1,2,0\n1,nan,1\n", "line 2"),
        ("1,2,0\n1,2,\n", "line 2"),
        ("1,2,0\n1,2,0.5\n", "line 2"),
        ("", "no rows"),
    ],
)
def test_a_bad_line_of_a_users_table_is_named(
    text: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Ragged rows, words, NaN, a missing or fractional label, an empty file."""
    file = tmp_path / "table.csv"
    file.write_text(text)
    line = refusal(["train", "zoo", "--data", str(file), "--logdir", str(tmp_path / "logs")], capsys)
    assert message in line and "table.csv" in line
    assert not (tmp_path / "logs").exists()


def test_a_log_directory_that_is_a_file_is_refused_and_left_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The file keeps its content."""
    file = tmp_path / "logs"
    file.write_text("mine")
    assert "is a file" in refusal(["train", "xor", "--steps", "5", "--logdir", str(file)], capsys)
    assert file.read_text() == "mine"


def test_a_log_directory_that_cannot_be_written_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A read-only place: mkdir is made to fail as there, for root may write anywhere."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    line = refusal(["train", "xor", "--steps", "5", "--logdir", str(tmp_path / "logs")], capsys)
    assert "Cannot write to the log directory" in line and "Permission denied" in line


def test_a_full_disk_ends_the_training_with_one_line(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: an event file cannot grow past 20,000 bytes."""
    done = subprocess.run(
        [sys.executable, "-m", "gradtwin", "train", "xor", "--logdir", str(tmp_path / "logs")],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("TF_")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("gradtwin: ") and done.stderr.count("\n") == 1
