"""What the command line prints: tables for people, one JSON document for programs."""

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradtwin.report import Report, TensorReport, failure_lines, label, shape_text
from gradtwin.twin import Twin

# A verdict's place in this row is its gravity; the colour is for terminals only.
VERDICTS = {"agree": "green", "kink": "green", "rounding": "yellow", "undecidable": "red", "disagree": "red"}

FIRST_STEPS = {
    "gradtwin list": "what there is",
    "gradtwin check": "every gradient, by hand and by TensorFlow",
    "gradtwin train xor": "both sides from one start, step by step",
    "gradtwin board": "their curves, in TensorBoard",
}


def console() -> Console:
    """Make the console of this moment's stdout: no colours in a pipe or under NO_COLOR."""
    return Console(highlight=False, soft_wrap=False, markup=False, emoji=False)


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """Print one JSON document; JSON has no number for what is not finite: it becomes "nan", "inf", "-inf"."""
    print(json.dumps(_jsonable(rows), indent=2))


def print_first_steps() -> None:
    """Say what to do first."""
    table = _table()
    for command, purpose in FIRST_STEPS.items():
        table.add_row(command, purpose)
    out = console()
    out.print("First steps:\n")
    out.print(table)


# ---- list ------------------------------------------------------------------------------------------


def twin_row(twin: Twin) -> dict[str, Any]:
    """Describe a twin as `gradtwin list --json` does."""
    return {
        "name": twin.name,
        "parameters": sum(parameter.size for parameter in twin.start(None).values()),
        "loss": twin.loss,
        "reduction": twin.reduction,
        "data": twin.data,
        "source": twin.source,
    }


def print_twins(rows: Sequence[dict[str, Any]]) -> None:
    """Print two lines a twin: its size and source; its data and its loss."""
    out = console()
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        head = Text(row["name"].ljust(width), style="bold")
        out.print(head.append(f"  {row['parameters']:>9,}  {row['source']}", style="not bold"))
        out.print(Text(f"    {row['data']}: L = {row['loss']}", style="dim"))
    out.print(f"\n{len(rows)} twins: name, number of parameters, source; data: loss.")


# ---- check -----------------------------------------------------------------------------------------


def print_checks(reports: Iterable[Report]) -> list[Report]:
    """Print the checks of each twin as one table as soon as they are done, then the sum of it all.

    Args:
        reports: the checks, those of one twin in a row; they run while this iterates.

    Returns:
        All of them.
    """
    out = console()
    done: list[Report] = []
    for _, checks in itertools.groupby(_with_status(reports, out), key=lambda report: report.twin):
        group = list(checks)
        _print_twin_checks(group, out)
        done += group
    out.print(_summary(done))
    return done


def _with_status(reports: Iterable[Report], out: Console) -> Iterator[Report]:
    """Show on a terminal that something goes on; write nothing of it into a pipe."""
    if not out.is_terminal:
        yield from reports
        return
    with out.status("comparing with TensorFlow") as status:
        for report in reports:
            status.update(
                f"comparing with TensorFlow: {report.twin} done in {report.dtype} by {report.route}"
            )
            yield report


def _print_twin_checks(checks: Sequence[Report], out: Console) -> None:
    verdict = _gravest(report.verdict for report in checks)
    title = Text(checks[0].twin, style="bold").append(f"  {verdict}", style=f"not bold {VERDICTS[verdict]}")
    title.append(
        f"  seed {checks[0].seed}, {', '.join(_in_order(report.route for report in checks))}",
        style="not bold",
    )
    out.print(title)
    out.print(_tensor_table(checks))
    for report in checks:
        if report.verdict not in ("agree", "kink"):
            out.print(
                Text(f"  {report.dtype}, {report.route}: {report.verdict}", style=VERDICTS[report.verdict])
            )
            if report.blame:
                out.print(f"  blame: {report.blame}")
            out.print("\n".join(failure_lines(report)), soft_wrap=True)
    for note in _in_order(note for report in checks for note in report.notes):
        out.print(note)
    out.print()


def _tensor_table(checks: Sequence[Report]) -> Table:
    """Make the table of a twin: a row for each tensor, and for each dtype its largest error on any route."""
    dtypes = _in_order(report.dtype for report in checks)
    table = _table(
        "tensor",
        "shape",
        *[(head, "right") for dtype in dtypes for head in (f"{dtype} ulp", "bound")],
        "verdict",
    )
    for name in _in_order(tensor.name for report in checks for tensor in report.tensors):
        rows = [t for report in checks for t in report.tensors if t.name == name]
        worst = [max((t for t in rows if t.dtype == dtype), key=_gravity, default=None) for dtype in dtypes]
        numbers = [text for t in worst for text in _error_and_bound(t)]
        verdict = _gravest(t.verdict for t in rows)
        table.add_row(
            label(name), shape_text(rows[0].shape), *numbers, Text(verdict, style=VERDICTS[verdict])
        )
    return table


def _error_and_bound(tensor: TensorReport | None) -> tuple[str, str]:
    return (f"{tensor.error_ulps:.3g}", f"{tensor.bound_ulps:.3g}") if tensor else ("", "")


def _gravity(tensor: TensorReport) -> float:
    return tensor.error_ulps if math.isfinite(tensor.error_ulps) else math.inf


def _summary(reports: Sequence[Report]) -> Text:
    twins = _in_order(report.twin for report in reports)
    failed = _in_order(report.twin for report in reports if not report.agrees)
    text = f"{_count(len(twins), 'twin')}, {_count(len(reports), 'check')}: "
    if failed:
        return Text(text + f"{', '.join(failed)} failed.", style="red")
    warned = _in_order(report.twin for report in reports if report.verdict == "rounding")
    if warned:
        return Text(text + f"right, but digits were lost in {', '.join(warned)}.", style="yellow")
    return Text(text + "every gradient agrees.", style="green")


# ---- shared ----------------------------------------------------------------------------------------


def _table(*columns: str | tuple[str, str]) -> Table:
    table = Table(
        box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=bool(columns), header_style="dim"
    )
    table.leading = 0
    for column in columns:
        name, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def _gravest(verdicts: Iterable[str]) -> str:
    return max(verdicts, key=list(VERDICTS).index)


def _in_order(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
