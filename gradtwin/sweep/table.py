"""The table of results: its columns, and Parquet files that are whole or not there.

A row is a case:

    number, id        its place in the grid; what its settings hash to
    kind, target, dtype, route, seed, widths, learning_rate, steps, fault      what it is
    drawn             what a fuzz case drew, in words
    status            done, error, timeout, out_of_memory or worker_died
    outcome           the verdict of a check (agree, rounding, kink, disagree, undecidable), together or apart of a
                      training, caught or missed of a planted fault; the status where there is none
    failed            whether it makes the sweep fail
    size              how far the sides are apart: error over bound of a check, the largest gap of a training
    tensor, error_ulps, bound_ulps, blame, cause       of the worst tensor, or the one a fault was seen in
    named_tensor, named_cause, wrong_cause             of a planted fault
    loss_manual, loss_tensorflow, diverged_at          of a training
    message           what a case without a verdict died of, in one line
    command           what repeats it
    attempts, seconds how often it was begun and how long it took: these alone differ from run to run
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError

FORMAT = 1
FORMAT_KEY = b"gradtwin.sweep.format"
VOLATILE = ("attempts", "seconds")

_WORDS = (
    "id", "kind", "target", "dtype", "route", "widths", "fault", "drawn", "status", "outcome", "tensor", "blame",
    "cause", "message", "command",
)  # fmt: skip
_WHOLE = ("number", "seed", "steps", "diverged_at", "attempts")
_NUMBERS = ("learning_rate", "size", "error_ulps", "bound_ulps", "loss_manual", "loss_tensorflow", "seconds")
_YES_OR_NO = ("failed", "named_tensor", "named_cause", "wrong_cause")
COLUMNS = (
    "number", "id", "kind", "target", "dtype", "route", "seed", "widths", "learning_rate", "steps", "fault", "drawn",
    "status", "outcome", "failed", "size", "tensor", "error_ulps", "bound_ulps", "blame", "cause", "named_tensor",
    "named_cause", "wrong_cause", "loss_manual", "loss_tensorflow", "diverged_at", "message", "command", "attempts",
    "seconds",
)  # fmt: skip


def schema() -> Any:
    """Give the columns with their types, and the format's number as metadata."""
    import pyarrow as pa

    kinds = dict.fromkeys(_WORDS, pa.string()) | dict.fromkeys(_WHOLE, pa.int64())
    kinds |= dict.fromkeys(_NUMBERS, pa.float64()) | dict.fromkeys(_YES_OR_NO, pa.bool_())
    fields = [pa.field(name, kinds[name]) for name in COLUMNS]
    return pa.schema(fields, metadata={FORMAT_KEY: str(FORMAT).encode()})


def table_of(rows: Sequence[dict[str, Any]]) -> Any:
    """Make a table of rows; what a row does not have is null."""
    import pyarrow as pa

    return pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], schema=schema())


def write_part(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a part as a whole: under a hidden name first, to the disk, then moved to its place.

    Raises:
        OSError: the disk is full, or the folder may not be written; nothing is left behind.
    """
    import pyarrow.parquet as pq

    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            pq.write_table(table_of(rows), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_part(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Read a part.

    Raises:
        InputError: it is damaged or half-written, or of another format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(path).schema_arrow.metadata or {}
        table = None if found.get(FORMAT_KEY) != str(FORMAT).encode() else pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{path} is damaged or half-written ({line}): take it away, and --resume runs its cases again."
        ) from error
    if table is None:
        theirs = found.get(FORMAT_KEY, b"none at all").decode(errors="replace")
        raise InputError(f"{path} is of format {theirs}, and this Gradtwin reads format {FORMAT}: give another folder.")
    return table


def joined(tables: Iterable[Any]) -> Any:
    """Put tables one below the other."""
    import pyarrow as pa

    return pa.concat_tables([schema().empty_table(), *tables])
