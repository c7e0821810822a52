"""The folder of a sweep's results: what was asked for, the table in parts, and the journal of what is in no part yet.

    _sweep.json           the format, and the grid
    part-00000.parquet    a thousand rows each
    _journal.jsonl        the rows since

Readers of Parquet pass over names with an underscore: to them the folder is one table. Each file is whole at every
moment; whoever is killed between two writes leaves a folder that can be read, and resumed.
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
from gradtwin.sweep import journal, table
from gradtwin.sweep.grid import Grid
from gradtwin.sweep.journal import Journal, Row

ROWS_PER_PART = 1_000
MANIFEST, JOURNAL = "_sweep.json", "_journal.jsonl"


class Results:
    """The results of one sweep under way. One process at a time may write them."""

    def __init__(self, folder: Path, lock: int, log: Journal) -> None:
        self.folder = folder
        self._lock = lock
        self._journal = log

    def add(self, row: Row) -> None:
        """Keep a row; it survives whatever happens to this process after this returns.

        Raises:
            InputError: the disk is full; what was written before stays readable.
        """
        with told_if_full(self.folder):
            self._journal.add(row)
            if len(self._journal.rows) >= ROWS_PER_PART:
                self._make_part()

    def close(self) -> None:
        """Put what is left into a last part.

        Raises:
            InputError: the disk is full; the rows stay in the journal.
        """
        try:
            with told_if_full(self.folder):
                if self._journal.rows:
                    self._make_part()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the files as they are."""
        self._journal.close()
        os.close(self._lock)

    def _make_part(self) -> None:
        """Turn the journal into a part. A kill in between leaves both, and then the part counts."""
        part = self._journal.part
        table.write_part(part_path(self.folder, part), self._journal.rows)
        self._journal.close()
        self._journal = Journal.begin(self.folder / JOURNAL, part + 1)


def part_path(folder: Path, part: int) -> Path:
    """Name a part."""
    return folder / f"part-{part:05d}.parquet"


# ---- beginning and resuming --------------------------------------------------------------------------


def open_results(folder: Path, grid: Grid, *, resume: bool) -> Results:
    """Begin a sweep's results, or go on with them.

    Args:
        folder: made if it does not exist.
        grid: what is run.
        resume: whether there may be results already; there need not be.

    Raises:
        InputError: the folder holds results and `resume` is not asked for, those of another grid or another version,
            or something else; or another sweep is writing there.
    """
    with told_if_full(folder):
        _make(folder)
        found = (folder / MANIFEST).exists()
        if found and not resume:
            raise InputError(
                f"{folder} holds a sweep already: --resume goes on with it, or give another folder with --results."
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
        raise InputError(f"The results folder {folder} is a file, or lies below one: give a folder.") from error


def _refuse_foreign(folder: Path) -> None:
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if others:
        raise InputError(f"{folder} holds other things, such as {others[0]}: give an empty folder with --results.")


def _write_manifest(folder: Path, grid: Grid) -> None:
    content = {"format": table.FORMAT, "gradtwin": version("gradtwin"), "grid": grid.description()}
    temporary = folder / f".{MANIFEST}.part"
    try:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, folder / MANIFEST)
    finally:
        temporary.unlink(missing_ok=True)


def _locked(folder: Path) -> int:
    """Lock the folder until this process ends, however it ends."""
    lock = os.open(folder / MANIFEST, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise InputError(f"Another sweep is writing to {folder}: wait for it, or give another --results.") from None
    return lock


def _refuse_another(folder: Path, grid: Grid) -> None:
    theirs, ours = _manifest(folder)["grid"], grid.description()
    if theirs == ours:
        return
    if theirs["files"] != ours["files"] and theirs | {"files": {}} == ours | {"files": {}}:
        changed = next(name for name in ours["files"] if theirs["files"].get(name) != ours["files"][name])
        raise InputError(f"{changed} has changed since {folder} was begun: give another folder with --results.")
    raise InputError(
        f"{folder} holds the sweep of another grid: resume it with the names and axes it was begun with, or give "
        "another folder with --results."
    )


def _manifest(folder: Path) -> dict[str, Any]:
    """Read what a sweep was asked for.

    Raises:
        InputError: there is none, it is damaged, or of another format.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise InputError(f"{folder} holds no sweep: expected a folder that gradtwin sweep has written.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, grid = content["format"], content["grid"]
        assert {"kind", "files", "blocks"} <= set(grid)
    except (ValueError, LookupError, TypeError, AssertionError) as error:
        raise InputError(f"{path} is damaged or half-written: give another folder with --results.") from error
    if found != table.FORMAT:
        raise InputError(
            f"{path} is of format {found}, and this Gradtwin reads format {table.FORMAT}: give another folder."
        )
    return dict(content)


def _journal_of(folder: Path) -> Journal:
    """Go on with the journal, unless its lines are in a part already."""
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
    """Read the results of a sweep, of one under way too.

    Args:
        folder: what `--results` named.

    Returns:
        A `pyarrow.Table`, a row for each case that is done; `gradtwin.sweep.table` says what its columns are.

    Raises:
        InputError: it holds no sweep, one of another format, or a damaged file.
    """
    folder = Path(folder)
    _manifest(folder)
    tables = [table.read_part(part_path(folder, part)) for part in _parts(folder)]
    return table.joined([*tables, table.table_of(_rows_of_journal(folder))])


def rows_of(folder: Path) -> Iterator[Row]:
    """Give every row that is done, a part at a time; see `read_results`."""
    for part in _parts(folder):
        yield from table.read_part(part_path(folder, part)).to_pylist()
    yield from _rows_of_journal(folder)


def _rows_of_journal(folder: Path) -> list[Row]:
    if not (folder / JOURNAL).exists():
        return []
    part, rows, _ = journal.read(folder / JOURNAL)
    return [] if part in _parts(folder) else rows


def _parts(folder: Path) -> list[int]:
    return sorted(int(path.stem.partition("-")[2]) for path in folder.glob("part-[0-9]*.parquet"))


# ---- when the disk is full ---------------------------------------------------------------------------


@contextlib.contextmanager
def told_if_full(folder: Path) -> Iterator[None]:
    """Word what the file system refuses."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else error.strerror
        raise InputError(
            f"Cannot write to {folder}: {reason}. What was written before stays readable; --resume goes on from there."
        ) from error
