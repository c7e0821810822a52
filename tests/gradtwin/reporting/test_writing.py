"""Writing the report: nothing over another file, nothing half-written, one clear line for what is wrong."""

import errno
import os
import re
from pathlib import Path

import pytest

from gradtwin import InputError
from gradtwin.commands import cli
from gradtwin.reporting import writing
from gradtwin.reporting.forms import form_of


def test_a_file_that_is_there_is_not_replaced_unasked(folder: Path) -> None:
    """With force it is; without, it stays as it was and nothing lies beside it."""
    path = folder / "report.html"
    writing.write(path, "one", force=False)
    with pytest.raises(InputError, match="--force"):
        writing.write(path, "two", force=False)
    assert path.read_text() == "one"
    writing.write(path, "three", force=True)
    assert path.read_text() == "three" and os.listdir(folder) == ["report.html"]


def test_a_file_that_came_in_the_meantime_is_not_replaced_either(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes the same name between the look and the write."""
    path = folder / "report.html"
    monkeypatch.setattr(writing, "refuse_bad_place", lambda *_, **__: path.write_text("theirs"))
    with pytest.raises(InputError, match="--force"):
        writing.write(path, "ours", force=False)
    assert path.read_text() == "theirs" and os.listdir(folder) == ["report.html"]


def test_a_disk_that_is_full_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old report stays whole, and the part that was written is taken away."""
    path = folder / "report.html"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"report\.html: No space"):
        writing.write(path, "new" * 1000, force=True)
    assert path.read_text() == "old" and os.listdir(folder) == ["report.html"]


def test_the_file_has_the_permissions_of_any_new_file(folder: Path) -> None:
    """Not those of a temporary file, which nobody else can read."""
    writing.write(folder / "a.html", "x", force=False)
    (folder / "b.html").write_text("x")
    assert (folder / "a.html").stat().st_mode == (folder / "b.html").stat().st_mode


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--output there.html", "there.html exists"),
        ("--output .", "is a directory"),
        ("--output nowhere/report.html", "directory nowhere does not exist"),
        ("--output report.pdf", "--format"),
        ("--output a.md --output there.html", "there.html exists"),
        ("--format pdf", "expected html, md"),
    ],
)
def test_a_bad_place_is_refused_before_anything_is_computed(
    words: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 2, one line, and no check has run."""
    (folder / "there.html").write_text("kept")
    monkeypatch.setattr("gradtwin.reporting.dossier.gather", lambda *_, **__: pytest.fail("it computed"))
    assert cli.run(["report", "gates", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err
    assert os.listdir(folder) == ["there.html"] and (folder / "there.html").read_text() == "kept"


def test_one_report_is_written_in_every_form_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The form follows the name's ending; each file and its size is told; the status is 0."""
    outputs = ["report.html", "report.md", "report.json", "junit.xml"]
    words = [word for name in outputs for word in ("--output", name)]
    assert cli.run(["report", "gates", *words]) == 0
    out = capsys.readouterr().out
    assert all(re.search(rf"{name}  [\d,]+ kB", out) for name in outputs)
    begins = [(folder / name).read_text(encoding="utf-8")[:9] for name in outputs]
    assert begins == ["<!DOCTYPE", "# Hand-wr", '{\n  "pass', "<?xml ver"]


def test_the_form_asked_for_counts_more_than_the_name() -> None:
    """As does an ending in capitals."""
    assert form_of(Path("report.txt"), "md") == "md"
    assert form_of(Path("REPORT.HTM"), None) == "html"


WRONG = '''
from types import SimpleNamespace
import numpy as np, tensorflow as tf
from gradtwin import Twin
side = SimpleNamespace(
    init_params=lambda rng: {"w": rng.normal(size=3)},
    forward=lambda params, x: ((x * params["w"]).sum(), {"x": x}),
    backward=lambda params, cache: {"w": 2 * cache["x"]},
)
wrong = Twin(name="wrong", manual=side, reference=lambda params, x: tf.reduce_sum(x * params["w"]),
             batch=lambda rng: (rng.normal(size=3),))
'''


def test_a_wrong_gradient_is_written_down_and_ends_with_status_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report of a failure is a report; CI sees the status."""
    (folder / "mine.py").write_text(WRONG)
    assert cli.run(["report", str(folder / "mine.py"), "--output", "report.md"]) == 1
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "Wrong gradients in mine.py:wrong" in capsys.readouterr().out
    assert "gradtwin check mine.py:wrong --dtype float64" in text and str(folder) not in text
