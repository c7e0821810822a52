"""How well one side does on a set of rows: loss, accuracy, predictions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array, Params

ROWS_AT_ONCE = 2_000


@dataclass(frozen=True, eq=False)
class Score:
    """A loss, an accuracy (None where the task has none) and the output for every row."""

    loss: float
    accuracy: float | None
    predictions: Array


def accuracy(task: str, output: Array | None, rows: Batch) -> float | None:
    """Give the fraction of right answers, or None where the task has none.

    A binary output is 1 where it is above 1/2; a class is the largest output's, the first of equals.

    Args:
        task: "binary", "multiclass", or anything else.
        output: [N, K], or None.
        rows: inputs, then targets [N, K].
    """
    if output is None or len(rows) < 2:
        return None
    targets = rows[1]
    if task == "binary":
        return float(np.mean((output > 0.5) == (targets > 0.5)))
    if task == "multiclass":
        return float(np.mean(output.argmax(axis=1) == targets.argmax(axis=1)))
    return None


def score(twin: Twin, evaluate: Callable[[Batch], Params], rows: Batch) -> Score:
    """Evaluate one side on many rows, 2,000 at once, and put the parts together by the loss's reduction.

    Args:
        twin: says what the loss's reduction, the output and a right answer are.
        evaluate: gives the named values of a forward pass, `loss` among them.
        rows: inputs and targets.
    """
    parts = _parts(rows) if twin.reduction in ("sum", "mean") else [rows]
    values = [evaluate(part) for part in parts]
    outputs = [np.atleast_1d(value[twin.output]) for value in values if twin.output in value]
    predictions = np.concatenate(outputs) if outputs else np.empty(0)
    right = accuracy(twin.task, predictions if outputs else None, rows)
    losses = [float(value["loss"]) for value in values]
    if len(parts) == 1:
        return Score(losses[0], right, predictions)
    shares = [len(part[0]) / len(rows[0]) if twin.reduction == "mean" else 1.0 for part in parts]
    return Score(float(np.dot(shares, losses)), right, predictions)


def _parts(rows: Batch) -> list[Batch]:
    if not all(array.ndim and len(array) == len(rows[0]) for array in rows):
        return [rows]
    starts = range(0, len(rows[0]), ROWS_AT_ONCE)
    return [tuple(array[start : start + ROWS_AT_ONCE] for array in rows) for start in starts]
