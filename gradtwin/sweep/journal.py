"""The journal: a line for each case as soon as it is done, so that killing the sweep loses no case that was.

The first line names the part of the table that the lines will become. When that part is there, the lines are in it,
and the journal is of no use any more.
"""

import json
import os
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError

Row = dict[str, Any]


class Journal:
    """An open journal; `rows` are those in it."""

    def __init__(self, path: Path, part: int, rows: list[Row], end: int) -> None:
        self.part = part
        self.rows = rows
        self._file = os.open(path, os.O_WRONLY)
        # Half of a line has no end, so that readers pass over it, and what comes next is written over it.
        os.lseek(self._file, end, os.SEEK_SET)

    @classmethod
    def begin(cls, path: Path, part: int) -> "Journal":
        """Put an empty journal for a part in place of the one that may be there, in one move."""
        line = json.dumps({"part": part}).encode() + b"\n"
        temporary = path.with_name(f".{path.name}.part")
        try:
            temporary.write_bytes(line)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return cls(path, part, [], len(line))

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """Go on with the journal of a sweep that was stopped.

        Raises:
            InputError: a line before the last is no line of a journal.
        """
        return cls(path, *read(path))

    def add(self, row: Row) -> None:
        """Write a row; the operating system has it when this returns.

        Raises:
            OSError: the disk is full. What there is of the line is as good as not there; the journal is to be closed.
        """
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self.rows.append(row)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> tuple[int, list[Row], int]:
    """Read a journal: its part, its rows, and where its last whole line ends.

    Raises:
        InputError: a line before the last is no line of a journal.
    """
    text = path.read_bytes()
    end = text.rfind(b"\n") + 1
    lines = text[:end].splitlines()
    try:
        rows = [json.loads(line) for line in lines]
        return int(rows[0]["part"]), rows[1:], end
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is damaged: take it away, and --resume runs its cases again.") from error
