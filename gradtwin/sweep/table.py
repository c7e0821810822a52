"""The table of results: its columns, and its Parquet files, each of which is whole or absent.

A row is a case:

    number, id        its place in the grid; the hash of its settings
    kind, target, dtype, route, seed, widths, learning_rate, steps, fault      its settings
    drawn             the point that a fuzz case drew, in words
    status            done, error, timeout, out_of_memory or worker_died
    outcome           of a check its verdict (agree, rounding, kink, disagree, undecidable), of a training together or
                      apart, of a planted fault caught or missed; the status if there is none of these
    failed            whether it makes the sweep fail
    size              how far the sides are apart: error over bound of a check, the largest gap of a training
    tensor, error_ulps, bound_ulps, blame, cause       of the worst tensor, or of the one a fault was detected in
    named_tensor, named_cause, wrong_cause             of a planted fault
    loss_manual, loss_tensorflow, diverged_at          of a training
    message           why a case has no verdict, in one line
    command           the command that repeats it
    attempts, seconds how often it was started and how long it took: only these differ from run to run
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.core.whole_file import moved_into_place

FORMAT = 1
FORMAT_KEY = b"gradtwin.sweep.format"
COLUMNS = (
    "number", "id", "kind", "target", "dtype", "route", "seed", "widths", "learning_rate", "steps", "fault", "drawn",
    "status", "outcome", "failed", "size", "tensor", "error_ulps", "bound_ulps", "blame", "cause", "named_tensor",
    "named_cause", "wrong_cause", "loss_manual", "loss_tensorflow", "diverged_at", "message", "command", "attempts",
    "seconds",
)  # fmt: skip


# The types of those that are not words.
_TYPES = dict.fromkeys(("number", "seed", "steps", "diverged_at", "attempts"), "int64")
_TYPES |= dict.fromkeys(("size", "learning_rate", "error_ulps", "bound_ulps", "seconds"), "float64")
_TYPES |= dict.fromkeys(("loss_manual", "loss_tensorflow"), "float64")
_TYPES |= dict.fromkeys(("failed", "named_tensor", "named_cause", "wrong_cause"), "bool")


def schema() -> Any:
    """Give the columns with their types, and the number of the format as metadata."""
    import pyarrow as pa

    fields = [pa.field(name, pa.type_for_alias(_TYPES.get(name, "string"))) for name in COLUMNS]
    return pa.schema(fields, metadata={FORMAT_KEY: str(FORMAT).encode()})


def table_of(rows: Sequence[dict[str, Any]]) -> Any:
    """Make a table of rows; what a row lacks is null."""
    import pyarrow as pa

    return pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in rows], schema=schema())


def write_part(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a part, whole or not at all.

    Raises:
        OSError: the disk is full, or the directory may not be written; nothing is left behind.
    """
    import pyarrow.parquet as pq

    with moved_into_place(path) as file:
        pq.write_table(table_of(rows), file)


def read_part(path: Path) -> Any:
    """Read a part.

    Raises:
        InputError: it is damaged or half-written, or of another format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(path).schema_arrow.metadata or {}
        table = None if found.get(FORMAT_KEY) != str(FORMAT).encode() else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        line = str(error).splitlines()[0]
        raise InputError(
            f"{path} is damaged or half-written ({line}). Delete it; --resume then runs its cases again."
        ) from error
    if table is None:
        theirs = found.get(FORMAT_KEY, b"none").decode(errors="replace")
        raise InputError(f"{path} has format {theirs}, but this Gradtwin reads {FORMAT}. Give another directory.")
    return table


def joined(tables: Iterable[Any]) -> Any:
    """Join tables one below the other."""
    import pyarrow as pa

    return pa.concat_tables([schema().empty_table(), *tables])
