"""The settings of a training: as they were asked for, and with every default filled in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.core.dtypes import DEFAULT_DTYPES as DTYPES
from gradtwin.training.tensorboard.run_directories import as_directory_name
from gradtwin.twins.datasets import Dataset

__all__ = ["DTYPES", "OPTIMIZERS", "RunSettings", "TrainingSettings"]

OPTIMIZERS = ("gd", "adam")


@dataclass(frozen=True, eq=False)
class TrainingSettings:
    """What is asked of a training; `gradtwin.train` says what each setting means. None takes the twin's default."""

    steps: int | None = None
    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int | None = None
    dtype: str = "float64"
    optimizer: str | None = None
    keep: float | None = None
    data: Dataset | str | Path | None = None
    data_dir: str | Path | None = None
    log_every: int | None = None
    manual: Any = None
    variant: str = ""


@dataclass(frozen=True)
class RunSettings:
    """How one training runs, every default filled in.

    Attributes:
        dtype: "float64" or "float32", of everything on both sides.
        learning_rate: of both sides.
        optimizer: "gd" or "adam".
        steps: how many updates.
        seed: draws start, batches and masks; None is the source's own start.
        batch_size: rows in a batch; None gives all rows to every step.
        keep: the probability that dropout keeps a unit; None without dropout.
        variant: the name of the manual side that stands in for the twin's, or "".
        log_every: steps between two points of a curve.
    """

    dtype: str
    learning_rate: float
    optimizer: str
    steps: int
    seed: int | None
    batch_size: int | None
    keep: float | None
    variant: str
    log_every: int

    @property
    def name(self) -> str:
        """Spell the settings so that they can be read and sort well.

        The learning rate stands first and in full (0.00001, not 1e-05): names of the same settings then sort by it.
        For example `lr0.001-adam-1800steps-batch100-keep0.7-seed0-float32`.
        """
        parts = [
            f"lr{_in_full(self.learning_rate)}",
            self.optimizer,
            f"{self.steps}steps",
            f"batch{self.batch_size}" if self.batch_size else "",
            f"keep{self.keep:g}" if self.keep is not None else "",
            f"seed{self.seed}" if self.seed is not None else "",
            self.dtype,
            as_directory_name(self.variant) if self.variant else "",
        ]
        return "-".join(part for part in parts if part)


def _in_full(number: float) -> str:
    """Write a number without an exponent where that is at most 20 characters, else with one."""
    full = np.format_float_positional(number, trim="-")
    return full if len(full) <= 20 else repr(float(number))
