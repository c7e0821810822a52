"""Gradient descent and Adam by hand, against numbers worked on paper, Keras's own, and planted faults."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

from manual_grads import optimizers

# numpy 2 says so of Keras's own conversion of its variables.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

UPDATES = 1_000
# Both walks round once or more per update; over 1,000 updates the differences stay far below these.
CLOSE = {"float64": {"rtol": 1e-11, "atol": 1e-13}, "float32": {"rtol": 1e-4, "atol": 2e-5}}


@pytest.fixture(params=["float64", "float32"])
def dtype(request):
    """Run in both dtypes; Keras keeps its learning rate in floatx, so floatx must be the dtype under test."""
    before = keras.config.floatx()
    keras.config.set_floatx(request.param)
    yield request.param
    keras.config.set_floatx(before)


def _start(dtype):
    rng = np.random.default_rng(7)
    return {"W": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=4).astype(dtype)}


def gradients_at(params, step):
    """A gradient that depends on the parameters and on the step, of very unequal sizes, with zeros in it."""
    noise = np.random.default_rng(step)
    scale = {"W": 10.0, "b": 0.01}
    return {
        name: (np.tanh(p) + noise.normal(size=p.shape) * (noise.random(p.shape) < 0.8)).astype(p.dtype)
        * p.dtype.type(scale[name])
        for name, p in params.items()
    }


def _walk_by_keras(optimizer, dtype):
    variables = {name: keras.Variable(value, dtype=dtype) for name, value in _start(dtype).items()}
    optimizer.build(list(variables.values()))

    @tf.function(autograph=False)  # operation by operation the thousand updates take ten times as long
    def update(slopes):
        optimizer.apply_gradients([(slopes[name], variables[name]) for name in variables])

    for step in range(UPDATES):
        update(gradients_at({name: keras.ops.convert_to_numpy(v) for name, v in variables.items()}, step))
    return {name: keras.ops.convert_to_numpy(v) for name, v in variables.items()}


def _walk_by_hand(update, params):
    state = optimizers.adam_state(params)
    for step in range(UPDATES):
        params, state = update(params, gradients_at(params, step), state)
    return params


def _gradient_descent_0_003(params, gradients, state):
    return optimizers.gradient_descent(params, gradients, 0.003), state


def _adam_0_001(params, gradients, state):
    return optimizers.adam(params, gradients, state, 0.001)


def _adam_with_exact_betas(params, gradients, state):
    return optimizers.adam(params, gradients, state, 0.001, beta1=0.875, beta2=1 - 2**-10)


def test_gradient_descent_is_keras_sgd_over_1000_updates(dtype):
    """1,000 updates end where Keras's SGD ends."""
    expected = _walk_by_keras(keras.optimizers.SGD(0.003), dtype)
    by_hand = _walk_by_hand(_gradient_descent_0_003, _start(dtype))
    for name, value in expected.items():
        np.testing.assert_allclose(by_hand[name], value, **CLOSE[dtype])


def test_adam_is_keras_adam_over_1000_updates(dtype):
    """1,000 updates end where Keras's Adam ends, with betas that float32 holds exactly.

    Keras rounds beta to float32 before it raises it to the power t, even when everything else is float64.
    """
    keras_adam = keras.optimizers.Adam(0.001, beta_1=0.875, beta_2=1 - 2**-10, epsilon=1e-8)
    expected = _walk_by_keras(keras_adam, dtype)
    by_hand = _walk_by_hand(_adam_with_exact_betas, _start(dtype))
    for name, value in expected.items():
        np.testing.assert_allclose(by_hand[name], value, **CLOSE[dtype])


def test_adam_at_its_defaults_is_keras_adam_up_to_keras_rounding_of_beta(dtype):
    """With beta 0.9 and 0.999 both end at the same place, but for Keras's float32 betas (about 1e-5)."""
    expected = _walk_by_keras(keras.optimizers.Adam(0.001, epsilon=1e-8), dtype)
    by_hand = _walk_by_hand(_adam_0_001, _start(dtype))
    for name, value in expected.items():
        np.testing.assert_allclose(by_hand[name], value, rtol=1e-4, atol=2e-5)


def uncorrected_adam(params, gradients, state):
    """Planted fault: no bias correction."""
    t = state["t"] + 1
    factor = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return optimizers.adam(params, gradients, state, 0.001 / float(factor))


def adam_with_keras_default_epsilon(params, gradients, state):
    """Planted fault: epsilon ten times too large."""
    return optimizers.adam(params, gradients, state, 0.001, epsilon=1e-7)


def adam_whose_count_starts_late(params, gradients, state):
    """Planted fault: the update counter is one ahead."""
    new_params, new_state = optimizers.adam(params, gradients, {**state, "t": state["t"] + 1}, 0.001)
    return new_params, {**new_state, "t": state["t"] + 1}


@pytest.mark.parametrize(
    "fault", [uncorrected_adam, adam_with_keras_default_epsilon, adam_whose_count_starts_late]
)
def test_a_wrong_adam_does_not_pass_for_keras_adam(fault):
    """The comparison with Keras in float64 refuses each planted fault."""
    right = _walk_by_hand(_adam_0_001, _start("float64"))
    wrong = _walk_by_hand(fault, _start("float64"))
    assert not all(np.allclose(wrong[name], right[name], **CLOSE["float64"]) for name in right)


def test_gradient_descent_on_numbers_worked_on_paper():
    """From p = 2 with dL/dp = 3 and lr = 0.5 to 2 - 1.5 = 0.5."""
    assert optimizers.gradient_descent({"p": np.array([2.0])}, {"p": np.array([3.0])}, 0.5)["p"] == [0.5]


def test_first_adam_step_is_the_learning_rate_whatever_the_gradient():
    """At t = 1 the two corrections cancel: |step| = lr |g| / (|g| + epsilon / sqrt(1 - beta2))."""
    g = np.array([1e-3, -5.0, 2e4])
    params = {"p": np.zeros(3)}
    params, state = optimizers.adam(params, {"p": g}, optimizers.adam_state(params), 0.1)
    expected = -0.1 * g / (np.abs(g) + 1e-8 / np.sqrt(1 - 0.999))
    np.testing.assert_allclose(params["p"], expected, rtol=1e-12)
    assert state["t"] == 1


def test_two_adam_steps_on_numbers_worked_on_paper():
    """With g = 1 then g = 0: m = 0.1 then 0.09, v = 0.001 then 0.000999, t = 2."""
    params = {"p": np.array(0.0)}
    state = optimizers.adam_state(params)
    params, state = optimizers.adam(params, {"p": np.array(1.0)}, state, 1.0, epsilon=0.0)
    params, state = optimizers.adam(params, {"p": np.array(0.0)}, state, 1.0, epsilon=0.0)
    np.testing.assert_allclose([state["m"]["p"], state["v"]["p"]], [0.09, 0.000999], rtol=1e-12)
    second = np.sqrt(1 - 0.999**2) / (1 - 0.9**2) * 0.09 / np.sqrt(0.000999)
    np.testing.assert_allclose(params["p"], -1.0 - second, rtol=1e-12)


def test_nothing_that_comes_in_is_modified(dtype):
    """Parameters, gradients and state keep their values; results keep the dtype."""
    params = _start(dtype)
    gradients = gradients_at(params, 0)
    state = optimizers.adam(params, gradients, optimizers.adam_state(params), 0.1)[1]
    before = copy.deepcopy((params, gradients, state))
    descended = optimizers.gradient_descent(params, gradients, 0.1)
    stepped, new_state = optimizers.adam(params, gradients, state, 0.1)
    for old, new in zip(before[:2], (params, gradients), strict=True):
        assert all(np.array_equal(old[name], new[name]) for name in old)
    for moment in ("m", "v"):
        assert all(np.array_equal(before[2][moment][name], state[moment][name]) for name in params)
    assert before[2]["t"] == state["t"] == 1
    for result in (descended, stepped, new_state["m"], new_state["v"]):
        assert {value.dtype.name for value in result.values()} == {dtype}


def test_gradients_of_other_tensors_are_ignored():
    """A hand gradient dict also holds intermediates; only the parameters are moved and returned."""
    params = {"W": np.ones((2, 2))}
    gradients = {"W": np.ones((2, 2)), "z": np.ones((5, 2)), "x": np.ones((5, 2))}
    assert set(optimizers.gradient_descent(params, gradients, 0.1)) == {"W"}
    stepped, state = optimizers.adam(params, gradients, optimizers.adam_state(params), 0.1)
    assert set(stepped) == set(state["m"]) == set(state["v"]) == {"W"}
