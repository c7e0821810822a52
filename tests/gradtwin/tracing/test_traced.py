"""What numpy gives for an operation, a traced array gives too, and again in every run."""

import numpy as np
import pytest

from gradtwin.tracing import trace

OPERATIONS = {
    "power 2": lambda a: a**2,
    "power 0.5": lambda a: (a * a) ** 0.5,
    "power 3": lambda a: a**3,
    "power of 2": lambda a: 2.0**a,
    "reversed": lambda a: 1 - a / 2 + 3 // (1 + a * a),
    "augmented": lambda a: _augmented(a),
    "negative": lambda a: -abs(a) + +a,
    "maximum of a number": lambda a: np.maximum(a, 0),
    "minimum in a large array": lambda a: np.minimum(np.concatenate([a] * 500), 0.5),
    "where": lambda a: np.where(a > 0, a, 0.0),
    "compared": lambda a: (a > 0).astype(a.dtype) * a,
    "mean": lambda a: a.mean(axis=1, keepdims=True) - np.mean(a),
    "largest": lambda a: a.max(axis=1, keepdims=True) - a.min(),
    "sums": lambda a: np.sum(a, axis=0) + a.sum(axis=-1, keepdims=True),
    "transposed": lambda a: a.T @ a,
    "vector product": lambda a: a @ a[0],
    "one column": lambda a: a @ a[:1].T,
    "dot": lambda a: np.dot(a, a.T) + a.dot(a.T),
    "reshaped": lambda a: a.reshape(-1)[1:-1] * a.ravel()[2:],
    "copied": lambda a: a.copy() * 2,
    "einsum": lambda a: np.einsum("ij,kj->ik", a, a),
    "argmax": lambda a: (np.arange(a.shape[1]) == a.argmax(axis=1)[:, np.newaxis]) * a,
    "picked": lambda a: a[[0, 2, 0]],
    "clipped": lambda a: np.clip(a, -0.5, 0.5),
    "with an array": lambda a: np.arange(4.0) * a + np.eye(4, dtype=a.dtype)[:3],
    "with a numpy number": lambda a: a * np.float64(2.5),
    "negative zero": lambda a: a * 0.0 + a * -0.0 + np.copysign(1.0, -0.0 * abs(a)),
}


def _augmented(a):
    b = a
    b = b + 0
    b += a
    b *= 2
    b -= 1
    b /= 3
    return b


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_gives_what_numpy_gives(name, dtype):
    """Value, shape and dtype, in the trace and in a run with other numbers."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 4)).astype(dtype)
    kept = {}

    def work(params):
        kept["traced"] = result = OPERATIONS[name](params["a"])
        return result.sum(), {"a": params["a"] * result.sum()}

    program = trace(work, {"a": a}, (), (), {"a": np.empty((3, 4), np.float64)})
    expected = np.asarray(OPERATIONS[name](a))
    assert (kept["traced"].shape, kept["traced"].dtype) == (expected.shape, expected.dtype)
    a[...] = rng.normal(size=(3, 4))
    assert program.run() == np.asarray(OPERATIONS[name](a)).sum()


def test_the_length_is_known_and_the_numbers_are_not():
    """A mean over the batch may divide by it."""

    def work(params):
        a = params["a"]
        return a.sum() / len(a), {"a": a / a.size}

    into = {"a": np.empty(4)}
    program = trace(work, {"a": np.ones(4)}, (), (), into)
    assert program.run() == 1.0 and into["a"].tolist() == [0.25] * 4
