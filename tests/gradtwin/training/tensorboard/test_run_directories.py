"""Runs' names and directories."""

import errno
from pathlib import Path

import pytest

from gradtwin.core.errors import InputError
from gradtwin.training.tensorboard.run_directories import as_directory_name, new_run_directory


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("xor", "xor"),
        ("a/b", "a_b"),
        ("../up", "_up"),
        ("..", "_"),
        ("", "_"),
        ("<b>", "_b_"),
        ("F000-1+2", "F000-1+2"),
        ("x" * 300, "x" * 80),
        ("Ω" * 300, "Ω" * 40),
    ],
)
def test_a_name_stays_inside_its_directory(name, directory):
    """No separator, no parent, nothing hidden."""
    assert as_directory_name(name) == directory


def test_runs_of_one_name_are_counted(tmp_path):
    """Each is made exclusively."""
    made = []
    for _ in range(3):
        with new_run_directory(tmp_path / "logs", "xor", "lr0.1") as directory:
            made.append(directory)
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        f"logs/xor/lr0.1-run{number:03d}" for number in (1, 2, 3)
    ]
    assert all(path.is_dir() for path in made)


def test_a_directory_made_by_another_at_the_same_moment_is_not_taken(tmp_path, monkeypatch):
    """Two trainings at once: the loser of the race takes the next number."""
    right = Path.mkdir

    def beaten_to_it(path, *arguments, **options):
        if path.name == "lr0.1-run001" and not path.exists():
            right(path)
        return right(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", beaten_to_it)
    with new_run_directory(tmp_path, "xor", "lr0.1") as directory:
        assert directory.name == "lr0.1-run002"


def test_a_failure_while_the_first_files_are_written_leaves_nothing(tmp_path):
    """Neither the run's directory nor those made above it."""
    with pytest.raises(RuntimeError), new_run_directory(tmp_path / "new" / "logs", "xor", "lr0.1") as directory:
        (directory / "manual").mkdir()
        (directory / "manual" / "file").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_older_runs_alone(tmp_path):
    """Only what was made now is taken away."""
    with new_run_directory(tmp_path, "xor", "lr0.1") as older:
        (older / "events").write_text("mine")
    with pytest.raises(RuntimeError), new_run_directory(tmp_path, "xor", "lr0.1"):
        raise RuntimeError
    assert [path.name for path in (tmp_path / "xor").iterdir()] == [older.name]
    assert (older / "events").read_text() == "mine"


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_place_of_the_log_directory_is_refused(tmp_path, below):
    """Whether it is the log directory itself or above it."""
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(InputError, match="is a file, or lies below one"):
        with new_run_directory(tmp_path / "logs" / below, "xor", "lr0.1"):
            raise AssertionError("the body must not run")
    assert (tmp_path / "logs").read_text() == "mine"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_log_directory_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch, number):
    """Read-only or full: the system's own words in one line (a superuser can write anywhere, so mkdir is planted)."""
    import os

    def refuse(path, *arguments, **options):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match=os.strerror(number)) as caught:
        with new_run_directory(tmp_path, "xor", "lr0.1"):
            raise AssertionError("the body must not run")
    assert "\n" not in str(caught.value)
