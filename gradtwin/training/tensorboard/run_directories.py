"""One directory for each run: `logdir/<twin>/<run>`, never shared by two runs."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gradtwin.core.errors import InputError

# File systems take 255 bytes for a name; a run's name has several parts.
MOST_BYTES = 80


def as_directory_name(name: str) -> str:
    """Make a name that stays inside its directory: letters, digits and `._+-`, no leading dot, not too long."""
    kept = re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_"
    return kept.encode()[:MOST_BYTES].decode(errors="ignore")


@contextmanager
def new_run_directory(logdir: str | Path, twin: str, name: str) -> Iterator[Path]:
    """Make `logdir/<twin>/<name>-run001`, or the next free number, for the body to write its first files in.

    The directory is made exclusively, so that two trainings at once cannot get the same one. If the body
    fails, everything made here is taken away again.

    Args:
        logdir: made if it does not exist.
        twin: the twin's name.
        name: the run's name.

    Yields:
        The new directory.

    Raises:
        InputError: `logdir` is a file, or cannot be written to.
    """
    parent = Path(logdir) / as_directory_name(twin)
    made = [path for path in (parent, *parent.parents) if not path.exists()]
    try:
        with _as_input_error(logdir):
            parent.mkdir(parents=True, exist_ok=True)
            directory = _next_free(parent, name)
        try:
            yield directory
        except BaseException:
            _remove_with_its_files(directory)
            raise
    except BaseException:
        _remove_empty(made)
        raise


def _next_free(parent: Path, name: str) -> Path:
    number = 1
    while True:
        directory = parent / f"{name}-run{number:03d}"
        try:
            directory.mkdir()
            return directory
        except FileExistsError:
            number += 1


@contextmanager
def _as_input_error(logdir: str | Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        line = f"The log directory {logdir} is a file, or lies below one. Give a directory."
        raise InputError(line) from error
    except OSError as error:
        line = f"Cannot write to the log directory {logdir}: {error.strerror}. Give another one."
        raise InputError(line) from error


def _remove_with_its_files(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        _quietly(path.rmdir if path.is_dir() else path.unlink)
    _quietly(directory.rmdir)


def _remove_empty(directories: list[Path]) -> None:
    for directory in directories:
        _quietly(directory.rmdir)


def _quietly(remove: Callable[[], None]) -> None:
    try:
        remove()
    except OSError:
        # It is not empty, or never came to be: either way the first error is the one to report.
        pass
