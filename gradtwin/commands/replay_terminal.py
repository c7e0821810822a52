"""What `gradtwin replay` prints: each figure as the document prints it, and as both sides compute it."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.padding import Padding
from rich.text import Text

from gradtwin.commands.terminal import console, new_table, print_table
from gradtwin.core.plain import count
from gradtwin.replay import ReplayRow
from gradtwin.replay.judging import written_like

FEW_NUMBERS = 4


def print_replay(rows: Sequence[ReplayRow]) -> None:
    """Print each figure as the document has it and as both sides compute it, in as many digits; then the count."""
    out = console()
    for row in rows:
        verdict, style = _REPRODUCED[row.reproduced]
        head = Text(row.figure, style="bold").append(f"  {row.source} {row.system}  ", style="not bold")
        out.print(head.append(verdict, style=f"not bold {style}"))
        out.print(Padding(Text(row.note, style="dim"), (0, 0, 0, 2)))
        has_print = isinstance(next(_flat(row.printed, row.printed)), str)
        first = "printed" if has_print else "expected"
        table = new_table("", "")
        for name, value in ((first, row.printed), ("manual", row.manual), ("reference", row.tensorflow)):
            if value is not None:
                table.add_row(f"  {name:<10}", _first_numbers(row.printed, value))
        print_table(table, out)
    out.print(_replay_summary(rows))


_REPRODUCED = {
    True: ("reproduced", "green"),
    False: ("NOT reproduced", "red"),
    None: ("needs MNIST", "yellow"),
}


def _first_numbers(printed: Any, value: Any) -> str:
    """Write the first numbers of a value as the document writes its own."""
    pairs = list(zip(_flat(printed, printed), _flat(value, printed), strict=False))
    shown = [_written(number, text) for text, number in pairs[:FEW_NUMBERS]]
    return " ".join([*shown, "..."] if len(pairs) > FEW_NUMBERS else shown)


def _written(number: Any, text: Any) -> str:
    if isinstance(number, str):
        return number
    if isinstance(text, str):
        return written_like(number, text)
    return f"{number:.8g}" if isinstance(number, float) else str(number)


def _flat(value: Any, printed: Any) -> Iterator[Any]:
    """Yield every number, those of named fields in the order of the printed ones."""
    if isinstance(value, dict):
        for name in printed:
            yield from _flat(value[name], printed[name])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _flat(part, printed)
    else:
        yield value


def _replay_summary(rows: Sequence[ReplayRow]) -> Text:
    missed = [row.figure for row in rows if row.reproduced is False]
    absent = sum(row.reproduced is None for row in rows)
    text = f"{sum(row.reproduced is True for row in rows)} of {count(len(rows), 'figure')} reproduced"
    if absent:
        text += f"; {absent} {'needs' if absent == 1 else 'need'} MNIST"
    if missed:
        return Text(f"{text}; not reproduced: {', '.join(missed)}.", style="red")
    return Text(f"{text}.", style="yellow" if absent else "green")
