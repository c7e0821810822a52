"""Whatever a user gets wrong comes back as one clear line, exit status 2, and nothing half-written."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gradtwin
from gradtwin.commands import cli


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command line that must be refused, and give the one line it says."""
    status = cli.run(arguments)
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith("gradtwin: ") and err.count("\n") == 1 and err.endswith("\n")
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("chek", "No such command 'chek'"),
        ("check xro", "Unknown twin 'xro'. Did you mean 'xor'? gradtwin list names them all."),
        ("check xor --dtype bf16", "Did you mean 'bfloat16'?"),
        ("check xor --route eager", "eager"),
        ("check gates --route mirrored", "gates: A data-parallel check cuts the batch"),
        ("check node_relu --route multiworker", "node_relu: The reference does not take a shard of g"),
        ("check xor --device GPU:0", "device: TensorFlow sees no 'GPU:0' here, only CPU:0, CPU:1."),
        ("check xor --device CPU:1 --route mirrored", "route mirrored uses two replicas on the CPU"),
        ("check xor --seed -1", "--seed"),
        ("check xor --sed 1", "No such option '--sed'"),
        ("check nowhere.py", "There is no file nowhere.py"),
        ("replay 000-trian", "Did you mean '000-train'?"),
        ("board --logdir nowhere", "There is no directory nowhere"),
        ("board --logdir . --port 70000", "70000"),
        ("list --jason", "No such option '--jason'"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names what was given, and where there is a near word, that."""
    assert message in refusal(arguments.split(), capsys)


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
        ("xor --learning-rate nan", "learning rate is a finite number above 0, got nan"),
        ("xor --learning-rate inf", "got inf"),
        ("xor --learning-rate 0", "got 0"),
        ("xor --learning-rate -0.1", "got -0.1"),
        ("xor --learning-rate 0.1 --learning-rate nan", "got nan"),
        ("xor --batch-size 5", "a whole number from 1 to 4"),
        ("xor --batch-size 0", "got 0"),
        ("xor --seed -1", "seed is a whole number from 0, got -1"),
        ("xor --optimizer sgd", "sgd"),
        ("xor --keep 0.5", "has no dropout"),
        ("xor --hidden 10", "Twin 'xor' has no hidden layers of any width"),
        ("zoo --hidden 10", "Twin 'zoo' has no hidden layers of any width"),
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


# ---- the library ---------------------------------------------------------------------------------------


def right(params: dict, x: np.ndarray) -> tuple[np.ndarray, dict]:
    """Loss (w x)·1 and its gradient."""
    return (params["w"] * x).sum(), {"w": x.copy()}


def never_called(params: dict, x: np.ndarray) -> None:
    """Stand for a reference: every case here is refused before TensorFlow is asked."""
    raise AssertionError("the reference was asked")


W, X = np.array([1.0, 2.0]), np.array([3.0, 4.0])


@pytest.mark.parametrize(
    ("manual", "params", "x", "message"),
    [
        (lambda p, x: None, {"w": W}, X, "None"),
        (lambda p, x: (0.0, None), {"w": W}, X, "None"),
        (lambda p, x: (0.0, {}), {"w": W}, X, "w"),
        (lambda p, x: (0.0, {"w": x, "v": x}), {"w": W}, X, "v"),
        (lambda p, x: (0.0, {"w": x[:1]}), {"w": W}, X, "shape"),
        (lambda p, x: (0.0, {"w": x.astype(np.float32)}), {"w": W}, X, "dtype"),
        (right, {"w": W.astype(int)}, X, "int64"),
        (right, {"w": W.astype(object)}, X, "object"),
        (right, {"w": W, "v": W.astype(np.float32)}, X, "one dtype"),
        (right, [W], X, "dictionary"),
        (right, {}, X, "dictionary"),
        (right, {"w": W[:0]}, X[:0], "empty"),
        (right, {"w": W}, np.array([1.0, np.nan]), "NaN"),
        (right, {"w": np.array([1.0, np.inf])}, X, "infinity"),
    ],
)
def test_sides_that_break_the_contract_are_refused(
    manual: object, params: object, x: object, message: str
) -> None:
    """Other keys, shapes or dtypes, nothing at all: one line, before TensorFlow is asked."""
    with pytest.raises(gradtwin.InputError) as refused:
        gradtwin.check_gradients(manual, never_called, params, x)  # type: ignore[arg-type]
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
