"""A twin's point in bfloat16 stays bfloat16 where numpy alone would go on in float32."""

import ml_dtypes
import numpy as np
import pytest

from gradtwin.tracing.bfloat16_arrays import BFLOAT16, Bfloat16Array, kept_bfloat16

PLAIN = np.array([[1.0, 2.0], [3.0, 4.0]]).astype(ml_dtypes.bfloat16)


@pytest.fixture
def a():
    return kept_bfloat16({"a": PLAIN.copy()})["a"]


STAYS = {
    "a product of matrices": lambda a: a @ a.T,
    "a Python float": lambda a: 0.5 * a,
    "a number out of a sum, times a float": lambda a: a.sum() * 0.5,
    "a mean": lambda a: a.mean(axis=0),
    "a choice, times a float": lambda a: 0.5 * np.where(a > 1, a, 0),
    "a comparison as a factor": lambda a: (a > 1) * a,
    "a power": lambda a: a**0.5,
    "a product in place": lambda a: np.multiply(a, 0.5, out=a),
    "a product into an array": lambda a: np.matmul(a, a, out=np.empty_like(a)),
}


@pytest.mark.parametrize("what", STAYS)
def test_an_operation_on_bfloat16_gives_bfloat16(what, a):
    """Whatever the pages do."""
    assert STAYS[what](a).dtype == BFLOAT16


def test_numpy_alone_goes_on_in_float32():
    """Why these arrays exist; when this fails, they are no longer needed."""
    assert (PLAIN @ PLAIN).dtype == (0.5 * PLAIN).dtype == np.float32


def test_a_product_is_the_float32_one_rounded_once(a):
    """1/3 is no bfloat16; 257 = 1 + 256 is none either and goes to 256, the even neighbour."""
    third = a[0] / 3
    assert np.array_equal(third, (np.array([1, 2], np.float32) / 3).astype(BFLOAT16))
    row = kept_bfloat16({"x": np.array([[16.0, 1.0]]).astype(BFLOAT16)})["x"]
    assert float((row @ row.T)[0, 0]) == 256.0


@pytest.mark.parametrize("wider", [np.ones(2, np.float32), np.ones(2), np.float64(2), np.arange(2)])
def test_a_wider_array_is_not_narrowed(a, wider):
    """A float32 or float64 array, a numpy scalar, whole numbers: numpy's own rule stands, and the check refuses it."""
    assert (a * wider).dtype == (PLAIN * wider).dtype != BFLOAT16
    assert (a.astype(np.float32) @ a.astype(np.float32)).dtype == np.float32


def test_a_read_only_view_refuses_to_be_written_to(a):
    """The check of what hand code does to its arguments works on them too."""
    view = a.view()
    view.flags.writeable = False
    for write in (lambda: np.add(view, 1, out=view), lambda: view.__setitem__(0, 1)):
        with pytest.raises(ValueError, match="read-only"):
            write()
    assert isinstance(view, Bfloat16Array) and np.array_equal(view, PLAIN)
