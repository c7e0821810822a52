"""Both update rules against steps by hand and a thousand steps of Keras, and the precision they keep."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_reference import optimizers

# Keras reads its settings by way of float32 even for float64 variables, and its 0.999 is then 1.3e-8 off.
# The two are therefore compared at settings that float32 holds exactly.
EXACT_RATE, EXACT_BETA1, EXACT_BETA2, EXACT_EPSILON = 2.0**-7, 0.875, 1 - 2.0**-10, 2.0**-27
TARGET = np.array([[3.0, -1.0], [0.5, 20.0]])
WAYS = {
    "eager": lambda function: function,
    "traced": tf.function,
    "compiled": lambda function: tf.function(function, jit_compile=True),
}


def made(dtype):
    """Make two variables at a fixed random start."""
    rng = np.random.default_rng(8)
    return {
        name: tf.Variable(rng.normal(size=shape), dtype=dtype)
        for name, shape in {"W": (2, 2), "b": (2,)}.items()
    }


def slopes(variables):
    """Return gradients of every size and sign, curved ones, that depend on where the variables are."""
    with tf.GradientTape() as tape:
        residual = variables["W"] - tf.constant(TARGET, variables["W"].dtype) + variables["b"]
        loss = tf.reduce_sum(tf.square(residual)) / 4 + tf.reduce_sum(tf.sin(variables["b"]))
    return tape.gradient(loss, variables)


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def way(request):
    """Run a test eagerly, traced and compiled."""
    return request.param


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_descent_moves_against_the_gradient(way, dtype):
    """From p = 1, 2, 3 with slopes 4, -8, 0 at learning rate 1/8: 0.5, 3, 3, and every variable moves."""
    variables = {"p": tf.Variable([1, 2, 3], dtype=dtype), "q": tf.Variable(5, dtype=dtype)}
    gradients = {"p": tf.constant([4, -8, 0], dtype), "q": tf.constant(1, dtype), "x": tf.constant(7, dtype)}
    way(lambda: optimizers.gradient_descent(variables, gradients, 0.125))()
    np.testing.assert_array_equal(variables["p"], [0.5, 3, 3])
    assert float(variables["q"]) == 4.875


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["float", "numpy", "tensor"])
def test_the_learning_rate_is_read_in_the_variables_dtype(way, kind, dtype):
    """0 - 0.1 * 1 is -0.1 to the last bit, for a float as for a tensor of the variables' dtype."""
    rate = {"float": 0.1, "numpy": np.float64(0.1), "tensor": tf.constant(0.1, dtype)}[kind]
    variables = {"p": tf.Variable(0, dtype=dtype)}
    way(lambda: optimizers.gradient_descent(variables, {"p": tf.constant(1, dtype)}, rate))()
    assert variables["p"].numpy() == -np.dtype(dtype).type(0.1)


def test_a_learning_rate_tensor_of_another_dtype_is_refused():
    """A float32 tensor for float64 variables would be the detour."""
    variables = {"p": tf.Variable(0, dtype="float64")}
    with pytest.raises(ValueError, match="float64"):
        optimizers.gradient_descent(variables, {"p": tf.constant(1, "float64")}, tf.constant(0.1, "float32"))


@pytest.mark.parametrize("learning_rate", [1e-3, 0.1])
def test_adams_first_two_steps_by_hand(way, learning_rate):
    """p, m and v by the formulas in plain Python, one number with slope 0.5 and then -2."""
    variables = {"p": tf.Variable(1, dtype="float64")}
    state = optimizers.adam_state(variables)
    p, m, v = 1.0, 0.0, 0.0
    for t, g in ((1, 0.5), (2, -2.0)):
        way(lambda g=g: optimizers.adam(variables, {"p": tf.constant(g, "float64")}, state, learning_rate))()
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        p = p - learning_rate * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t) * m / (v**0.5 + 1e-8)
        assert int(state["step"]) == t
        assert float(state["m"]["p"]) == pytest.approx(m, rel=1e-13)
        assert float(state["v"]["p"]) == pytest.approx(v, rel=1e-12)
        assert float(variables["p"]) == pytest.approx(p, rel=1e-14)


def test_adams_epsilon_stands_outside_the_root():
    """With a slope of the size of epsilon the step shows where it is added, and that it can be chosen."""
    variables = {"p": tf.Variable(0, dtype="float64")}
    gradients = {"p": tf.constant(1e-3, "float64")}
    optimizers.adam(
        variables, gradients, optimizers.adam_state(variables), 1.0, beta1=0.5, beta2=0.75, epsilon=1e-3
    )
    # m = 5e-4, v = 2.5e-7, sqrt(v) = 5e-4; step = sqrt(0.25)/0.5 * 5e-4 / (5e-4 + 1e-3) = 1/3
    assert float(variables["p"]) == pytest.approx(-1 / 3, rel=1e-14)


def test_a_variable_without_a_gradient_is_an_error():
    """Nothing is left behind in silence."""
    variables = made("float64")
    state = optimizers.adam_state(variables)
    gradients = {"W": tf.zeros((2, 2), tf.float64)}
    with pytest.raises(KeyError, match="b"):
        optimizers.gradient_descent(variables, gradients, 0.1)
    with pytest.raises(KeyError, match="b"):
        optimizers.adam(variables, gradients, state, 0.1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adams_state_starts_at_zero_in_the_variables_shape_and_dtype(dtype):
    """Step 0, and m and v like their namesakes."""
    variables = made(dtype)
    state = optimizers.adam_state(variables)
    assert int(state["step"]) == 0
    for moments in (state["m"], state["v"]):
        assert moments.keys() == variables.keys()
        for name, moment in moments.items():
            assert (moment.shape, moment.dtype) == (variables[name].shape, variables[name].dtype)
            assert not np.any(moment)


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-4), ("float64", 1e-11)])
@pytest.mark.parametrize("rule", ["gradient_descent", "adam"])
def test_a_thousand_steps_follow_keras(rule, dtype, bound):
    """From one start along gradients that depend on the way, both end at the same point."""
    ours, theirs = made(dtype), made(dtype)
    state = optimizers.adam_state(ours)
    keras_optimizer = {
        "gradient_descent": keras.optimizers.SGD(EXACT_RATE),
        "adam": keras.optimizers.Adam(EXACT_RATE, EXACT_BETA1, EXACT_BETA2, EXACT_EPSILON),
    }[rule]
    keras_optimizer.build(list(theirs.values()))

    @tf.function
    def step():
        if rule == "adam":
            optimizers.adam(ours, slopes(ours), state, EXACT_RATE, EXACT_BETA1, EXACT_BETA2, EXACT_EPSILON)
        else:
            optimizers.gradient_descent(ours, slopes(ours), EXACT_RATE)
        gradients = slopes(theirs)
        keras_optimizer.apply([gradients[name] for name in theirs], list(theirs.values()))

    for _ in range(1000):
        step()
    for name, start in made(dtype).items():
        assert np.abs(ours[name] - start).max() > 0.1
        np.testing.assert_allclose(ours[name], theirs[name], rtol=bound, atol=bound, err_msg=name)
