"""The shipped data sets hold what their sources say."""

import hashlib

import numpy as np
import pytest

from gradtwin.core.errors import InputError
from gradtwin.twins.datasets import NAMES, MnistNotFound, load, load_mnist

# sha256 of load_digits().images and .target as unsigned bytes, scikit-learn 1.9.
DIGEST_OF_LOAD_DIGITS = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    """A machine on which nobody has ever fetched MNIST."""
    monkeypatch.delenv("GRADTWIN_MNIST_DIR", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


@pytest.mark.parametrize("name", NAMES)
def test_every_dataset_is_float64_with_one_row_per_example(name, no_mnist):
    """Inputs and targets are finite float64 matrices of equal length, in both parts of a split."""
    data = load(name)
    parts = [(data.inputs, data.targets)]
    parts += [] if data.test_inputs is None else [(data.test_inputs, data.test_targets)]
    for x, t in parts:
        assert x.dtype == t.dtype == np.float64
        assert x.ndim == t.ndim == 2
        assert len(x) == len(t) > 0
        assert np.isfinite(x).all()
        assert np.isfinite(t).all()


@pytest.mark.parametrize("name", ["zoo", "digits"])
def test_targets_are_the_one_hot_rows_of_the_labels(name):
    """Row n of the targets has its single 1 in column labels[n]."""
    data = load(name)
    np.testing.assert_array_equal(data.targets.argmax(axis=1), data.labels)
    np.testing.assert_array_equal(data.targets.sum(axis=1), 1.0)


def test_xor_is_the_exclusive_or():
    """The target is 1 where exactly one input is."""
    data = load("xor")
    np.testing.assert_array_equal(data.inputs, [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(data.targets, [[0], [1], [1], [0]])


def test_stopping_distances_have_the_known_least_squares_line():
    """The line of statistics textbooks for this table: distance = -17.5791 + 3.9324 speed."""
    data = load("stopping_distances")
    assert data.inputs.shape == (50, 1)
    slope, intercept = np.polyfit(data.inputs[:, 0], data.targets[:, 0], 1)
    np.testing.assert_allclose([intercept, slope], [-17.5791, 3.9324], atol=5e-5)


def test_zoo_has_the_facts_of_its_source():
    """Class counts, distinct rows, values of legs and the first rows, as the UCI page describes them."""
    data = load("zoo")
    assert data.inputs.shape == (101, 16)
    assert np.bincount(data.labels).tolist() == [41, 20, 5, 13, 4, 8, 10]
    assert data.labels[:4].tolist() == [0, 0, 3, 0]
    assert len(np.unique(data.inputs, axis=0)) == 59
    assert np.unique(data.inputs[:, 12]).tolist() == [0, 2, 4, 5, 6, 8]
    assert np.unique(np.delete(data.inputs, 12, axis=1)).tolist() == [0, 1]
    assert data.names[:4] == ("aardvark", "antelope", "bass", "bear")
    assert data.names.count("frog") == 2
    assert len(set(data.names)) == 100


def test_digits_are_those_of_scikit_learn():
    """Put together again as split (every fifth row tests), the bytes have the digest of load_digits."""
    data = load("digits")
    test = np.arange(1797) % 5 == 4
    images, labels = np.empty((1797, 64)), np.empty(1797)
    images[test], images[~test] = data.test_inputs * 16, data.inputs * 16
    labels[test], labels[~test] = data.test_targets.argmax(axis=1), data.labels
    content = images.astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()
    assert hashlib.sha256(content).hexdigest() == DIGEST_OF_LOAD_DIGITS
    assert data.image_shape == (8, 8)


def test_digits_have_the_known_class_counts():
    """178 182 177 183 181 182 181 179 174 180, over both parts."""
    data = load("digits")
    counts = data.targets.sum(axis=0) + data.test_targets.sum(axis=0)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_without_mnist_the_digits_come_with_a_note(no_mnist):
    """The fallback is said in one line that names the way out."""
    data = load("mnist")
    assert data.name == "digits"
    assert "GRADTWIN_MNIST_DIR" in data.note
    assert "\n" not in data.note


def test_load_mnist_itself_never_falls_back(no_mnist):
    """Whoever needs the real one gets an exception."""
    with pytest.raises(MnistNotFound, match="--data-dir"):
        load_mnist()


def test_an_unknown_name_gets_a_suggestion():
    """The nearest name is offered."""
    with pytest.raises(InputError, match="Unknown dataset 'zo'. Did you mean 'zoo'"):
        load("zo")


def test_every_shipped_table_names_its_source():
    """The attribution stands in the file itself."""
    from gradtwin.twins.datasets.loading import FILES

    for file in FILES.iterdir():
        if file.name.endswith(".csv"):
            assert "ource" in file.read_text(encoding="utf-8"), file.name
