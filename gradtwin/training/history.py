"""History: what a training in lockstep recorded."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradtwin.core.notebook import ShownInNotebooks
from manual_grads import Array, Params

DIVERGED = 1e-6
PREDICTIONS_IN_JSON = 128


@dataclass(frozen=True, eq=False)
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
        manual: `loss` and `accuracy` (None where the twin has none) of the hand-written side after the last
            update, over the whole training set without dropout; `test_loss` and `test_accuracy` where there
            is a test set.
        tensorflow: the same of TensorFlow's side.
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
        variant: the name of the manual side that stood in for the twin's own, or "".
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

    def to_dict(self) -> dict[str, Any]:
        """Give the row of `gradtwin train --json`.

        Numbers that JSON cannot hold (NaN, infinities) become None; predictions are left out (None) where
        there are more than 128 rows of them.
        """
        few = all(len(np.atleast_1d(rows)) <= PREDICTIONS_IN_JSON for rows in self.predictions.values())
        return _for_json(
            {
                "twin": self.twin,
                "run": self.run,
                "dtype": self.dtype,
                "learning_rate": self.learning_rate,
                "steps": self.steps,
                "manual": self.manual,
                "tensorflow": self.tensorflow,
                "gap": self.gap,
                "diverged_at": self.diverged_at,
                "optimizer": self.optimizer,
                "seed": self.seed,
                "batch_size": self.batch_size,
                "keep": self.keep,
                "variant": self.variant,
                "interrupted": self.interrupted,
                "directory": self.directory,
                "note": self.note,
                "predictions": self.predictions if few else None,
                "logged": self.logged,
            }
        )


def first_divergence(gaps: Array) -> int | None:
    """Find the first gap that is not within 1e-6; NaN is not."""
    beyond = np.flatnonzero(~(np.asarray(gaps) <= DIVERGED))
    return int(beyond[0]) if beyond.size else None


def _for_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _for_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _for_json(value.tolist())
    if isinstance(value, list):
        return [_for_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
