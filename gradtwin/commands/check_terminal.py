"""What `gradtwin check` prints: a table for each twin as soon as it is done, what failed, and one line for all."""

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from gradtwin.commands.terminal import COLOURS, console, in_order, new_table, on_the_way, print_table
from gradtwin.core.plain import count
from gradtwin.core.report import Report, failure_lines, numeric_lines, tensor_table
from gradtwin.core.verdicts import Verdict, gravest

if TYPE_CHECKING:
    from rich.table import Table


def print_checks(reports: Iterable[Report], how_many: int | None = None) -> list[Report]:
    """Print the checks of each twin as one table as soon as they are done, then one line for all.

    Args:
        reports: the checks, those of one twin in a row; they run while this iterates.
        how_many: how many there will be, to estimate the time left.

    Returns:
        All of them.
    """
    out = console()
    done: list[Report] = []
    for _, checks in itertools.groupby(on_the_way(reports, out, "checking", how_many), key=lambda report: report.twin):
        group = list(checks)
        _print_twin_checks(group, out)
        done += group
    out.print(_summary(done))
    return done


def _print_twin_checks(checks: Sequence[Report], out: Console) -> None:
    verdict = gravest(report.verdict for report in checks)
    title = Text(checks[0].twin, style="bold").append(f"  {verdict}", style=f"not bold {COLOURS[verdict]}")
    title.append(
        f"  seed {checks[0].seed}, {', '.join(in_order(report.route for report in checks))}",
        style="not bold",
    )
    out.print(title)
    print_table(_tensor_table(checks), out)
    for report in checks:
        if report.verdict not in (Verdict.AGREE, Verdict.KINK):
            out.print(
                Text(f"  {report.dtype}, {report.route}: {report.verdict}", style=COLOURS[report.verdict])
            )
            if report.blame:
                out.print(f"  blame: {report.blame}")
            out.print("\n".join(failure_lines(report)), soft_wrap=True)
    for note in in_order(note for report in checks for note in report.notes):
        out.print(note)
    for line in itertools.chain.from_iterable(numeric_lines(report) for report in checks):
        out.print(line, soft_wrap=True)
    out.print()


def _tensor_table(checks: Sequence[Report]) -> "Table":
    """Draw the table of a twin, its verdicts in their colours."""
    drawn = tensor_table(checks)
    table = new_table(*[(head, "right" if i in drawn.numbers else "left") for i, head in enumerate(drawn.head)])
    for *cells, verdict in drawn.rows:
        table.add_row(*cells, Text(verdict, style=COLOURS[verdict]))
    return table


def _summary(reports: Sequence[Report]) -> Text:
    twins = in_order(report.twin for report in reports)
    failed = in_order(report.twin for report in reports if not report.agrees)
    text = f"{count(len(twins), 'twin')}, {count(len(reports), 'check')}: "
    if failed:
        return Text(text + f"{', '.join(failed)} failed.", style="red")
    warned = in_order(report.twin for report in reports if report.verdict == Verdict.ROUNDING)
    if warned:
        return Text(text + f"right, but digits were lost in {', '.join(warned)}.", style="yellow")
    return Text(text + "every gradient agrees.", style="green")
