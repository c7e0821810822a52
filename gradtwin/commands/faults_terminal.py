"""What `gradtwin faults` prints: what the check said of each planted fault, and the score."""

import itertools
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from gradtwin.commands.terminal import console, on_the_way
from gradtwin.core.plain import count, share
from gradtwin.core.report import label
from gradtwin.faults.score import FaultRow, tally


def print_faults(rows: Iterable[FaultRow], *, each: bool) -> list[FaultRow]:
    """Print what the check said of planted faults, a line for each twin or for each fault, then the score.

    Args:
        rows: the faults, those of one twin in a row; they are checked while this iterates.
        each: whether every fault gets its line; a missed one, and one with a wrong cause, always does.

    Returns:
        All of them.
    """
    out = console()
    done: list[FaultRow] = []
    for twin, group in itertools.groupby(on_the_way(rows, out, "planting faults", None), key=lambda row: row.twin):
        faults = list(group)
        done += faults
        title = Text(twin, style="bold").append(f"  {_fault_score(faults)}", style="not bold")
        out.print(title, soft_wrap=True)
        shown = [row for row in faults if each or not row.caught or row.wrong_cause]
        if shown:
            _print_fault_lines(shown, out)
    if done:
        missed = sum(not row.caught for row in done)
        out.print(Text(f"In all: {_fault_score(done)}.", style="red" if missed else "green"), soft_wrap=True)
    return done


def _print_fault_lines(rows: Sequence[FaultRow], out: Console) -> None:
    """Print a line for each fault: its cause, the verdict, and the tensor and the cause that were named."""
    lines = [("fault", "planted", "verdict", "tensor named", "cause named"), *map(_fault_words, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    styles = ["dim", *(_fault_style(row) for row in rows)]
    for words, style in zip(lines, styles, strict=True):
        line = "  ".join(word.ljust(width) for word, width in zip(words, widths, strict=True))
        out.print(Text(f"  {line}".rstrip(), style=style), soft_wrap=True)


def _fault_words(row: FaultRow) -> tuple[str, ...]:
    tensor = label(row.claimed_tensor) if row.claimed_tensor else "-"
    cause = row.claimed_cause or ("-" if row.verdict == "refused" else "unknown")
    return row.fault, row.expected, row.verdict if row.caught else f"{row.verdict}: MISSED", tensor, cause


def _fault_style(row: FaultRow) -> str:
    return "red" if not row.caught or row.wrong_cause else "" if row.named_cause else "dim"


def _fault_score(rows: Sequence[FaultRow]) -> str:
    sums = tally(rows)
    return (
        f"{sums.caught:,} of {count(sums.faults, 'fault')} detected ({sums.refused} raised an error); "
        f"correct tensor {share(sums.tensor_named, sums.judged)}, "
        f"correct cause {share(sums.cause_named, sums.nameable)}, "
        f"wrong cause {share(sums.wrong_cause, sums.judged)}"
    )
