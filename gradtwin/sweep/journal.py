"""The journal: a line for each case as soon as it is done, so that a killed sweep loses no finished case.

The first line names the part of the table that the lines will become. Once that part exists, the journal is obsolete.
"""

import json
import os
from pathlib import Path

from gradtwin.core.errors import InputError
from gradtwin.core.whole_file import moved_into_place
from gradtwin.sweep.case import CaseRow


class Journal:
    """An open journal, and the rows in it."""

    def __init__(self, path: Path, part: int, rows: list[CaseRow], end: int) -> None:
        self.part = part
        self.rows = rows
        self._file = os.open(path, os.O_WRONLY)
        # Readers skip an unfinished line, since it has no line feed; the next line overwrites it.
        os.lseek(self._file, end, os.SEEK_SET)

    @classmethod
    def begin(cls, path: Path, part: int) -> "Journal":
        """Put an empty journal for a part in place of the one that may exist, in one move."""
        line = json.dumps({"part": part}).encode() + b"\n"
        with moved_into_place(path) as file:
            file.write(line)
        return cls(path, part, [], len(line))

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """Continue the journal of a sweep that was stopped.

        Raises:
            InputError: a line before the last is damaged.
        """
        return cls(path, *read(path))

    def add(self, row: CaseRow) -> None:
        """Write a row; the operating system has it when this returns.

        Raises:
            OSError: the disk is full. Readers skip the unfinished line; close the journal.
        """
        line = json.dumps(row, separators=(",", ":")).encode() + b"\n"
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self.rows.append(row)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path) -> tuple[int, list[CaseRow], int]:
    """Read a journal: its part, its rows, and where its last whole line ends.

    Raises:
        InputError: a line before the last is damaged.
    """
    text = path.read_bytes()
    end = text.rfind(b"\n") + 1
    lines = text[:end].splitlines()
    try:
        rows = [json.loads(line) for line in lines]
        return int(rows[0]["part"]), rows[1:], end
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} is damaged. Delete it; --resume then runs its cases again.") from error
