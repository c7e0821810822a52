"""What the command line prints: tables for people, one JSON document for programs."""

import contextlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.text import Text

from gradtwin.core.report import Report, failure_lines, label, tensor_table
from gradtwin.twins.twin import Twin

# Tables and bars take a while to load, and `gradtwin list` shows neither.
if TYPE_CHECKING:
    from rich.table import Table

    from gradtwin.explanation.steps import Explanation
    from gradtwin.faults.score import FaultRow
    from gradtwin.replay import ReplayRow
    from gradtwin.reporting.dossier import Dossier
    from gradtwin.training.history import History

Row = TypeVar("Row")

# A verdict's place in this row is its gravity; the colour is for terminals only.
VERDICTS = {"agree": "green", "kink": "green", "rounding": "yellow", "undecidable": "red", "disagree": "red"}

_SIDES = {"manual": "manual", "tensorflow": "TensorFlow"}
FEW_ROWS = 4
FEW_NUMBERS = 4

FIRST_STEPS = {
    "gradtwin check xor": "is every hand-written gradient right?",
    "gradtwin train xor": "both sides from one start, step by step",
    "gradtwin board": "the curves of both, in TensorBoard",
}


def console() -> Console:
    """Make the console of this moment's stdout: no colours under NO_COLOR; in a pipe also no blanks at line ends."""
    out = Console(highlight=False, soft_wrap=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.file = cast(IO[str], _WithoutTrailingBlanks(out.file))
    return out


class _WithoutTrailingBlanks:
    """A stream that takes the blanks off the ends of lines; a table pads its last column with them."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(re.sub(r"[ \t]+(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """Print one JSON document; what is not finite becomes null, for JSON has no number for it."""
    print(json.dumps(_jsonable(rows), indent=2))


def print_first_steps() -> None:
    """Say what to do first."""
    table = _table("", "")
    for command, purpose in FIRST_STEPS.items():
        table.add_row(f"  {command}", purpose)
    out = console()
    out.print("Gradtwin compares gradients derived by hand with TensorFlow's. First steps:\n")
    _print_table(table, out)
    out.print("\nA gradient of your own: gradtwin check FILE.py")
    out.print("Every command and option: gradtwin --help")


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
    width = max(len(row["name"]) for row in rows) if out.width >= 72 else 0
    for row in rows:
        head = Text(row["name"].ljust(width), style="bold")
        out.print(head.append(f"  {row['parameters']:>{9 if width else 0},}  {row['source']}", style="not bold"))
        out.print(Padding(Text(f"{row['data']}: L = {row['loss']}", style="dim"), (0, 0, 0, 4)))
    out.print(f"\n{len(rows)} twins: name, number of parameters, source; data: loss.")


# ---- check -----------------------------------------------------------------------------------------


def print_checks(reports: Iterable[Report], count: int | None = None) -> list[Report]:
    """Print the checks of each twin as one table as soon as they are done, then the sum of it all.

    Args:
        reports: the checks, those of one twin in a row; they run while this iterates.
        count: how many they will be, for the time left.

    Returns:
        All of them.
    """
    out = console()
    done: list[Report] = []
    for _, checks in itertools.groupby(_on_the_way(reports, out, "checking", count), key=lambda report: report.twin):
        group = list(checks)
        _print_twin_checks(group, out)
        done += group
    out.print(_summary(done))
    return done


def _on_the_way(rows: Iterable[Row], out: Console, what: str, count: int | None) -> Iterator[Row]:
    """Show on a terminal how many are done, how fast, and how long it takes still; write nothing of it into a pipe."""
    if not out.is_terminal:
        yield from rows
        return
    from gradtwin.core.progress import progress_bar

    with progress_bar(out) as bar:
        task = bar.add_task(what, total=count)
        for row in rows:
            bar.advance(task)
            yield row


def _print_twin_checks(checks: Sequence[Report], out: Console) -> None:
    verdict = _gravest(report.verdict for report in checks)
    title = Text(checks[0].twin, style="bold").append(f"  {verdict}", style=f"not bold {VERDICTS[verdict]}")
    title.append(
        f"  seed {checks[0].seed}, {', '.join(_in_order(report.route for report in checks))}",
        style="not bold",
    )
    out.print(title)
    _print_table(_tensor_table(checks), out)
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


def _tensor_table(checks: Sequence[Report]) -> "Table":
    """Draw the table of a twin, its verdicts in their colours."""
    drawn = tensor_table(checks)
    table = _table(*[(head, "right" if i in drawn.numbers else "left") for i, head in enumerate(drawn.head)])
    for *cells, verdict in drawn.rows:
        table.add_row(*cells, Text(verdict, style=VERDICTS[verdict]))
    return table


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


@contextlib.contextmanager
def waiting(what: str, shown: bool) -> Iterator[None]:
    """Show on a terminal that something goes on, for as long as the body runs."""
    out = console()
    with out.status(what) if shown and out.is_terminal else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def telling() -> Iterator[Callable[[str], None] | None]:
    """Give a function that shows on a terminal what is being done; None where there is none."""
    out = console()
    if not out.is_terminal:
        yield None
        return
    with out.status("beginning") as status:
        yield status.update


# ---- explain ---------------------------------------------------------------------------------------


def print_explanation(explanation: "Explanation") -> None:
    """Print the chain rule on an example, at most 100 columns wide."""
    from gradtwin.explanation.text import lines_of

    out = console()
    for text, style in lines_of(explanation, min(out.width, 100)):
        out.print(Text(text, style=style), soft_wrap=True)


# ---- report ----------------------------------------------------------------------------------------


def print_report_files(dossier: "Dossier", files: Sequence[Path]) -> None:
    """Say in one line what came of the report, then where it lies."""
    from gradtwin.reporting.words import headline

    out = console()
    out.print(Text(headline(dossier), style="green" if dossier.passed else "red"), soft_wrap=True)
    for file in files:
        out.print(Text(f"  {file}  {math.ceil(file.stat().st_size / 1000):,} kB"), soft_wrap=True)


# ---- train -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def training_progress(name: str, shown: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function (steps done, steps) that moves a bar on a terminal; None where there is none."""
    out = console()
    if not (shown and out.is_terminal):
        yield None
        return
    from gradtwin.core.progress import progress_bar

    with progress_bar(out) as bar:
        task = bar.add_task(f"training {name}", total=None)
        yield lambda done, steps: bar.update(task, completed=done, total=steps)


def print_history(history: "History", twin: Twin) -> None:
    """Print what came of one training: both sides, their predictions and the gap between them."""
    out = console()
    out.print(Text(history.twin, style="bold").append(f"  {history.run}", style="not bold"))
    if history.variant:
        out.print(f"  manual has the source's own faults {history.variant}")
    if history.interrupted:
        out.print(Text(f"  stopped by Ctrl-C after {_count(history.steps, 'update')}", style="yellow"))
    if history.note:
        out.print(Padding(history.note, (0, 0, 0, 2)))
    _print_table(_scores_table(history), out)
    if (predictions := _predictions_table(history, twin)) is not None:
        _print_table(predictions, out)
    out.print(f"  {_gap_line(history)}")
    if history.directory:
        out.print(f"  {history.directory}", soft_wrap=True)
    out.print()


def _scores_table(history: "History") -> "Table":
    tested = "test_loss" in history.manual
    keys = ["loss", "accuracy", *(["test_loss", "test_accuracy"] if tested else [])]
    # With batches the logged accuracy is one batch's and says nothing of the rest.
    whole = history.batch_size is None and history.manual["accuracy"] is not None
    head = [key.replace("_", " ") for key in keys] + ["all right from update"] * whole
    table = _table("", *[(name, "right") for name in head])
    for name, side in (("manual", history.manual), ("tensorflow", history.tensorflow)):
        scores = [(_percent if key.endswith("accuracy") else _loss)(side[key]) for key in keys]
        table.add_row(f"  {_SIDES[name]}", *scores, *([_all_right_from(history, name)] * whole))
    return table


def _all_right_from(history: "History", side: str) -> str:
    """Find the first logged step from which the accuracy stays at 1."""
    accuracies = history.logged.get(f"accuracy_{side}", [])
    tail = len(list(itertools.takewhile(lambda accuracy: accuracy == 1, reversed(accuracies))))
    return str(history.logged["step"][-tail]) if tail else "-"


def _predictions_table(history: "History", twin: Twin) -> "Table | None":
    """Show each side's output for the first rows, or its class where there are several."""
    manual, tensorflow = (np.atleast_1d(history.predictions[side]) for side in _SIDES)
    if not manual.size:
        return None
    if twin.task == "multiclass":
        manual, tensorflow = manual.argmax(axis=1), tensorflow.argmax(axis=1)
    shown = [", ".join(f"{value:.7g}" for value in rows[:FEW_ROWS].ravel()) for rows in (manual, tensorflow)]
    what = "class" if twin.task == "multiclass" else "prediction"
    rows = (
        f"first {FEW_ROWS} of {len(manual):,} rows" if len(manual) > FEW_ROWS else _count(len(manual), "row")
    )
    table = _table("", f"{what}, {rows}")
    for name, text in zip(_SIDES.values(), shown, strict=True):
        table.add_row(f"  {name}", text)
    return table


def _gap_line(history: "History") -> str:
    gap = f"gap between parameters {history.gap:.3g} after {_count(history.steps, 'update')}"
    if history.diverged_at is None:
        return f"{gap}, never above 1e-6"
    return f"{gap}, first above 1e-6 after update {history.diverged_at}"


def _loss(value: float | None) -> str:
    return "-" if value is None else f"{value:.8g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


# ---- replay ----------------------------------------------------------------------------------------


def print_replay(rows: Sequence["ReplayRow"]) -> None:
    """Print each figure as printed, by hand and by TensorFlow, in the digits of the print; then the count."""
    out = console()
    for row in rows:
        verdict, style = _REPRODUCED[row.reproduced]
        head = Text(row.figure, style="bold").append(f"  {row.source} {row.system}  ", style="not bold")
        out.print(head.append(verdict, style=f"not bold {style}"))
        out.print(Padding(Text(row.note, style="dim"), (0, 0, 0, 2)))
        has_print = isinstance(next(_flat(row.printed, row.printed)), str)
        first = "printed" if has_print else "expected"
        table = _table("", "")
        for name, value in ((first, row.printed), ("manual", row.manual), ("TensorFlow", row.tensorflow)):
            if value is not None:
                table.add_row(f"  {name:<10}", _first_numbers(row.printed, value))
        _print_table(table, out)
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
    from gradtwin.replay.judging import written_like

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


def _replay_summary(rows: Sequence["ReplayRow"]) -> Text:
    missed = [row.figure for row in rows if row.reproduced is False]
    absent = sum(row.reproduced is None for row in rows)
    text = f"{sum(row.reproduced is True for row in rows)} of {_count(len(rows), 'figure')} reproduced"
    if absent:
        text += f"; {absent} {'needs' if absent == 1 else 'need'} MNIST"
    if missed:
        return Text(f"{text}; not reproduced: {', '.join(missed)}.", style="red")
    return Text(f"{text}.", style="yellow" if absent else "green")


# ---- faults ----------------------------------------------------------------------------------------


def print_faults(rows: Iterable["FaultRow"], *, each: bool) -> list["FaultRow"]:
    """Print what became of the planted faults, a line for each twin, or for each fault, then the score.

    Args:
        rows: the faults, those of one twin in a row; they are checked while this iterates.
        each: whether every fault gets its line; those that were missed or given a wrong cause always do.

    Returns:
        All of them.
    """
    out = console()
    done: list[FaultRow] = []
    for twin, group in itertools.groupby(_on_the_way(rows, out, "planting faults", None), key=lambda row: row.twin):
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


def _print_fault_lines(rows: Sequence["FaultRow"], out: Console) -> None:
    """Write a line a fault: what was planted, the verdict, the tensor and the cause that were named."""
    lines = [("fault", "planted", "verdict", "tensor named", "cause named"), *map(_fault_words, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    styles = ["dim", *(_fault_style(row) for row in rows)]
    for words, style in zip(lines, styles, strict=True):
        line = "  ".join(word.ljust(width) for word, width in zip(words, widths, strict=True))
        out.print(Text(f"  {line}".rstrip(), style=style), soft_wrap=True)


def _fault_words(row: "FaultRow") -> tuple[str, ...]:
    tensor = label(row.claimed_tensor) if row.claimed_tensor else "-"
    cause = row.claimed_cause or ("-" if row.verdict == "refused" else "unknown")
    return row.fault, row.expected, row.verdict if row.caught else f"{row.verdict}: MISSED", tensor, cause


def _fault_style(row: "FaultRow") -> str:
    return "red" if not row.caught or row.wrong_cause else "" if row.named_cause else "dim"


def _fault_score(rows: Sequence["FaultRow"]) -> str:
    from gradtwin.faults.score import tally

    sums = tally(rows)
    return (
        f"caught {sums.caught:,} of {_count(sums.faults, 'fault')} ({sums.refused} refused as bad input); "
        f"tensor named {_share(sums.tensor_named, sums.judged)}, "
        f"cause named {_share(sums.cause_named, sums.nameable)}, "
        f"wrong cause {_share(sums.wrong_cause, sums.judged)}"
    )


def _share(part: int, whole: int) -> str:
    """Write a share; rounded down from 100 %, so that 100.0 % means all."""
    return f"{math.floor(1000 * part / whole) / 10:.1f} %" if whole else "-"


# ---- shared ----------------------------------------------------------------------------------------


def _table(*columns: str | tuple[str, str]) -> "Table":
    shown = any(name != "" for name in columns)
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=shown, header_style="dim")
    table.leading = 0
    for column in columns:
        name, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    return table


def _print_table(table: "Table", out: Console) -> None:
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


def _gravest(verdicts: Iterable[str]) -> str:
    return max(verdicts, key=list(VERDICTS).index)


def _in_order(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
