"""Classification tables in CSV: numbers, and an integer label in the last column."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gradtwin.core.errors import InputError
from gradtwin.twins.datasets.dataset import Dataset, one_hot

# A label is an index into one-hot columns, so a stray 10**9 would ask for a huge array.
LARGEST_LABEL = 999


def load_csv(path: str | Path, classes: int | None = None) -> Dataset:
    """Load a comma-separated table whose last column is the class, an integer from 0.

    Lines that start with '#' and empty lines are passed over. A first row without any number is the
    header. The first column may hold a name for each row; every other field is a finite number.

    Args:
        path: the file, UTF-8.
        classes: number of one-hot columns; by default the largest label plus one.

    Returns:
        Dataset with inputs [N, D] and one-hot targets [N, classes], float64.

    Raises:
        InputError: the file cannot be read, is empty, or a line does not fit; the message has the line.
    """
    path = Path(path)
    rows = list(_rows(path))
    if rows and not any(map(_is_number, rows[0][1])):
        width, rows = len(rows[0][1]), rows[1:]
    else:
        width = len(rows[0][1]) if rows else 0
    if not rows:
        raise InputError(f"{path} has no rows; expected numbers with a class label in the last column.")
    named = not _is_number(rows[0][1][0])
    if width < named + 2:
        raise InputError(f"{path}, line {rows[0][0]}: expected numbers and a label, got {width} field(s).")
    largest = LARGEST_LABEL if classes is None else classes - 1
    parsed = [_parse(fields, width, named, largest, f"{path}, line {line}") for line, fields in rows]
    labels = np.array([label for _, _, label in parsed])
    return Dataset(
        name=path.stem,
        inputs=np.array([numbers for _, numbers, _ in parsed]),
        targets=one_hot(labels, int(labels.max()) + 1 if classes is None else classes),
        labels=labels,
        names=tuple(name for name, _, _ in parsed) if named else None,
    )


def _parse(
    fields: list[str], width: int, named: bool, largest: int, where: str
) -> tuple[str, list[float], int]:
    """Take one line apart into its name, its numbers and its label."""
    if len(fields) != width:
        raise InputError(f"{where}: expected {width} fields as in the first row, got {len(fields)}.")
    if named and _is_number(fields[0]):
        raise InputError(f"{where}: expected a name in the first column as above, got {fields[0]!r}.")
    numbers = [_number(field, where) for field in fields[int(named) : -1]]
    return fields[0], numbers, _label(fields[-1], where, largest)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of each line that is neither empty nor a comment."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for line, text in enumerate(file, start=1):
                if text.strip() and not text.startswith("#"):
                    yield line, [field.strip() for field in next(csv.reader([text], strict=True))]
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no comma-separated text in UTF-8: {error}.") from error


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field


def _number(field: str, where: str) -> float:
    if not _is_number(field):
        raise InputError(f"{where}: expected a number, got {field!r}.")
    value = float(field)
    if not math.isfinite(value):
        raise InputError(f"{where}: expected a finite number, got {field!r}.")
    return value


def _label(field: str, where: str, largest: int) -> int:
    if not field:
        raise InputError(
            f"{where}: the label is missing; expected an integer from 0 to {largest} at the end."
        )
    value = _number(field, where) if _is_number(field) else math.nan
    if not value.is_integer():
        raise InputError(f"{where}: expected an integer label in the last column, got {field!r}.")
    if not 0 <= value <= largest:
        raise InputError(f"{where}: expected a label from 0 to {largest}, got {field}.")
    return int(value)
