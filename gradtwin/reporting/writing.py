"""Write a report's files: whole or not at all, and never over an existing file without --force."""

from pathlib import Path

from gradtwin.core.errors import InputError
from gradtwin.core.whole_file import write_whole


def refuse_bad_place(path: Path, *, force: bool) -> None:
    """Refuse a path that cannot be written, before anything is computed.

    Raises:
        InputError: it exists and `force` is False, it is a directory, or its directory is missing.
    """
    if path.is_dir():
        raise InputError(f"{path} is a directory. Give the name of a file, such as {path / 'report.html'}.")
    if path.exists() and not force:
        raise _exists(path)
    if not path.absolute().parent.is_dir():
        raise InputError(f"The directory {path.parent} does not exist. Create it first.")


def write(path: Path, text: str, *, force: bool) -> None:
    """Write a file.

    Args:
        path: where.
        text: what.
        force: whether to replace an existing file.

    Raises:
        InputError: the file exists and may not be replaced, the disk is full, or the directory may not be written;
            nothing is left behind.
    """
    refuse_bad_place(path, force=force)
    try:
        write_whole(path, text, replace=force)
    except FileExistsError:
        raise _exists(path) from None


def _exists(path: Path) -> InputError:
    return InputError(f"{path} exists. Give another --output, or --force to replace it.")
