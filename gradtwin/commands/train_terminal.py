"""What `gradtwin train` prints: both sides after the last step, their predictions, and the gap between them."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.padding import Padding
from rich.text import Text

from gradtwin.commands.terminal import console, new_table, print_table
from gradtwin.core.plain import count, number, percent
from gradtwin.training.history import History, gap_sentence
from gradtwin.twins.twin import Twin

if TYPE_CHECKING:
    from rich.table import Table

FEW_ROWS = 4
_SIDES = {"manual": "manual", "tensorflow": "reference"}


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


def print_history(history: History, twin: Twin) -> None:
    """Print one training: both sides, their predictions and the gap between them."""
    out = console()
    out.print(Text(history.twin, style="bold").append(f"  {history.run}", style="not bold"))
    if history.variant:
        out.print(f"  manual: reproduces known errors of the source ({', '.join(history.variant.split('+'))})")
    if history.interrupted:
        out.print(Text(f"  stopped by Ctrl-C after {count(history.steps, 'step')}", style="yellow"))
    if history.note:
        out.print(Padding(history.note, (0, 0, 0, 2)))
    print_table(_scores_table(history), out)
    if (predictions := _predictions_table(history, twin)) is not None:
        print_table(predictions, out)
    out.print(Padding(gap_sentence(history), (0, 0, 0, 2)))
    if history.directory:
        out.print(f"  {history.directory}", soft_wrap=True)
    out.print()


def _scores_table(history: History) -> "Table":
    tested = "test_loss" in history.manual
    keys = ["loss", "accuracy", *(["test_loss", "test_accuracy"] if tested else [])]
    # With batches the logged accuracy is one batch's and says nothing of the rest.
    whole = history.batch_size is None and history.manual["accuracy"] is not None
    head = [key.replace("_", " ") for key in keys] + ["100 % since step"] * whole
    table = new_table("", *[(name, "right") for name in head])
    for name, side in (("manual", history.manual), ("tensorflow", history.tensorflow)):
        scores = [(percent if key.endswith("accuracy") else number)(side[key]) for key in keys]
        table.add_row(f"  {_SIDES[name]}", *scores, *([_all_right_from(history, name)] * whole))
    return table


def _all_right_from(history: History, side: str) -> str:
    """Find the first logged step from which the accuracy stays at 1."""
    accuracies = history.logged.get(f"accuracy_{side}", [])
    tail = len(list(itertools.takewhile(lambda accuracy: accuracy == 1, reversed(accuracies))))
    return str(history.logged["step"][-tail]) if tail else "-"


def _predictions_table(history: History, twin: Twin) -> "Table | None":
    """Show each side's output for the first rows, or its class where there are several."""
    manual, tensorflow = (np.atleast_1d(history.predictions[side]) for side in _SIDES)
    if not manual.size:
        return None
    if twin.task == "multiclass":
        manual, tensorflow = manual.argmax(axis=1), tensorflow.argmax(axis=1)
    shown = [", ".join(f"{value:.7g}" for value in rows[:FEW_ROWS].ravel()) for rows in (manual, tensorflow)]
    what = "class" if twin.task == "multiclass" else "prediction"
    rows = (
        f"first {FEW_ROWS} of {len(manual):,} rows" if len(manual) > FEW_ROWS else count(len(manual), "row")
    )
    table = new_table("", f"{what}, {rows}")
    for name, text in zip(_SIDES.values(), shown, strict=True):
        table.add_row(f"  {name}", text)
    return table
