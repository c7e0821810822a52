"""MNIST is found where the user put it, and four files that do not fit together are refused."""

import gzip

import numpy as np
import pytest

from gradtwin.core.errors import InputError
from gradtwin.twins.datasets import load, load_mnist

TRAIN = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _idx(array):
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def arrays():
    """Five training and two test images of 28 x 28."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (7, 28, 28))
    return {TRAIN[0]: images[:5], TRAIN[1]: np.arange(5), TEST[0]: images[5:], TEST[1]: np.array([9, 0])}


@pytest.fixture
def folder(tmp_path, arrays, monkeypatch):
    """The four files, one of them gzipped."""
    monkeypatch.delenv("GRADTWIN_MNIST_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    place = tmp_path / "mnist"
    place.mkdir()
    for name, array in arrays.items():
        (place / name).write_bytes(_idx(array))
    (place / TEST[0]).rename(place / f"{TEST[0]}.gz")
    (place / f"{TEST[0]}.gz").write_bytes(gzip.compress(_idx(arrays[TEST[0]])))
    return place


def _assert_is(data, arrays):
    np.testing.assert_array_equal(data.inputs, arrays[TRAIN[0]].reshape(5, 784) / 255)
    np.testing.assert_array_equal(data.targets, np.eye(10)[:5])
    np.testing.assert_array_equal(data.test_inputs, arrays[TEST[0]].reshape(2, 784) / 255)
    np.testing.assert_array_equal(data.test_targets.argmax(axis=1), [9, 0])
    assert data.image_shape == (28, 28)
    assert data.name == "mnist"
    assert data.note == ""


def test_a_directory_is_taken_from_the_argument(folder, arrays):
    """Files are read gzipped or not, pixels are divided by 255."""
    _assert_is(load("mnist", folder), arrays)


def test_a_directory_is_taken_from_the_environment(folder, arrays, monkeypatch):
    """GRADTWIN_MNIST_DIR counts where no argument is given."""
    monkeypatch.setenv("GRADTWIN_MNIST_DIR", str(folder))
    _assert_is(load("mnist"), arrays)


def _keras_archive(tmp_path, arrays, **changed):
    path = tmp_path / "keras" / "datasets" / "mnist.npz"
    path.parent.mkdir(parents=True)
    keys = dict(zip(("x_train", "y_train", "x_test", "y_test"), (*TRAIN, *TEST), strict=True))
    np.savez(path, **({key: arrays[name].astype(np.uint8) for key, name in keys.items()} | changed))
    return path


def test_what_keras_has_cached_is_used_last(folder, arrays, tmp_path):
    """Without a directory the cached archive serves."""
    _keras_archive(tmp_path, arrays)
    _assert_is(load("mnist"), arrays)


def test_a_damaged_archive_of_keras_is_refused(folder, arrays, tmp_path):
    """Garbage in the cache is named, not passed over."""
    path = _keras_archive(tmp_path, arrays)
    path.write_bytes(b"PK\3\4 half a download")
    with pytest.raises(InputError, match="is no MNIST archive"):
        load("mnist")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_train": np.zeros((5, 784), np.uint8)}, "expected images of bytes"),
        ({"x_train": np.zeros((5, 28, 28))}, "expected images of bytes"),
        ({"y_train": np.arange(5) - 1}, "expected bytes"),
        ({"x_test": np.zeros((2, 8, 8), np.uint8)}, "images of another size"),
    ],
)
def test_an_archive_of_something_else_is_refused(folder, arrays, tmp_path, changed, message):
    """Shapes and dtypes are checked, not only the keys."""
    _keras_archive(tmp_path, arrays, **changed)
    with pytest.raises(InputError, match=message):
        load("mnist")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (TRAIN[1], np.arange(4), "holds 5 images, but .* 4 labels"),
        (TRAIN[1], np.array([0, 1, 10, 3, 4]), "label 10 in row 2; expected 0 to 9"),
        (TRAIN[0], np.zeros((0, 28, 28)), "expected images of bytes"),
        (TRAIN[0], np.zeros((5, 8, 8)), "images of another size"),
        (TRAIN[0], np.arange(5), "1 dimension.* instead of 3; images and labels swapped"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(folder, name, array, message):
    """Each misfit has its own line."""
    (folder / name).write_bytes(_idx(array))
    with pytest.raises(InputError, match=message) as caught:
        load_mnist(folder)
    assert "\n" not in str(caught.value)


def test_a_named_directory_that_is_wrong_is_no_reason_to_fall_back(folder):
    """Who names a directory wants it: a missing folder or file is an error."""
    (folder / TRAIN[1]).unlink()
    with pytest.raises(
        InputError, match="holds neither train-labels-idx1-ubyte nor train-labels-idx1-ubyte.gz"
    ):
        load("mnist", folder)
    with pytest.raises(InputError, match="is no directory"):
        load("mnist", folder / "absent")
