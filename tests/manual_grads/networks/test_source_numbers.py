"""Numbers the source documents print, or that follow from what they print."""

import numpy as np
import pytest

from gradtwin.twins import catalog
from manual_grads.networks import gates, linear_regression, logistic, neuron, xor


def test_gates_at_the_customary_numbers():
    """w = -2, x = 5, b = 3: g -10, f -7, dw 5, dx -2, db 1 (A15); the source prints ∂g/∂w = 1 (F001-12)."""
    params = gates.source_params()
    f, cache = gates.forward(params, np.array(5.0))
    assert (float(cache["g"]), float(f)) == (-10, -7)
    gradients = gates.backward(params, cache)
    assert {k: float(v) for k, v in gradients.items()} == {"f": 1, "g": 1, "b": 1, "w": 5, "x": -2}


def test_neuron_at_the_given_numbers():
    """a0 = 0.1, t = 0, w = 0.1, b = 0.3: a1 0.5768852611, E 0.8601118864 and what follows by hand (A16)."""
    params = neuron.source_params()
    E, cache = neuron.forward(params, np.array([[0.1]]), np.array([[0.0]]))
    assert E == pytest.approx(0.8601118864, abs=5e-11)
    a1 = 0.5768852611
    expected = {"a1": 1 / (1 - a1), "l": a1, "o": a1, "b": a1, "w": 0.1 * a1, "a0": 0.1 * a1}
    for name, value in expected.items():
        assert neuron.backward(params, cache)[name].item() == pytest.approx(value, abs=3e-10)


def test_the_hand_set_weights_solve_xor():
    """The completed hand-set network: h = 0.0112, 0.9949, 0.9949, 0.0244 (A3)."""
    x, t = catalog.get("xor").batch
    _, cache = xor.forward(xor.handset_params(), x, t)
    np.testing.assert_allclose(cache["p"].ravel(), [0.0112, 0.9949, 0.9949, 0.0244], atol=5e-5)


def test_a_line_cannot_solve_xor():
    """At W = 0, b = 0 every answer is 1/2, the cost is ln 2, and the gradient is zero: there is no better (A2)."""
    x, t = catalog.get("xor").batch
    params = {"W": np.zeros((2, 1)), "b": np.zeros(1)}
    loss, cache = logistic.forward(params, x, t)
    assert loss == pytest.approx(np.log(2), abs=1e-16)
    gradients = logistic.backward(params, cache)
    assert not gradients["W"].any() and not gradients["b"].any()


def test_linear_regression_vanishes_at_the_normal_equations():
    """The least-squares solution is where dW and db are zero."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 3)), rng.standard_normal((9, 1))
    solution = np.linalg.lstsq(np.hstack([x, np.ones((9, 1))]), y, rcond=None)[0]
    params = {"W": solution[:3], "b": solution[3]}
    gradients = linear_regression.backward(params, linear_regression.forward(params, x, y)[1])
    np.testing.assert_allclose(gradients["W"], 0, atol=1e-15)
    np.testing.assert_allclose(gradients["b"], 0, atol=1e-15)
