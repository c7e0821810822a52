"""The derivations' notation, computed."""

import numpy as np
import pytest

from gradtwin.explanation.formula_values import value_of

x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
W = np.array([[0.5, -1.0], [2.0, 0.25]])
t = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
VALUES = {"x": x, "W": W, "t": t, "b": np.array([1.0, -1.0]), "c": np.array(3.0), "B": 3.0}

sigma = 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("x W + b", x @ W + [1, -1]),
        ("xᵀ t", x.T @ t),
        ("x ∘ t", x * t),
        ("c (x - t)", 3 * (x - t)),
        ("(x - t) / (B·c)", (x - t) / 9),
        ("-x", -x),
        ("x²", x**2),
        ("Σ_n x_n", x.sum(axis=0)),
        ("Σ_k t_k ln x_k", (t * np.log(x)).sum(axis=1)),
        ("-(1/B) Σ_n Σ_k {t ln x + (1 - t) x}", -(t * np.log(x) + (1 - t) * x).sum() / 3),
        ("σ(x) σ(-x)", sigma * (1 - sigma)),
        ("1[x > 3]", (x > 3).astype(float)),
        ("max(x, 3)", np.maximum(x, 3)),
        ("(1 - t)(1 + e^x) - t (1 + e^-x)", (1 - t) * (1 + np.exp(x)) - t * (1 + np.exp(-x))),
        ("lse(x_n) - Σ_k t_nk x_nk", np.log(np.exp(x).sum(axis=1)) - (t * x).sum(axis=1)),
        ("softmax(x)", np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),
        ("1/(2B) Σ_n x_n²", (x**2).sum(axis=0) / 6),
    ],
)
def test_a_formula_means_what_a_reader_takes_it_for(formula: str, expected: np.ndarray) -> None:
    """Two names side by side multiply as matrices; beside a bracket or an index, entry by entry."""
    value = value_of(formula, VALUES)
    assert value is not None
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "formula", ["x y", "mean BCE", "x +", "(x", "1[x", "1[x > 0", "x W)", "x ? t", "W x b", "max(x", ""]
)
def test_what_is_no_formula_of_known_tensors_is_not_computed(formula: str) -> None:
    """An unknown name, prose, an open bracket, shapes that do not fit: no value, and no error."""
    assert value_of(formula, VALUES) is None
