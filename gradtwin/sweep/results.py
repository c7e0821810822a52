"""The directory of a sweep's results: the grid, the table in parts, and the journal of rows not yet in a part.

    _sweep.json           the format, and the grid
    part-00000.parquet    a thousand rows each
    _journal.jsonl        the rows since

Readers of Parquet skip names with an underscore: to them the directory is one table. Each file is whole at every
moment, so that a sweep killed between two writes leaves a directory that can be read and resumed.
"""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.core.whole_file import moved_into_place
from gradtwin.sweep import journal, table
from gradtwin.sweep.case import CaseRow
from gradtwin.sweep.grid import Grid
from gradtwin.sweep.journal import Journal

ROWS_PER_PART = 1_000
MANIFEST, JOURNAL = "_sweep.json", "_journal.jsonl"


class Results:
    """The results of a sweep while it runs. One process at a time may write them."""

    def __init__(self, folder: Path, lock: int, log: Journal) -> None:
        self.folder = folder
        self._lock = lock
        self._journal = log

    def add(self, row: CaseRow) -> None:
        """Store a row; once this returns, it survives the end of this process.

        Raises:
            InputError: the disk is full; what was written before stays readable.
        """
        with disk_errors_explained(self.folder):
            self._journal.add(row)
            if len(self._journal.rows) >= ROWS_PER_PART:
                self._make_part()

    def close(self) -> None:
        """Put the remaining rows into a last part.

        Raises:
            InputError: the disk is full; the rows stay in the journal.
        """
        try:
            with disk_errors_explained(self.folder):
                if self._journal.rows:
                    self._make_part()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the files as they are."""
        self._journal.close()
        os.close(self._lock)

    def _make_part(self) -> None:
        """Turn the journal into a part. If a kill in between leaves both, the part counts."""
        part = self._journal.part
        table.write_part(part_path(self.folder, part), self._journal.rows)
        self._journal.close()
        self._journal = Journal.begin(self.folder / JOURNAL, part + 1)


def part_path(folder: Path, part: int) -> Path:
    """Name a part."""
    return folder / f"part-{part:05d}.parquet"


# ---- beginning and resuming --------------------------------------------------------------------------


def open_results(folder: Path, grid: Grid, *, resume: bool) -> Results:
    """Start the results of a sweep, or continue them.

    Args:
        folder: the directory, made if it does not exist.
        grid: what is run.
        resume: whether there may be results already.

    Raises:
        InputError: the directory holds results and `resume` is False, results of another grid or version, or something
            else; or another sweep is writing there.
    """
    with disk_errors_explained(folder):
        _make(folder)
        found = (folder / MANIFEST).exists()
        if found and not resume:
            raise InputError(
                f"{folder} holds a sweep already. Continue it with --resume, or give another directory with --results."
            )
        if not found:
            _refuse_foreign(folder)
            _write_manifest(folder, grid)
        lock = _locked(folder)
        try:
            if found:
                _refuse_another(folder, grid)
            return Results(folder, lock, _journal_of(folder))
        except BaseException:
            os.close(lock)
            raise


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"The results directory {folder} is a file, or lies below one. Give a directory.") from error


def _refuse_foreign(folder: Path) -> None:
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if others:
        raise InputError(f"{folder} holds other files, such as {others[0]}. Give an empty directory with --results.")


def _write_manifest(folder: Path, grid: Grid) -> None:
    content = {"format": table.FORMAT, "gradtwin": version("gradtwin"), "grid": grid.description()}
    with moved_into_place(folder / MANIFEST) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")


def _locked(folder: Path) -> int:
    """Lock the directory until this process ends, however it ends."""
    lock = os.open(folder / MANIFEST, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise InputError(f"Another sweep is writing to {folder}. Wait for it, or give another --results.") from None
    return lock


def _refuse_another(folder: Path, grid: Grid) -> None:
    theirs, ours = _manifest(folder)["grid"], grid.description()
    if theirs == ours:
        return
    if theirs["files"] != ours["files"] and theirs | {"files": {}} == ours | {"files": {}}:
        changed = next(name for name in ours["files"] if theirs["files"].get(name) != ours["files"][name])
        raise InputError(f"{changed} has changed since {folder} was started. Give another directory with --results.")
    raise InputError(
        f"{folder} holds the sweep of another grid. Resume it with the names and axes it was started with, or give "
        "another directory with --results."
    )


def _manifest(folder: Path) -> dict[str, Any]:
    """Read the format and the grid of a sweep.

    Raises:
        InputError: they are missing, damaged, or of another format.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise InputError(f"{folder} holds no sweep: expected a directory written by gradtwin sweep.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, grid = content["format"], content["grid"]
        assert {"kind", "files", "blocks"} <= set(grid)
    except (ValueError, LookupError, TypeError, AssertionError) as error:
        raise InputError(f"{path} is damaged or half-written. Give another directory with --results.") from error
    if found != table.FORMAT:
        raise InputError(
            f"{path} has format {found}, but this Gradtwin reads {table.FORMAT}. Give another directory."
        )
    return dict(content)


def _journal_of(folder: Path) -> Journal:
    """Continue the journal, unless its lines are in a part already."""
    path, parts = folder / JOURNAL, _parts(folder)
    following = 1 + max(parts, default=-1)
    if path.exists():
        log = Journal.open(path)
        if log.part not in parts:
            return log
        log.close()
    return Journal.begin(path, following)


# ---- reading -----------------------------------------------------------------------------------------


def read_results(folder: str | Path) -> Any:
    """Read the results of a sweep, even while it runs.

    Args:
        folder: the directory of the results, `summary.folder` or the one given with `--results`.

    Returns:
        A `pyarrow.Table` with a row for each case that is done; `gradtwin.sweep.table` explains its columns.

    Raises:
        InputError: it holds no sweep, one of another format, or a damaged file.
    """
    folder = Path(folder)
    _manifest(folder)
    tables = [table.read_part(part_path(folder, part)) for part in _parts(folder)]
    return table.joined([*tables, table.table_of(_rows_of_journal(folder))])


def rows_of(folder: Path) -> Iterator[CaseRow]:
    """Give the row of every case that is done, a part at a time; see `read_results`."""
    for part in _parts(folder):
        yield from table.read_part(part_path(folder, part)).to_pylist()
    yield from _rows_of_journal(folder)


def _rows_of_journal(folder: Path) -> list[CaseRow]:
    if not (folder / JOURNAL).exists():
        return []
    part, rows, _ = journal.read(folder / JOURNAL)
    return [] if part in _parts(folder) else rows


def _parts(folder: Path) -> list[int]:
    return sorted(int(path.stem.partition("-")[2]) for path in folder.glob("part-[0-9]*.parquet"))


# ---- when the disk is full ---------------------------------------------------------------------------


@contextlib.contextmanager
def disk_errors_explained(folder: Path) -> Iterator[None]:
    """Explain what the file system refuses."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else error.strerror
        raise InputError(
            f"Cannot write to {folder}: {reason}. What was written before stays readable; --resume continues there."
        ) from error
