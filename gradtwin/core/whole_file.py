"""Write all of a file or nothing of it."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from gradtwin.core.errors import InputError


def write_whole(path: Path, text: str, *, replace: bool) -> None:
    """Write a file as a whole: beside its place first, then moved there.

    Args:
        path: where; its folder exists.
        text: what.
        replace: whether it may take the place of a file that is there.

    Raises:
        InputError: the disk is full, or the folder may not be written; what was there before is there still, and
            nothing else.
        FileExistsError: a file is there and may not be replaced.
    """
    try:
        _write(path, text, replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        line = f"Cannot write {path}: {error.strerror or error}. No part of it was left there."
        raise InputError(line) from error


@contextlib.contextmanager
def moved_into_place(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write into that takes its place, whole and on the disk, when the body ends.

    Only one process at a time may write to the place.

    Raises:
        OSError: the disk is full, or the directory may not be written; what was there before is there still.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write(path: Path, text: str, *, replace: bool) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        if replace:
            os.replace(temporary, path)
        else:
            # Unlike a move, a link does not replace a file that has come there in the meantime.
            _linked(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _linked(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.replace(temporary, path)


def _umask() -> int:
    """Read the mask of permissions, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
