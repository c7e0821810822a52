"""Write a report's files: all of a file or nothing of it, and never over another one unasked."""

import contextlib
import os
import tempfile
from pathlib import Path

from gradtwin.errors import InputError


def refuse_bad_place(path: Path, *, force: bool) -> None:
    """Refuse a path that cannot be written, before anything is computed for it.

    Raises:
        InputError: it exists and `force` is not given, it is a folder, or its folder is missing.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the file's name too, {path / 'report.html'}.")
    if path.exists() and not force:
        raise InputError(f"{path} exists: give another --output, or --force to replace it.")
    if not path.absolute().parent.is_dir():
        raise InputError(f"There is no folder {path.parent}: make it first.")


def write(path: Path, text: str, *, force: bool) -> None:
    """Write a file as a whole: beside its place first, then moved there.

    Args:
        path: where.
        text: what.
        force: whether to replace a file that is there.

    Raises:
        InputError: a file is there and may not be replaced.
        OSError: the disk is full, or the folder may not be written; nothing is left behind.
    """
    refuse_bad_place(path, force=force)
    descriptor, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        if force:
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
        raise InputError(f"{path} exists: give another --output, or --force to replace it.") from None
    except OSError:  # a file system without hard links
        os.replace(temporary, path)


def _umask() -> int:
    """Read the mask of permissions, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
