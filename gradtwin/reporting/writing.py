"""Write a report's files: all of a file or nothing of it, and never over another one unasked."""

from pathlib import Path

from gradtwin.core.errors import InputError
from gradtwin.core.whole_file import write_whole


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
    """Write a file.

    Args:
        path: where.
        text: what.
        force: whether to replace a file that is there.

    Raises:
        InputError: a file is there and may not be replaced, the disk is full, or the folder may not be written;
            nothing is left behind.
    """
    refuse_bad_place(path, force=force)
    try:
        write_whole(path, text, replace=force)
    except FileExistsError:
        raise InputError(f"{path} exists: give another --output, or --force to replace it.") from None
