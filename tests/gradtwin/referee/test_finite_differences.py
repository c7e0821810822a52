"""Central differences agree with the manual gradients of every twin; the source's numeric check, and what it misses."""

import json

import numpy as np
import pytest
import tensorflow as tf

import gradtwin
from gradtwin.core.errors import InputError
from gradtwin.referee.finite_differences import central_difference
from gradtwin.twins import catalog

SMALL = {"mnist": (6, 5, 4, 3), "softmax_regression": (6, 4), "zoo": (16, 7)}
# Truncation is third derivative / 6 h²; a network's third derivative rarely exceeds its loss a hundredfold.
SAFETY = 1e2


def small(name):
    """Give a twin whose entries are few enough to be moved one by one."""
    twin = catalog.get(name)
    return twin.resize(SMALL[name]) if name in SMALL else twin


def steps(x):
    """h = ε^(1/3) max(1, |x|), which balances truncation, of the order h², against rounding, of the order ε/h."""
    return (np.finfo(x.dtype).eps ** (1 / 3) * np.maximum(1, np.abs(x))).astype(x.dtype)


def within_the_methods_error(twin, dtype, times=1.0):
    """Compare each parameter's and input's manual gradient, times a factor, with central differences."""
    params, batch = twin.point(0)
    named = params | dict(zip(twin.batch_names(batch), batch, strict=True))
    point = {name: np.asarray(array).astype(dtype) for name, array in named.items()}

    def split(arrays):
        return {k: arrays[k] for k in params}, [v for k, v in arrays.items() if k not in params]

    def loss(arrays):
        inner, rest = split(arrays)
        return twin.manual.forward(inner, *rest)[0]

    inner, rest = split(point)
    value, cache = twin.manual.forward(inner, *rest)
    gradients = twin.manual.backward(inner, cache)
    for name in (name for name in gradients if name in point):
        step = steps(point[name])
        found = [central_difference(loss, point, name, i, step[i]) for i in np.ndindex(step.shape)]
        eps = float(np.finfo(dtype).eps)
        bound = SAFETY * eps ** (2 / 3) * max(float(abs(value)), np.abs(found).max(), eps)
        yield name, bool(np.abs(times * gradients[name].ravel() - found).max() <= bound)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", catalog.names())
def test_the_manual_gradient_lies_within_the_methods_error(name, dtype):
    """Every parameter and input of every twin and node."""
    rows = list(within_the_methods_error(small(name), dtype))
    assert rows and all(agrees for _, agrees in rows), rows


@pytest.mark.parametrize("name", ["xor", "node_cross_entropy", "node_softmax"])
def test_a_gradient_one_percent_off_is_refused(name):
    """The planted fault is larger than what a tolerance of 1e-1 for the cross-entropy let pass (F002-8)."""
    assert not any(agrees for _, agrees in within_the_methods_error(small(name), "float64", times=1.01))


def test_an_array_that_is_no_contiguous_view_is_moved_all_the_same():
    """A flattened copy of a transposed array would be moved instead of it, giving 0 (F002-9)."""
    x = np.arange(6.0).reshape(2, 3).T
    for index in np.ndindex(x.shape):
        slope = central_difference(lambda arrays: (arrays["x"] ** 2).sum(), {"x": x}, "x", index, 0.005)
        np.testing.assert_allclose(slope, 2 * x[index], rtol=1e-9)


def test_labels_cannot_be_differentiated_by():
    """A whole-number array has no central difference."""
    with pytest.raises(InputError, match="expected a float array"):
        central_difference(lambda arrays: arrays["n"].sum(), {"n": np.arange(3)}, "n", (0,), 0.005)


# ---- the source's own check, beside ours ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["node_linear", "node_sigmoid", "node_softmax", "node_mean"])
def test_the_sources_nodes_pass_the_sources_check(name):
    """A20 prints that its nodes pass at 1e-3."""
    report = gradtwin.check(name, numeric=True)
    assert {row.name for row in report.numeric} >= {"x"}
    assert all(row.passed and row.precision == 1e-3 and row.error < 1e-4 for row in report.numeric)


def test_a_right_gradient_that_the_sources_check_refuses_still_agrees():
    """At 0.05 the cross-entropy is too curved for a step of 0.01, which is why 002 allows 1e-1 there (F002-8)."""

    def manual(params, t):
        return -(t * np.log(params["p"])).sum(), {"p": -t / params["p"]}

    def reference(params, t):
        return -tf.reduce_sum(t * tf.math.log(params["p"]))

    params, t = {"p": np.array([0.05, 0.95])}, np.array([1.0, 2.0])
    report = gradtwin.check_gradients(manual, reference, params, t, numeric=True)
    (row,) = report.numeric
    # 2 atanh(δ/2p)/δ beside 1/p: the error is δ²/12p³ to first order
    assert not row.passed and row.index == (0,) and row.error == pytest.approx(0.01**2 / 12 / 0.05**3, rel=0.01)
    assert report.agrees and report.verdict == gradtwin.check_gradients(manual, reference, params, t).verdict


def halved(params, x):
    """A mean of squares whose gradient is half of the right one."""
    return ((x @ params["w"]) ** 2).mean(), {"w": x.T @ (x @ params["w"]) / len(x)}


def squares(params, x):
    """Give the same loss by TensorFlow."""
    return tf.reduce_mean((x @ params["w"]) ** 2)


@pytest.mark.parametrize(("size", "passed"), [(1.0, False), (0.01, True)])
def test_a_wrong_gradient_below_the_precision_passes_the_sources_check_and_not_ours(size, passed):
    """Half of the right gradient: the rule sees it at size 1, and is blind at 1e-4."""
    x = size * np.random.default_rng(0).normal(size=(4, 2))
    report = gradtwin.check_gradients(halved, squares, {"w": np.array([[1.0], [2.0]])}, x, numeric=True)
    assert [row.passed for row in report.numeric] == [passed] and report.verdict == "disagree"


def test_the_numeric_check_is_in_text_and_json_only_if_asked_for():
    """A table that says whose rule it is; the key `numeric`."""
    plain, asked = gradtwin.check("xor"), gradtwin.check("xor", numeric=True)
    assert plain.numeric is None and "numeric" not in plain.to_dict()
    rows = json.loads(json.dumps(asked.to_dict()))["numeric"]
    keys = ["name", "index", "numeric", "manual", "error", "precision", "passed", "entries"]
    assert [list(row) for row in rows] == [keys] * len(asked.numeric)
    assert "document 002" in str(asked) and str(asked).startswith(str(plain))
    assert asked.command == plain.command + " --numeric"


def test_a_large_tensor_is_looked_at_in_a_thousand_entries():
    """Evenly spread; the row says how many."""
    report = gradtwin.check(catalog.get("softmax_regression").resize((400, 4)), numeric=True)
    assert {row.name: row.entries for row in report.numeric}["W"] == 1000


def test_code_of_one_dtype_keeps_its_verdict_and_is_said_to_have_no_numeric_check():
    """The differences are taken in float64, which this function refuses."""

    def manual(params, x):
        if params["w"].dtype != np.float32:
            raise TypeError("float32 only")
        return (params["w"] * x).sum(), {"w": x.copy()}

    params, x = {"w": np.float32([1, 2])}, np.float32([3, 4])
    given = manual, lambda params, x: tf.reduce_sum(params["w"] * x), params, x
    report = gradtwin.check_gradients(*given, numeric=True)
    assert report.numeric == () and "numeric_refused" in [note.id for note in report.notes]
    assert report.verdict == gradtwin.check_gradients(*given).verdict
