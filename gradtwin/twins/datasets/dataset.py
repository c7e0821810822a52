"""What every loader returns."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold inputs and targets as float64 rows, one example a row.

    Attributes:
        name: the name it was loaded by.
        inputs: [N, D] float64.
        targets: one-hot [N, C], or [N, 1] where there is one output; float64.
        labels: [N] int64, or None where the target is a measurement.
        test_inputs: [M, D] float64, or None where there is no split.
        test_targets: as targets, or None.
        image_shape: (rows, columns) of one input, or None where inputs are no images.
        names: one name per example, or None.
        note: one line for the user, empty where there is nothing to say.
    """

    name: str
    inputs: Array
    targets: Array
    labels: Array | None = None
    test_inputs: Array | None = None
    test_targets: Array | None = None
    image_shape: tuple[int, int] | None = None
    names: tuple[str, ...] | None = None
    note: str = ""


def one_hot(labels: Array, classes: int) -> Array:
    """Turn labels [N] into rows [N, classes] of float64 with a single 1 in column labels[n]."""
    return np.eye(classes)[labels]
