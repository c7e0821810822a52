"""MNIST from the user's own files: a directory of IDX files, or the archive Keras has cached.

Nothing is fetched. Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits.
"""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradtwin.core.errors import InputError
from gradtwin.twins.datasets.dataset import Dataset, one_hot
from gradtwin.twins.datasets.idx import read_idx

DIRECTORY_VARIABLE = "GRADTWIN_MNIST_DIR"
CLASSES = 10


class MnistNotFound(InputError):
    """Say that no MNIST was named and none is cached."""


class MnistArrays(NamedTuple):
    """The four arrays as stored: images [N, rows, columns] and labels [N], uint8."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_mnist(data_dir: str | Path | None = None) -> Dataset:
    """Load MNIST with pixels divided by 255 and one-hot targets.

    Args:
        data_dir: see `mnist_arrays`.

    Returns:
        Dataset with inputs [60000, 784], targets [60000, 10] and the 10,000 test images.

    Raises:
        MnistNotFound, InputError: as `mnist_arrays`.
    """
    train_images, train_labels, test_images, test_labels = mnist_arrays(data_dir)
    return Dataset(
        name="mnist",
        inputs=train_images.reshape(len(train_images), -1) / 255.0,
        targets=one_hot(train_labels, CLASSES),
        labels=train_labels.astype(np.int64),
        test_inputs=test_images.reshape(len(test_images), -1) / 255.0,
        test_targets=one_hot(test_labels, CLASSES),
        image_shape=(train_images.shape[1], train_images.shape[2]),
    )


def mnist_arrays(data_dir: str | Path | None = None) -> MnistArrays:
    """Find MNIST and return its four arrays as they are stored.

    Args:
        data_dir: directory of the four IDX files, gzipped or not. By default the one that the environment
            variable GRADTWIN_MNIST_DIR names, else the archive mnist.npz of Keras's cache.

    Raises:
        MnistNotFound: no directory was named and Keras has nothing cached.
        InputError: what was named is missing or damaged.
    """
    directory = data_dir or os.environ.get(DIRECTORY_VARIABLE)
    if directory:
        return _from_directory(Path(directory).expanduser())
    cached = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets" / "mnist.npz"
    if cached.is_file():
        return _from_keras(cached)
    raise MnistNotFound(f"MNIST not found: name its directory with --data-dir or {DIRECTORY_VARIABLE}.")


def _from_directory(directory: Path) -> MnistArrays:
    if not directory.is_dir():
        raise InputError(f"{directory} is no directory; expected one that holds the four MNIST files.")
    parts: list[tuple[str | Path, np.ndarray]] = []
    for part in ("train", "t10k"):
        images = _file(directory, f"{part}-images-idx3-ubyte")
        labels = _file(directory, f"{part}-labels-idx1-ubyte")
        parts += [(images, read_idx(images, 3)), (labels, read_idx(labels, 1))]
    return _verified(parts)


def _file(directory: Path, name: str) -> Path:
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(f"{directory} holds neither {name} nor {name}.gz; expected the four MNIST files.")


def _from_keras(path: Path) -> MnistArrays:
    keys = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _verified([(f"{path} {key}", archive[key]) for key in keys])
    except InputError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no MNIST archive ({error}); delete it or name a directory.") from error


def _verified(parts: Sequence[tuple[str | Path, np.ndarray]]) -> MnistArrays:
    for (source, images), (labels_source, labels) in zip(parts[::2], parts[1::2], strict=True):
        if images.ndim != 3 or labels.ndim != 1 or images.dtype != np.uint8 or not images.size:
            raise InputError(f"{source} holds {images.dtype} {images.shape}; expected images of bytes.")
        if labels.dtype != np.uint8:
            raise InputError(f"{labels_source} holds labels as {labels.dtype}; expected bytes.")
        if len(images) != len(labels):
            raise InputError(
                f"{source} holds {len(images)} images, but {labels_source} {len(labels)} labels."
            )
        if labels.max() >= CLASSES:
            row = labels.argmax()
            raise InputError(
                f"{labels_source}: label {labels[row]} in row {row}; expected 0 to {CLASSES - 1}."
            )
    arrays = MnistArrays(*(array for _, array in parts))
    if arrays.train_images.shape[1:] != arrays.test_images.shape[1:]:
        raise InputError(f"{parts[2][0]}: images of another size than those of {parts[0][0]}.")
    return arrays
