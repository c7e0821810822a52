"""Sides that break the contract are refused before anything is computed."""

import numpy as np
import pytest

import gradtwin


def right(params: dict, x: np.ndarray) -> tuple[np.ndarray, dict]:
    """Loss (w x)·1 and its gradient."""
    return (params["w"] * x).sum(), {"w": x.copy()}


def never_called(params: dict, x: np.ndarray) -> None:
    """Stand for a reference: every case here is refused before TensorFlow is asked."""
    raise AssertionError("the reference was asked")


W, X = np.array([1.0, 2.0]), np.array([3.0, 4.0])


@pytest.mark.parametrize(
    ("manual", "params", "x", "message"),
    [
        (lambda p, x: None, {"w": W}, X, "None"),
        (lambda p, x: (0.0, None), {"w": W}, X, "None"),
        (lambda p, x: (0.0, {}), {"w": W}, X, "w"),
        (lambda p, x: (0.0, {"w": x, "v": x}), {"w": W}, X, "v"),
        (lambda p, x: (0.0, {"w": x[:1]}), {"w": W}, X, "shape"),
        (lambda p, x: (0.0, {"w": x.astype(np.float32)}), {"w": W}, X, "dtype"),
        (right, {"w": W.astype(int)}, X, "int64"),
        (right, {"w": W.astype(object)}, X, "object"),
        (right, {"w": W, "v": W.astype(np.float32)}, X, "one dtype"),
        (right, [W], X, "dictionary"),
        (right, {}, X, "dictionary"),
        (right, {"w": W[:0]}, X[:0], "empty"),
        (right, {"w": W}, np.array([1.0, np.nan]), "NaN"),
        (right, {"w": np.array([1.0, np.inf])}, X, "infinity"),
    ],
)
def test_sides_that_break_the_contract_are_refused(
    manual: object, params: object, x: object, message: str
) -> None:
    """Other keys, shapes or dtypes, nothing at all: one line, before TensorFlow is asked."""
    with pytest.raises(gradtwin.InputError) as refused:
        gradtwin.check_gradients(manual, never_called, params, x)  # type: ignore[arg-type]
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
