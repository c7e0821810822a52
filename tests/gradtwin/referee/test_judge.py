"""The judgement on pairs of which one side is known to be wrong, or known to be right."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import gradtwin
from gradtwin.backend.tensorflow_side import resolve
from gradtwin.checking.check import check, check_gradients
from gradtwin.twins import catalog
from manual_grads.networks import relu_mlp


def with_gradients(twin, change):
    """Give the twin with its hand gradients changed by `change(gradients)`, in place of a wrong formula."""
    page = twin.manual

    def backward(params, cache):
        gradients = dict(page.backward(params, cache))
        change(gradients)
        return gradients

    side = SimpleNamespace(init_params=page.init_params, forward=page.forward, backward=backward)
    side.batch_names = getattr(page, "batch_names", None)
    return replace(twin, manual=side)


def scaled_entry(name, error, pick=np.argmax):
    """Multiply the entry of the largest (or otherwise picked) magnitude by 1 + error, in its own precision."""

    def change(gradients):
        values = gradients[name].copy()
        index = np.unravel_index(pick(np.abs(values)), values.shape)
        values[index] *= 1 + values.dtype.type(error)
        gradients[name] = values

    return change


def a_thousandth(magnitudes):
    """Pick the smallest entry that is at least a thousandth of the largest."""
    return np.argmin(np.where(magnitudes >= magnitudes.max() / 1000, magnitudes, np.inf))


def scaled_loss(twin, factor):
    """Multiply the loss and all gradients of both sides by a factor."""
    page, forward = twin.manual, resolve(twin.reference)

    def hand_forward(params, *batch):
        loss, cache = page.forward(params, *batch)
        return loss * factor, cache

    def hand_backward(params, cache):
        return {name: gradient * factor for name, gradient in page.backward(params, cache).items()}

    def reference(params, *batch):
        values = dict(forward(params, *batch))
        return values | {"loss": values["loss"] * factor}

    side = SimpleNamespace(
        init_params=page.init_params, forward=hand_forward, backward=hand_backward, batch_names=["x", "t"]
    )
    return replace(twin, manual=side, reference=reference)


@pytest.mark.parametrize("name", ["xor", "wide", "deep", "logistic", "zoo", "softmax_regression", "linear_regression"])
@pytest.mark.parametrize(("dtype", "error"), [("float64", 1e-10), ("float32", 1e-2)])
@pytest.mark.parametrize("pick", [np.argmax, a_thousandth])
def test_a_tiny_error_in_one_entry_is_the_hands(name, dtype, error, pick):
    """A relative error of 1e-10 (float32: 1e-2) in one entry is seen and blamed on the hand."""
    twin = catalog.get(name)
    for parameter in twin.point(0)[0]:
        report = check(with_gradients(twin, scaled_entry(parameter, error, pick)), dtype=dtype)
        assert (report.verdict, report.blame) == ("disagree", "manual")
        assert [t.name for t in report.tensors if t.verdict != "agree"] == [parameter]


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_the_size_of_the_loss_does_not_matter(factor):
    """A loss multiplied by 1e-6 or 1e6 is judged as before: right is right, and 1e-10 is seen."""
    twin = scaled_loss(catalog.get("deep"), factor)
    assert check(twin).verdict == "agree"
    assert check(with_gradients(twin, scaled_entry("W2", 1e-10))).blame == "manual"


def test_the_witness_stands_beside_the_two_values():
    """The worst entry of a wrong tensor shows what a witness says, and it is what TensorFlow says."""
    report = check(with_gradients(catalog.get("xor"), scaled_entry("W1", 0.01)))
    worst = next(t.worst for t in report.tensors if t.name == "W1")
    assert worst.witness == pytest.approx(worst.reference, rel=1e-12)
    assert worst.manual == pytest.approx(1.01 * worst.witness, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [10.0, 30.0, 100.0, 1000.0])
def test_saturated_units_are_no_false_alarm(dtype, scale):
    """With weights of scale 10 to 1000 TensorFlow's y(1-y) loses digits; the hand is never blamed."""
    twin = catalog.get("xor")
    grown = replace(twin, init=lambda rng: {k: scale * v for k, v in twin.manual.init_params(rng).items()})
    reports = [check(grown, dtype=dtype, seed=seed) for seed in range(6)]
    assert all(r.agrees and r.blame != "manual" for r in reports)
    assert scale < 100 or any((r.verdict, r.blame) == ("rounding", "reference") for r in reports)


def zero_row(seed=0):
    """A relu network at a kink: one input row is zero and the biases are zero, so z1 = 0 there."""
    params = relu_mlp.init_params(np.random.default_rng(seed))
    x = np.vstack([np.zeros((1, 2)), np.random.default_rng(1).standard_normal((3, 2))])
    return params, x, np.array([[0.0], [1.0], [1.0], [0.0]])


def hand_gradients(params, x, t):
    """The relu network's hand gradients, parameters only."""
    loss, cache = relu_mlp.forward(params, x, t)
    gradients = relu_mlp.backward(params, cache)
    return loss, {name: gradients[name] for name in params}


REFERENCE = "tf_reference.networks.relu_mlp"


def test_an_exact_zero_at_a_relu_is_no_alarm():
    """The hand takes relu'(0) = 0 as TensorFlow does."""
    params, *batch = zero_row()
    assert check_gradients(hand_gradients, REFERENCE, params, *batch).verdict == "agree"


def test_another_convention_at_a_kink_is_a_kink(monkeypatch):
    """relu'(0) = 1 differs from TensorFlow where z1 = 0: a kink, accepted unless TensorFlow's is asked for."""
    monkeypatch.setattr(relu_mlp, "relu_derivative", lambda z: (z.real >= 0).astype(z.dtype))
    params, *batch = zero_row()
    report = check_gradients(hand_gradients, REFERENCE, params, *batch)
    assert report.verdict == "kink" and report.agrees
    strict = check_gradients(hand_gradients, REFERENCE, params, *batch, kinks="reference")
    assert strict.verdict == "kink" and not strict.agrees


def test_a_fault_is_no_kink(monkeypatch):
    """relu'(0) = 3 lies outside the one-sided derivatives 0 and 1."""
    monkeypatch.setattr(relu_mlp, "relu_derivative", lambda z: np.where(z.real == 0, 30, z.real > 0).astype(z.dtype))
    params, *batch = zero_row()
    assert check_gradients(hand_gradients, REFERENCE, params, *batch).verdict == "disagree"


def test_a_kink_hides_no_fault_beside_it(monkeypatch):
    """A kink in b1 and a wrong W2: the verdict is disagree."""
    monkeypatch.setattr(relu_mlp, "relu_derivative", lambda z: (z.real >= 0).astype(z.dtype))

    def manual(params, x, t):
        loss, gradients = hand_gradients(params, x, t)
        return loss, gradients | {"W2": gradients["W2"] * (1 + 1e-9)}

    params, *batch = zero_row()
    report = check_gradients(manual, REFERENCE, params, *batch)
    assert (report.verdict, report.blame) == ("disagree", "manual")


def naive_pair():
    """One sigmoid unit whose hand side divides by p(1-p), as F003-2 does."""

    def manual(params, x, t):
        z = x @ params["W"] + params["b"]
        loss = (np.where(z.real > 0, z, 0) - z * t + np.log1p(np.exp(np.where(z.real > 0, -z, z)))).sum()
        p = 1 / (1 + np.exp(-z))
        dz = (p - t) / (p * (1 - p)) * p * (1 - p)
        return loss, {"W": x.T @ dz, "b": dz.sum(axis=0)}

    def reference(params, x, t):
        z = x @ params["W"] + params["b"]
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z))

    return manual, reference


def test_digits_the_hand_lost_are_the_hands():
    """p - t with p = 1 - 1e-9 and t = 1 keeps half the digits: rounding, blame manual, with a warning."""
    manual, reference = naive_pair()
    params = {"W": np.array([[1.0]]), "b": np.array([1.0])}
    report = check_gradients(manual, reference, params, np.array([[20.0], [21.0]]), np.ones((2, 1)))
    assert (report.verdict, report.blame) == ("rounding", "manual")
    assert report.agrees and "lost_digits" in [note.id for note in report.notes]


def test_a_hand_gradient_that_is_nan_is_never_green():
    """0/0 at z = 40 is not finite on the hand's side: undecidable, blame manual."""
    manual, reference = naive_pair()
    params = {"W": np.array([[1.0]]), "b": np.array([0.0])}
    with np.errstate(all="ignore"):
        report = check_gradients(manual, reference, params, np.array([[40.0], [1.0]]), np.ones((2, 1)))
    assert (report.verdict, report.blame, report.agrees) == ("undecidable", "manual", False)


def test_tensorflow_losing_everything_is_rounding_on_its_side():
    """The explicit logarithm in float32 gives inf and NaN; the hand, from the logit, is right (F000-3)."""

    def manual(params, x, t):
        z = x @ params["W"]
        e = np.exp(np.where(z.real < 0, z, -z))
        sigma = np.where(z.real < 0, e, 1) / (1 + e)
        return (np.where(z.real > 0, z, 0) - z * t + np.log1p(e)).sum(), {"W": x.T @ (sigma - t)}

    def reference(params, x, t):
        p = tf.sigmoid(x @ params["W"])
        return -tf.reduce_sum(t * tf.math.log(p) + (1 - t) * tf.math.log(1 - p))

    params = {"W": np.array([[1.0]], np.float32)}
    batch = np.array([[18.0], [0.5]], np.float32), np.array([[0.0], [1.0]], np.float32)
    report = check_gradients(manual, reference, params, *batch)
    assert (report.verdict, report.blame) == ("rounding", "reference")


def test_a_wrong_reference_is_blamed():
    """TensorFlow with a gradient of its own that is 1 % off: the witness sides with the hand."""

    @tf.custom_gradient
    def square(x):
        return x * x, lambda g: 2.02 * x * g

    report = check_gradients(
        lambda params, x: (((params["w"] * x) ** 2).sum(), {"w": 2 * params["w"] * x * x}),
        lambda params, x: tf.reduce_sum(square(params["w"] * x)),
        {"w": np.array([1.5, -0.5])},
        np.array([2.0, 3.0]),
    )
    assert (report.verdict, report.blame) == ("disagree", "reference")


def test_different_losses_are_told_before_gradients():
    """Sum on one side and mean on the other: blame forward, and the report says so."""
    report = check_gradients(
        lambda params, x: ((params["w"] * x).sum(), {"w": x}),
        lambda params, x: tf.reduce_mean(params["w"] * x),
        {"w": np.array([1.5, -0.5])},
        np.array([2.0, 3.0]),
    )
    assert (report.verdict, report.blame) == ("disagree", "forward")
    assert "losses_differ" in [note.id for note in report.notes]


def test_a_loss_far_below_its_usual_size_is_no_alarm():
    """Softmax at logits ±40, all rows right: the hand's 1e-35 and TensorFlow's 0 are one loss."""
    twin = catalog.get("softmax_regression").resize((3, 3))
    t = np.eye(3)
    tame = replace(twin, init=lambda rng: {"W": 80 * np.eye(3), "b": rng.standard_normal(3)}, batch=(t, t))
    report = check(tame)
    assert report.agrees and report.blame != "manual"


@pytest.mark.parametrize("name", ["xor", "zoo"])
def test_a_cancelling_sum_is_judged_at_its_summands(name):
    """At a trained point Σ dz is far smaller than its terms; that is rounding's size there, not a fault."""
    params = gradtwin.train(name).params["manual"]
    report = check(replace(catalog.get(name), init=lambda rng: params))
    assert report.verdict == "agree"
