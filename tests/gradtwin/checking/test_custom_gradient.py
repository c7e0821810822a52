"""tf.custom_gradient: right ones agree, and each of TensorFlow's traps is caught and named."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

import gradtwin
from gradtwin.checking.custom_gradient import CustomGradientReport, check_custom_gradient
from gradtwin.core.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))
W = RNG.standard_normal((3, 2))
S = np.array(3.0)


@tf.custom_gradient
def log1pexp(x):
    """TensorFlow's own example: ln(1 + eˣ) with a gradient that is right where autodiff gives NaN."""
    e = tf.exp(x)
    return tf.math.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))


@tf.custom_gradient
def linear_and_sum(x, w):
    """Two arguments, two outputs."""
    value = {"y": x @ w, "sum": tf.reduce_sum(x)}
    return value, lambda ds, dy: (dy @ tf.transpose(w) + ds, tf.transpose(x) @ dy)


@tf.custom_gradient
def cube(x):
    return x**3, lambda dy: dy * 3 * x**2


PLAIN: dict[Callable, Callable] = {
    log1pexp: tf.math.softplus,
    linear_and_sum: lambda x, w: {"y": x @ w, "sum": tf.reduce_sum(x)},
    cube: lambda x: x**3,
}
ARGUMENTS: dict[Callable, tuple] = {log1pexp: (X,), linear_and_sum: (X, W), cube: (X,)}


@pytest.mark.parametrize("with_plain", [True, False], ids=["plain", "numeric"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("function", PLAIN, ids=lambda f: f.__name__)
def test_a_right_custom_gradient_agrees_in_both_modes_and_orders(
    function: Callable, dtype: str, with_plain: bool
) -> None:
    """Against TensorFlow's gradient of the plain function, and against the witnesses."""
    args = [a.astype(dtype) for a in ARGUMENTS[function]]
    report = check_custom_gradient(function, *args, plain=PLAIN[function] if with_plain else None)
    assert report.verdict == "agree", str(report)
    names = ["x", "w"][: len(args)]
    suffixes = ["", " (graph)", " (second order)", " (second order, graph)"]
    assert [row.name for row in report.tensors] == [n + s for s in suffixes for n in names]
    assert {row.dtype for row in report.tensors} == {dtype}


def test_lists_numbers_tensors_and_other_arguments_go_in_as_they_are() -> None:
    """What is a float is differentiated, in the dtype of the arrays beside it; an axis is handed on."""

    @tf.custom_gradient
    def scaled_sum(x, factor, axis):
        return factor * tf.reduce_sum(x, axis), lambda dy: (
            factor * tf.ones_like(x) * tf.expand_dims(dy, axis),
            tf.reduce_sum(dy * tf.reduce_sum(x, axis)),
            None,
        )

    report = check_custom_gradient(scaled_sum, tf.constant(X, tf.float32), 1.5, 1)
    assert report.verdict == "agree" and report.dtype == "float32"
    assert [row.name for row in report.tensors][:2] == ["x", "factor"]
    assert check_custom_gradient(log1pexp, [1.0, 2.0]).dtype == "float64"


# ---- faults and traps ----------------------------------------------------------------------------------


@tf.custom_gradient
def by_keyword(x, *, scale):
    return x * scale, lambda dy: dy * scale


@tf.custom_gradient
def keyword_with_gradient(x, *, scale):
    return x * scale, lambda dy: (dy * scale, tf.reduce_sum(dy * x))


@tf.custom_gradient
def returns_none(x, scale):
    return x * scale, lambda dy: (dy * scale, None)


@tf.custom_gradient
def ignores_upstream(x):
    return x**3, lambda dy: 3 * x**2


@tf.custom_gradient
def squares_upstream(x):
    return x**3, lambda dy: dy * tf.abs(dy) * 3 * x**2


@tf.custom_gradient
def not_summed(x, scale):
    return x * scale, lambda dy: (dy * scale, dy * x)


@tf.custom_gradient
def one_too_many(x):
    return x**3, lambda dy: (dy * 3 * x**2, dy)


@tf.custom_gradient
def factor_two(x):
    return x**3, lambda dy: dy * 6 * x**2


@tf.custom_gradient
def other_in_a_graph(x):
    factor = 3.0 if tf.executing_eagerly() else 2.0
    return x**3, lambda dy: dy * factor * x**2


@tf.custom_gradient
def only_eager(x):
    return tf.constant(x.numpy() ** 3), lambda dy: dy * 3 * x**2


@tf.custom_gradient
def stops(x):
    y = tf.stop_gradient(x**3)
    return x**3, lambda dy: dy * 3 * y / x


@tf.custom_gradient
def nested(x):
    @tf.custom_gradient
    def gradient(dy):
        return dy * 3 * x**2, lambda ddy: ddy * 6 * x

    return x**3, gradient


@tf.custom_gradient
def nested_as_documented(x):
    def gradient(dy):
        @tf.custom_gradient
        def slope(x):
            return 3 * x**2, lambda ddy: ddy * 6 * x

        return dy * slope(x)

    return x**3, gradient


def cubed(x):
    return x**3


def scaled(x, scale):
    return x * scale


TRAPS = [
    (by_keyword, {"scale": S}, scaled, "keyword_argument", "scale"),
    (keyword_with_gradient, {"scale": S}, scaled, "keyword_argument", None),
    (returns_none, None, scaled, "none_returned", "scale"),
    (ignores_upstream, None, cubed, "upstream_ignored", "x"),
    (squares_upstream, None, cubed, "upstream_nonlinear", "x"),
    (not_summed, None, scaled, "gradient_shape", "scale"),
    (one_too_many, None, cubed, "gradient_count", None),
    (factor_two, None, cubed, "factor", "x"),
    (other_in_a_graph, None, cubed, "graph", "x (graph)"),
    (stops, None, cubed, "second_order", "x (second order)"),
    (nested, None, cubed, "second_order_graph", "x (second order)"),
]


@pytest.mark.parametrize("with_plain", [True, False], ids=["plain", "numeric"])
@pytest.mark.parametrize(
    ("function", "keywords", "plain", "cause", "tensor"), TRAPS, ids=[trap[0].__name__ for trap in TRAPS]
)
def test_a_trap_is_caught_and_named(
    function: Callable, keywords: dict | None, plain: Callable, cause: str, tensor: str | None, with_plain: bool
) -> None:
    """The cause, the argument, and the blame; with a plain function and without one."""
    args = (X, S) if plain is scaled and keywords is None else (X,)
    report = check_custom_gradient(function, *args, plain=plain if with_plain else None, **(keywords or {}))
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "manual", cause), str(report)
    wrong = [row.name for row in report.tensors if row.verdict == "disagree"]
    assert wrong[:1] == ([tensor] if tensor else [])
    assert not report.agrees
    with pytest.raises(gradtwin.Disagreement, match="likely cause: "):
        report.raise_for_disagreement()


def test_ones_would_not_have_shown_an_ignored_upstream() -> None:
    """The trap is invisible to whoever differentiates the sum of the outputs, and caught here."""
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(ignores_upstream(x))
    assert np.allclose(tape.gradient(y, x), 3 * X**2, rtol=1e-12)
    assert check_custom_gradient(ignores_upstream, X, order=1).cause_id == "upstream_ignored"


def test_a_function_that_runs_eagerly_only_is_said_to() -> None:
    """With what it raises in a graph."""
    report = check_custom_gradient(only_eager, X)
    assert (report.verdict, report.cause_id) == ("disagree", "graph")
    assert report.cause is not None and "no attribute 'numpy'" in report.cause
    assert [(row.name, row.verdict) for row in report.tensors] == [("x", "agree")]


def test_the_documented_way_to_nest_agrees() -> None:
    """The inner custom gradient stands on a function of the argument."""
    assert check_custom_gradient(nested_as_documented, X, plain=cubed).verdict == "agree"


def test_the_second_order_can_be_left_out() -> None:
    """A function that promises the first order only keeps its promise."""
    report = check_custom_gradient(stops, X, order=1)
    assert report.verdict == "agree"
    assert [row.name for row in report.tensors] == ["x", "x (graph)"]


def test_another_value_is_blamed_on_the_forward() -> None:
    """Gradients of two functions are not comparable."""
    report = check_custom_gradient(cube, X, plain=lambda x: x**4)
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "forward", "forward")


def test_a_large_argument_is_probed_at_entries_and_along_directions() -> None:
    """One wrong entry of 900 that is not among the probed ones shows along every direction."""
    x = RNG.standard_normal((300, 3))

    @tf.custom_gradient
    def one_entry(x):
        wrong = tf.tensor_scatter_nd_update(tf.ones_like(x), [[7, 1]], tf.constant([1.001], x.dtype))
        return tf.exp(x), lambda dy: dy * wrong * tf.exp(x)

    assert check_custom_gradient(log1pexp, x, order=1).verdict == "agree"
    assert check_custom_gradient(one_entry, x, order=1).verdict == "disagree"


def test_at_a_kink_any_slope_between_the_two_is_a_convention() -> None:
    """relu at exactly 0: 0 and 1 pass as a kink, 1/2 is the central slope itself, 2 is wrong."""
    x = np.array([0.0, 1.0, -1.0])
    for slope, verdict in ((0.0, "kink"), (0.5, "agree"), (1.0, "kink"), (2.0, "disagree")):

        @tf.custom_gradient
        def relu(x, slope=slope):
            inside = tf.where(x == 0, tf.cast(slope, x.dtype), tf.cast(x > 0, x.dtype))
            return tf.nn.relu(x), lambda dy: dy * inside

        assert check_custom_gradient(relu, x, order=1).verdict == verdict


def test_lost_digits_of_the_plain_function_are_its_own() -> None:
    """At x = 100 autodiff of ln(1 + eˣ) is ∞/∞ in float32; the custom gradient is right."""
    x = np.array([100.0, 2.0], np.float32)
    report = check_custom_gradient(log1pexp, x, plain=lambda x: tf.math.log(1 + tf.exp(x)), order=1)
    assert report.verdict in ("rounding", "undecidable") and report.blame != "manual"


def test_variables_that_are_read_are_named_as_not_checked() -> None:
    """Their gradients go another way through tf.custom_gradient."""
    weight = tf.Variable(2.0, dtype=tf.float64, name="weight")

    @tf.custom_gradient
    def times(x):
        def gradient(dy, variables=None):
            return dy * weight, [tf.reduce_sum(dy * x)]

        return x * weight, gradient

    report = check_custom_gradient(times, X, order=1)
    assert report.verdict == "agree"
    assert any("weight" in note for note in report.notes if note.id == "reads_variables")


# ---- what is refused -----------------------------------------------------------------------------------


@tf.custom_gradient
def raises(x):
    return x, lambda dy: dy + {}["nothing"]


@pytest.mark.parametrize(
    ("function", "args", "options", "message"),
    [
        (cube, (), {}, "expected at least one float array among the arguments, got none"),
        (cube, (np.arange(3),), {}, "expected at least one float array"),
        (linear_and_sum, (X, W.astype(np.float32)), {}, "one dtype, got float32 and float64"),
        (cube, (X.astype(np.float16),), {}, "float32 or float64 arguments, got float16"),
        (cube, (X,), {"order": 3}, "order: expected 1 or 2, got 3"),
        (lambda x: tf.constant([1, 2]), (X,), {}, "a function with a float output"),
        (lambda x: tf.random.normal([3]), (X,), {}, "for the same arguments: expected one value"),
        (raises, (X,), {}, "The function raised KeyError: 'nothing'"),
        (cube, (X,), {"plain": lambda x: x @ x}, "The plain function raised InvalidArgumentError"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_one_line(
    function: Callable, args: tuple, options: dict, message: str
) -> None:
    """No float, two dtypes, chance, an exception of theirs."""
    with pytest.raises(InputError) as refused:
        check_custom_gradient(function, *args, **options)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_the_report_reads_as_a_report() -> None:
    """Name, verdict, each gradient, both values, the cause; and as plain data."""
    report = gradtwin.check_custom_gradient(returns_none, X, S, plain=scaled)
    assert isinstance(report, CustomGradientReport)
    lines = str(report).splitlines()
    assert lines[0] == "returns_none  float64  eager, graph  seed 0: disagree, blame: manual"
    assert any(line.startswith("  dscale[]: custom gradient 0.0, plain function ") for line in lines)
    assert report.to_dict()["cause_id"] == "none_returned"


def test_a_function_that_takes_complex_numbers_without_being_analytic_is_not_misjudged() -> None:
    """tf.norm takes |z| of a complex z; the complex step would be wrong by a little, and is refused."""

    @tf.custom_gradient
    def direction(x):
        norm = tf.norm(x, axis=1, keepdims=True)
        y = x / norm
        return y, lambda dy: (dy - y * tf.reduce_sum(dy * y, axis=1, keepdims=True)) / norm

    for seed in range(4):
        x = np.random.default_rng(seed).standard_normal((3, 2))
        report = check_custom_gradient(direction, x, order=1, seed=seed)
        assert report.verdict == "agree", str(report)


def test_digits_that_a_saturated_function_loses_are_no_wrong_formula() -> None:
    """1 - tanh² cancels where tanh is nearly 1: rounding, blamed on the custom gradient, and it passes."""

    @tf.custom_gradient
    def times_tanh(x, w):
        y = tf.tanh(x)
        return y * w, lambda dy: (dy * w * (1 - y * y), dy * y)

    x = np.array([[6.0, 7.5], [-7.0, 9.0]])
    report = check_custom_gradient(times_tanh, x, 10 * np.ones((2, 2)), order=1)
    assert report.verdict == "rounding" and report.blame == "manual" and report.agrees, str(report)


def test_a_fault_at_zero_arguments_is_a_fault() -> None:
    """Where the arguments are all zero nothing passes for rounding."""

    @tf.custom_gradient
    def shifted_exp(x):
        return tf.exp(x), lambda dy: dy * (tf.exp(x) + 1e-9)

    assert check_custom_gradient(shifted_exp, np.zeros(3), order=1).verdict == "disagree"
