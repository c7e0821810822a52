"""History: what a training in lockstep recorded."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradtwin.core.notebook import ShownInNotebooks
from gradtwin.core.plain import jsonable, number, percent
from manual_grads import Array, Params

DIVERGED = 1e-6
PREDICTIONS_IN_JSON = 128

# What a history says of the settings it was made with.
OF_HISTORY = ("dtype", "learning_rate", "optimizer", "seed", "batch_size", "keep", "variant")
IN_JSON = (
    *("twin", "run", "dtype", "learning_rate", "steps", "manual", "tensorflow", "gap", "diverged_at"),
    *("optimizer", "seed", "batch_size", "keep", "variant", "interrupted", "directory", "note"),
)


@dataclass(frozen=True, eq=False, repr=False)
class History(ShownInNotebooks):
    """Both sides of one training, step by step.

    Losses are taken first and the update follows: `losses_manual[k]` and `losses_tensorflow[k]` belong to
    the parameters after k updates, on the batch and with the dropout masks of step k. `gaps[k]` is the
    largest difference |manual - tensorflow| over all entries of all parameters after k updates, so it has
    one entry more than the losses.

    Attributes:
        twin: the twin's name.
        run: the run's name, made of its settings; its directory's name where there is one.
        dtype: "float64" or "float32".
        learning_rate: the learning rate of both sides.
        steps: updates done; fewer than asked for where `interrupted`.
        manual: `loss` and `accuracy` (None where the twin has none) of the manual side after the last
            update, over the whole training set without dropout; `test_loss` and `test_accuracy` where there
            is a test set.
        tensorflow: the same of the reference side.
        gap: the last of `gaps`.
        diverged_at: the number of updates after which the gap was first not within 1e-6, or None.
        losses_manual: [steps].
        losses_tensorflow: [steps].
        gaps: [steps + 1].
        predictions: `manual` and `tensorflow`: the output for every row of the training set.
        params: `manual` and `tensorflow`: the parameters after the last update.
        logged: what TensorBoard shows, at the logging interval: lists `step`, `loss_manual`,
            `loss_tensorflow`, `accuracy_manual`, `accuracy_tensorflow`, and dicts with a list for each
            parameter: `gap`, and with a log directory `gap_ulp` and `gap_relative` (before they are put on
            the logarithmic scales of `gradtwin.training.tensorboard.gaps`), else empty.
        optimizer: "gd" or "adam".
        seed: what start, batches and masks were drawn from; None is the source's own start.
        batch_size: rows in a batch, None where every step takes all rows.
        keep: the probability with which dropout kept a unit, None without dropout.
        variant: the name of the manual side that stood in for the twin's, or "".
        interrupted: whether Ctrl-C ended the run.
        directory: where the event files lie, or None.
        note: one line about the data, or "".
    """

    twin: str
    run: str
    dtype: str
    learning_rate: float
    steps: int
    manual: dict[str, float | None]
    tensorflow: dict[str, float | None]
    gap: float
    diverged_at: int | None
    losses_manual: Array
    losses_tensorflow: Array
    gaps: Array
    predictions: dict[str, Array]
    params: dict[str, Params]
    logged: dict[str, Any] = field(default_factory=dict)
    optimizer: str = "gd"
    seed: int | None = None
    batch_size: int | None = None
    keep: float | None = None
    variant: str = ""
    interrupted: bool = False
    directory: str | None = None
    note: str = ""

    def __repr__(self) -> str:
        return f"<History of {self.twin} {self.run}: {self.steps:,} steps, gap {self.gap:.3g}>"

    def __str__(self) -> str:
        """Say where both sides ended and how far they are apart."""
        rows = [("", "loss", "accuracy")]
        for name, side in (("manual", self.manual), ("reference", self.tensorflow)):
            rows.append((name, number(side["loss"]), percent(side["accuracy"])))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        form = f"  {{:<{widths[0]}}}  {{:>{widths[1]}}}  {{:>{widths[2]}}}"
        lines = [form.format(*row) for row in rows]
        lines.append(f"  {gap_sentence(self)}")
        return "\n".join([f"{self.twin}  {self.run}", *lines, *filter(None, [self.directory])])

    def to_dict(self) -> dict[str, Any]:
        """Give the row of `gradtwin train --json`.

        Numbers that JSON cannot hold (NaN, infinities) become None; predictions are left out (None) where
        there are more than 128 rows of them.
        """
        few = all(len(np.atleast_1d(rows)) <= PREDICTIONS_IN_JSON for rows in self.predictions.values())
        row = {name: getattr(self, name) for name in IN_JSON}
        return dict(jsonable(row | {"predictions": self.predictions if few else None, "logged": self.logged}))


def gap_sentence(history: History) -> str:
    """Say how far the parameters of the two sides are apart, and whether they ever were too far."""
    above = f"above {DIVERGED:.0e}".replace("e-0", "e-")
    when = f"never {above}" if history.diverged_at is None else f"first {above} after step {history.diverged_at:,}"
    return f"Final gap between the parameters: {history.gap:.3g}, {when}."


def first_divergence(gaps: Array) -> int | None:
    """Find the first gap that is not within 1e-6; NaN is not."""
    beyond = np.flatnonzero(~(np.asarray(gaps) <= DIVERGED))
    return int(beyond[0]) if beyond.size else None
