"""Every dataset by its name."""

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.twins.datasets.csv_file import load_csv
from gradtwin.twins.datasets.dataset import Dataset, one_hot
from gradtwin.twins.datasets.mnist import MnistNotFound, load_mnist

FILES = files("gradtwin.twins.datasets") / "files"


def load(name: str, data_dir: str | Path | None = None) -> Dataset:
    """Load a dataset by name.

    Args:
        name: one of `NAMES`.
        data_dir: where MNIST lies, see `gradtwin.twins.datasets.mnist.mnist_arrays`; the others ship.

    Returns:
        Dataset. Where "mnist" is asked for and there is none, the digits with a note that says so.

    Raises:
        InputError: the name is unknown, or the MNIST files are damaged.
    """
    if name == "mnist":
        return _mnist_or_digits(data_dir)
    if name in SHIPPED:
        return SHIPPED[name]()
    raise InputError(f"Unknown dataset {name!r}.{did_you_mean(name, NAMES)} There are {', '.join(NAMES)}.")


def _xor() -> Dataset:
    """The four rows of exclusive or."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    labels = np.array([0, 1, 1, 0])
    return Dataset("xor", x, labels[:, None].astype(float), labels)


def _neuron() -> Dataset:
    """The one example of the logistic neuron in source document 001: a0 = 0.1, t = 0."""
    return Dataset("neuron", np.array([[0.1]]), np.array([[0.0]]), np.array([0]))


def _stopping_distances() -> Dataset:
    """Speed of 50 cars in mph and the distance in ft they took to stop (Ezekiel, 1930)."""
    speed, distance = _table("stopping_distances.csv").T
    return Dataset("stopping_distances", speed[:, None], distance[:, None])


def _relu_points() -> Dataset:
    """Ten points with a 0/1 label, printed in source document 003."""
    table = _table("relu_points.csv")
    return Dataset("relu_points", table[:, :2], table[:, 2:], table[:, 2].astype(int))


def _zoo() -> Dataset:
    """101 animals, 16 features, seven classes (UCI, doi 10.24432/C5R59V)."""
    with as_file(FILES / "zoo.csv") as path:
        return load_csv(path)


def _digits() -> Dataset:
    """1,797 images of 8 x 8 with pixels divided by 16 (UCI, doi 10.24432/C50P49).

    Every fifth row, from the fifth on, is for testing: 1,438 to train with and 359 to test with.
    """
    with as_file(FILES / "digits.npz") as path, np.load(path) as archive:
        x, labels = archive["images"].reshape(-1, 64) / 16.0, archive["labels"].astype(int)
    test = np.arange(len(x)) % 5 == 4
    t = one_hot(labels, 10)
    return Dataset("digits", x[~test], t[~test], labels[~test], x[test], t[test], image_shape=(8, 8))


def _mnist_or_digits(data_dir: str | Path | None) -> Dataset:
    try:
        return load_mnist(data_dir)
    except MnistNotFound as error:
        return replace(_digits(), note=f"{error} The digits are used instead.")


def _table(file_name: str) -> np.ndarray:
    with as_file(FILES / file_name) as path:
        # Comment lines and one header stand above the numbers.
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return np.loadtxt(lines[1:], delimiter=",")


SHIPPED: dict[str, Callable[[], Dataset]] = {
    "xor": _xor,
    "neuron": _neuron,
    "stopping_distances": _stopping_distances,
    "relu_points": _relu_points,
    "zoo": _zoo,
    "digits": _digits,
}
NAMES = (*SHIPPED, "mnist")
