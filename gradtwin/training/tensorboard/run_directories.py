"""One directory for each run: `logdir/<twin>/<run>`, never shared by two runs."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gradtwin.core.errors import InputError

# File systems take 255 bytes for a name; a run's name has several parts.
MOST_BYTES = 80


def _in_full(number: float) -> str:
    """Write a number without an exponent where that is at most 20 characters, else with one."""
    full = np.format_float_positional(number, trim="-")
    return full if len(full) <= 20 else repr(float(number))


def run_name(
    *,
    learning_rate: float,
    optimizer: str,
    steps: int,
    dtype: str,
    batch_size: int | None = None,
    keep: float | None = None,
    seed: int | None = None,
    variant: str = "",
) -> str:
    """Spell a run's settings so that they can be read and sort well.

    The learning rate stands first and in full (0.00001, not 1e-05): names of the same settings then sort
    by it.

    Returns:
        For example `lr0.001-adam-1800steps-batch100-keep0.7-seed0-float32`.
    """
    parts = [
        f"lr{_in_full(learning_rate)}",
        optimizer,
        f"{steps}steps",
        f"batch{batch_size}" if batch_size else "",
        f"keep{keep:g}" if keep is not None else "",
        f"seed{seed}" if seed is not None else "",
        dtype,
        variant,
    ]
    return "-".join(as_directory_name(part) for part in parts if part)


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
        name: from `run_name`.

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
        line = f"The log directory {logdir} is a file, or lies below one: give a directory."
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
