"""A Keras model and a Keras loss as the reference of a gradient by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import gradtwin
from gradtwin.backend.keras_side import keras_params, keras_reference
from gradtwin.core.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 3))
T = (RNG.random((6, 2)) > 0.5).astype(float)
FACTOR = 0.125  # of the penalty; a power of two, for Keras rounds it to float32
EPSILON = 1e-3  # Keras's own in batch normalisation


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """A tanh layer with a penalty, batch normalisation with other than its initial state, a linear layer."""
    keras.utils.set_random_seed(1)
    penalty = keras.regularizers.L2(FACTOR)
    layers = [
        keras.layers.Input((3,)),
        keras.layers.Dense(4, activation="tanh", name="hidden", kernel_regularizer=penalty),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dense(2, name="out"),
    ]
    model = keras.Sequential(layers, name="net")
    for variable in model.variables:
        variable.assign(RNG.random(variable.shape) + 0.1)
    return model


def by_hand(model: keras.Model, factor: float = 1.0):
    """Differentiate the model's loss by hand; every gradient is multiplied by `factor`."""
    mean, variance = (variable.numpy() for variable in model.non_trainable_variables)

    def manual(params: dict, x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, dict]:
        kind = x.dtype.type
        W1, b1, gamma, beta, W2, b2 = params.values()
        a1 = np.tanh(x @ W1 + b1)
        slope = 1 / np.sqrt(variance.astype(kind) + kind(EPSILON))
        n = (a1 - mean.astype(kind)) * slope
        h = n * gamma + beta
        z = h @ W2 + b2
        loss = (np.logaddexp(kind(0), z) - t * z).mean() + kind(FACTOR) * (W1**2).sum()
        dz = (1 / (1 + np.exp(-z)) - t) / kind(t.size)
        dh = dz @ W2.T
        dz1 = dh * gamma * slope * (1 - a1**2)
        dW1 = x.T @ dz1 + kind(2 * FACTOR) * W1
        found = [dW1, dz1.sum(axis=0), (dh * n).sum(axis=0), dh.sum(axis=0), h.T @ dz, dz.sum(axis=0)]
        return loss, {path: kind(factor) * gradient for path, gradient in zip(params, found, strict=True)}

    return manual


def reference_of(model: keras.Model):
    return keras_reference(model, keras.losses.BinaryCrossentropy(from_logits=True))


def test_parameters_stand_under_their_keras_paths_in_the_models_order(model: keras.Model) -> None:
    """What is not trained is no parameter."""
    params = keras_params(model)
    assert list(params) == [
        "net/hidden/kernel",
        "net/hidden/bias",
        "net/norm/gamma",
        "net/norm/beta",
        "net/out/kernel",
        "net/out/bias",
    ]
    assert {p.dtype.name for p in params.values()} == {"float64"}
    assert {p.dtype.name for p in keras_params(model, "float32").values()} == {"float32"}


@pytest.mark.parametrize("route", ["tape", "gradients", "xla"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_right_gradient_agrees_in_the_parameters_precision(model: keras.Model, dtype: str, route: str) -> None:
    """The model was made in float32; for float64 parameters it computes in float64 throughout."""
    params = keras_params(model, dtype)
    # Numbers that no float32 holds, or a model that rounds them would go unseen.
    params = {path: p * p.dtype.type(1.1) for path, p in params.items()}
    report = gradtwin.check_gradients(
        by_hand(model), reference_of(model), params, X.astype(dtype), T.astype(dtype), route=route
    )
    assert report.verdict == "agree", str(report)


def test_an_error_of_one_in_ten_thousand_million_is_seen(model: keras.Model) -> None:
    """In every tensor, and by its Keras path."""
    report = gradtwin.check_gradients(by_hand(model, 1 + 1e-10), reference_of(model), keras_params(model), X, T)
    assert (report.verdict, report.blame) == ("disagree", "manual")
    assert {t.name for t in report.tensors if t.verdict == "disagree"} == set(keras_params(model))


def test_the_model_is_left_as_it_was(model: keras.Model) -> None:
    """Its variables, their dtype and its policies; also when the call fails."""
    before = {variable.path: variable.numpy() for variable in model.variables}
    reference = reference_of(model)
    gradtwin.check_gradients(by_hand(model), reference, keras_params(model), X, T)
    with pytest.raises(Exception, match="incompatible|Incompatible|shape"):
        reference({path: tf.constant(p) for path, p in keras_params(model).items()}, tf.ones((6, 5)), T)
    assert all(np.array_equal(before[variable.path], variable.numpy()) for variable in model.variables)
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert model.inputs[0].dtype == "float32"
    assert model(X.astype("float32")).dtype == tf.float32


class Bilinear(keras.Model):
    """A subclassed model of two inputs: Σ_k (x u)_k (y v)_k."""

    def __init__(self) -> None:
        super().__init__(name="bilinear")
        self.left = keras.layers.Dense(3, use_bias=False, name="left")
        self.right = keras.layers.Dense(3, use_bias=False, name="right")

    def call(self, inputs: list) -> tf.Tensor:
        return keras.ops.sum(self.left(inputs[0]) * self.right(inputs[1]), axis=1, keepdims=True)


def test_a_subclassed_model_of_two_inputs_agrees() -> None:
    """The batch is the inputs, then the targets; a function of two arrays serves as the loss."""
    model = Bilinear()
    x, y, t = RNG.standard_normal((5, 2)), RNG.standard_normal((5, 4)), RNG.standard_normal((5, 1))
    model([x, y])

    def manual(params: dict, x: np.ndarray, y: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, dict]:
        u, v = params.values()
        p, q = x @ u, y @ v
        r = (p * q).sum(axis=1, keepdims=True) - t
        return (r**2).sum(), dict(zip(params, [2 * x.T @ (r * q), 2 * y.T @ (r * p)], strict=True))

    params = {path: p + 0.1 for path, p in keras_params(model).items()}
    reference = keras_reference(model, "mse", reduction="sum")  # of one column: the mean over columns is the value
    assert reference.reduction == "sum"
    report = gradtwin.check_gradients(manual, reference, params, x, y, t)
    assert report.verdict == "agree", str(report)


def test_a_keras_reference_serves_a_twin(model: keras.Model) -> None:
    """As an object in the place of a module."""

    class Side:
        init_params = staticmethod(lambda rng: keras_params(model))

        @staticmethod
        def forward(params: dict, x: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, dict]:
            return by_hand(model)(params, x, t)[0], {"x": x, "t": t}

        @staticmethod
        def backward(params: dict, cache: dict) -> dict:
            return by_hand(model)(params, cache["x"], cache["t"])[1]

    twin = gradtwin.Twin(name="net", manual=Side(), reference=reference_of(model), batch=(X, T))
    assert gradtwin.check(twin).verdict == "agree"
    assert gradtwin.check(twin, dtype="float32").verdict == "agree"


@pytest.mark.parametrize(
    ("loss", "options", "reduction"),
    [
        (keras.losses.MeanSquaredError(), {}, "mean"),
        (keras.losses.MeanSquaredError(reduction="sum"), {}, "sum"),
        (keras.losses.MeanSquaredError(reduction="sum"), {"reduction": "mean"}, "mean"),
        ("mse", {"reduction": "mean"}, "mean"),
        (lambda t, y: tf.reduce_sum((t - y) ** 2), {}, "none"),
    ],
)
def test_the_reduction_is_stated(model: keras.Model, loss: object, options: dict, reduction: str) -> None:
    """By the loss, or by the caller; and the value is Keras's own."""
    reference = keras_reference(model, loss, **options)
    assert reference.reduction == reduction
    params = {path: tf.constant(p) for path, p in keras_params(model, "float32").items()}
    got = reference(params, X.astype("float32"), T.astype("float32"))
    each = tf.reduce_mean((T.astype("float32") - model(X.astype("float32"))) ** 2, axis=1)
    whole = {"mean": tf.reduce_mean(each), "sum": tf.reduce_sum(each), "none": 2 * tf.reduce_sum(each)}[reduction]
    assert float(got) == pytest.approx(float(whole + sum(model.losses)), rel=1e-6)


def test_what_is_no_built_keras_model_is_refused() -> None:
    """Neither a function nor a model without variables has parameters."""
    with pytest.raises(InputError, match="Expected a Keras model, got a function"):
        keras_params(by_hand)
    with pytest.raises(InputError, match="build it first"):
        keras_reference(keras.Sequential([keras.layers.Dense(3)]), "mse", reduction="sum")


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (keras.losses.MeanSquaredError(reduction=None), {}, "state 'sum' or 'mean'"),
        ("mse", {"reduction": "none"}, "expected 'sum' or 'mean', got 'none'"),
        ("mze", {"reduction": "sum"}, "Keras knows no loss 'mze'"),
        (3, {}, "expected a keras.losses.Loss or a function, got a int"),
    ],
)
def test_a_loss_that_states_no_scalar_is_refused(
    model: keras.Model, loss: object, options: dict, message: str
) -> None:
    """When the reference is made."""
    with pytest.raises(InputError, match=message):
        keras_reference(model, loss, **options)


@pytest.mark.parametrize("route", ["tape", "gradients"])
def test_wrong_arguments_are_refused_in_one_line(model: keras.Model, route: str) -> None:
    """Other keys, no targets, a vector: each says what was expected."""
    params = keras_params(model)
    renamed = {path.replace("kernel", "kernle"): p for path, p in params.items()}

    def refusal(reference: object, params: dict, *batch: np.ndarray) -> str:
        with pytest.raises(InputError) as refused:
            gradtwin.check_gradients(lambda p, *b: (0.0, dict(p)), reference, params, *batch, route=route)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    line = refusal(reference_of(model), renamed, X, T)
    assert "params lack 'net/hidden/kernel'. Did you mean 'net/hidden/kernle'?" in line
    assert "no trainable variable 'w'" in refusal(reference_of(model), params | {"w": X}, X, T)
    assert "expected a batch of inputs and targets, got 1" in refusal(reference_of(model), params, X)
    assert "state reduction='sum' or 'mean'" in refusal(keras_reference(model, "mse"), params, X, T)
