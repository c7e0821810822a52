"""What commands share to print: the console, tables that fit any width, and the progress of long work."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding

from gradtwin.core.verdicts import Verdict

# Tables and bars take a while to load, and not every command shows one.
if TYPE_CHECKING:
    from rich.table import Table

Row = TypeVar("Row")

COLOURS: dict[str, str] = {
    Verdict.AGREE: "green",
    Verdict.KINK: "green",
    Verdict.ROUNDING: "yellow",
    Verdict.UNDECIDABLE: "red",
    Verdict.DISAGREE: "red",
}


def console() -> Console:
    """Make a console of the current stdout: no colours under NO_COLOR; in a pipe also no blanks at line ends."""
    out = Console(highlight=False, soft_wrap=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.file = cast(IO[str], _WithoutTrailingBlanks(out.file))
    return out


class _WithoutTrailingBlanks:
    """A stream that removes blanks at line ends; a table pads its last column with them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r"[ \t]+(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def waiting(what: str, shown: bool) -> Iterator[None]:
    """Show on a terminal what is being computed, for as long as the body runs."""
    out = console()
    with out.status(what) if shown and out.is_terminal else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def telling() -> Iterator[Callable[[str], None] | None]:
    """Give a function that shows on a terminal what is being done; None if stdout is not a terminal."""
    out = console()
    if not out.is_terminal:
        yield None
        return
    with out.status("starting") as status:
        yield status.update


def on_the_way(rows: Iterable[Row], out: Console, what: str, count: int | None) -> Iterator[Row]:
    """Show on a terminal how many are done, how fast, and the time left; show nothing in a pipe."""
    if not out.is_terminal:
        yield from rows
        return
    from gradtwin.core.progress import progress_bar

    with progress_bar(out) as bar:
        task = bar.add_task(what, total=count)
        for row in rows:
            bar.advance(task)
            yield row


def new_table(*columns: str | tuple[str, str]) -> "Table":
    """Make a table without lines; give each column as its head, or as its head and "right"."""
    from rich.table import Table

    shown = any(name != "" for name in columns)

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=shown, header_style="dim")
    table.leading = 0
    for column in columns:
        name, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def print_table(table: "Table", out: Console) -> None:
    """Print a table, or, where the terminal is too narrow for it, each row as a paragraph with all its words."""
    at_any_width = out.options.update(width=10_000)
    if Measurement.get(out, at_any_width, table).maximum <= out.width:
        out.print(table)
        return
    heads = [str(column.header) for column in table.columns]
    for first, *cells in zip(*(column.cells for column in table.columns), strict=True):
        out.print(first)
        words = [f"{head} {cell}".strip() for head, cell in zip(heads[1:], cells, strict=True) if str(cell)]
        out.print(Padding(", ".join(words), (0, 0, 0, 4)))


def in_order(words: Iterable[str]) -> list[str]:
    """Give each word once, in the order they came."""
    return list(dict.fromkeys(words))
