"""bfloat16 and float16: the formula is judged in float64, the rounding in the dtype's own ulp, and both are said."""

import json
from dataclasses import replace
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.detection import low_precision as benchmark
from benchmarks.detection.problems import at_point, with_wrong_entry
from gradtwin import InputError, check, check_gradients
from gradtwin.checking.low_precision import in_dtype
from gradtwin.commands import cli
from gradtwin.core.precision import LOW
from gradtwin.core.routes import ROUTES
from gradtwin.core.verdicts import Verdict
from gradtwin.faults.catalogue import small
from gradtwin.faults.score import score
from gradtwin.twins import catalog

BFLOAT16 = ml_dtypes.bfloat16
X, Y, W = (np.random.default_rng(seed).normal(size=(5, n)) for seed, n in enumerate((3, 1, 1)))
low_dtypes = pytest.mark.parametrize("dtype", LOW)


def mean_square(params, x, y):
    """A loss in whatever dtype it is given; numpy's products of bfloat16 are rounded back by hand."""
    r = (x @ params["w"] - y).astype(x.dtype)
    return (r * r).mean(), {"w": (2 * (x.T @ r) / len(r)).astype(x.dtype)}


def reference(params, x, y):
    """The same in TensorFlow."""
    return tf.reduce_mean((x @ params["w"] - y) ** 2)


def wrong_by(factor):
    """The same loss with its gradient multiplied by a number."""

    def manual(params, x, y):
        loss, gradients = mean_square(params, x, y)
        return loss, {"w": (gradients["w"] * x.dtype.type(factor)).astype(x.dtype)}

    return manual


def checked(manual, dtype, reference=reference):
    """Check at one point in a dtype."""
    return check_gradients(manual, reference, {"w": W[:3].astype(dtype)}, X.astype(dtype), Y.astype(dtype))


# ---- right gradients ---------------------------------------------------------------------------------


@low_dtypes
@pytest.mark.parametrize("name", catalog.names())
def test_every_twin_is_right_in_low_precision(name, dtype):
    """Its formula agrees to the last bits, and no side is beyond 64 ulp of its own dtype; mnist in small widths."""
    report = check(small(catalog.get(name)), dtype=dtype)
    assert (report.verdict, report.formula.verdict, report.formula.dtype) == ("agree", "agree", "float64"), str(report)
    assert {row.dtype for row in report.tensors} == {dtype}


@low_dtypes
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_computes_in_low_precision(route, dtype):
    """XLA and the graph have such kernels too."""
    report = check("xor", dtype=dtype, route=route)
    assert (report.verdict, report.route, report.formula.route) == ("agree", route, route)


@low_dtypes
def test_a_strangers_pair_is_checked_in_the_dtype_of_its_parameters(dtype):
    """check_gradients takes them as they are."""
    report = checked(mean_square, dtype)
    assert (report.verdict, report.dtype) == ("agree", dtype)
    assert report.tensors[1].worst.witness is not None


@low_dtypes
def test_targets_that_add_up_to_1_still_do_in_few_digits(dtype):
    """A softmax's loss is made for distributions; 200 classes leave less than one step of bfloat16 to each."""
    rows = np.random.default_rng(0).dirichlet(np.ones(200), size=4)
    rounded = in_dtype({"t": rows, "one_hot": np.eye(5)}, dtype)
    assert rounded["t"].dtype == dtype
    assert (rounded["t"].astype(float).sum(axis=1) == 1.0).all() and (rounded["t"].astype(float) >= 0).all()
    assert np.array_equal(rounded["one_hot"].astype(float), np.eye(5))


# ---- wrong formulas ----------------------------------------------------------------------------------


@low_dtypes
@pytest.mark.parametrize(("factor", "cause"), [(0.5, "half the right"), (-1.0, "sign"), (2.0, "twice the right")])
def test_a_planted_factor_is_blamed_and_named(factor, cause, dtype):
    """Half of a bfloat16 value is within 64 ulp or so of it; the formula is not."""
    report = checked(wrong_by(factor), dtype)
    assert (report.verdict, report.blame, report.first_wrong) == ("disagree", "manual", "w")
    assert cause in report.cause
    assert report.tensors[1].error_ulps > 50 * abs(factor - 1)  # of 128 ulp or more that are the whole value
    assert "the formula, at the same point in float64:" in str(report)


@low_dtypes
@pytest.mark.parametrize("name", ["xor", "softmax_regression", "node_linear"])
def test_an_error_far_below_one_ulp_of_the_dtype_is_caught_in_one_entry(name, dtype):
    """A billionth of one entry; in the dtype itself nothing is to be seen of it."""
    twin = at_point(small(catalog.get(name)))
    params, batch = twin.at
    gradient = twin.manual.backward(params, twin.manual.forward(params, *batch)[1])
    tensor = next(iter(params))
    index = tuple(int(i) for i in np.unravel_index(np.abs(gradient[tensor]).argmax(), gradient[tensor].shape))
    report = check(with_wrong_entry(twin, tensor, index, 1e-9), dtype=dtype)
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "manual", "one_entry")
    row = next(row for row in report.tensors if row.name == tensor)
    assert row.verdict == "disagree" and row.error_ulps <= row.bound_ulps


@low_dtypes
def test_a_bias_summed_over_the_wrong_axis_is_named_as_in_float64(dtype):
    """The zoo's own mistake in a twin of square targets, so that the shape does not give it away."""
    page = catalog.get("softmax_regression").manual

    def backward(params, cache):
        gradients = page.backward(params, cache)
        return gradients | {"b": gradients["z"].sum(axis=1)}

    rng = np.random.default_rng(3)
    batch = rng.standard_normal((4, 3)), np.eye(4)[[2, 0, 1, 1]]
    params = {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}
    side = SimpleNamespace(forward=page.forward, backward=backward, init_params=lambda rng: params)
    twin = replace(catalog.get("softmax_regression"), manual=side, batch=batch, init=None)
    found, wide = check(twin, dtype=dtype), check(twin)
    assert (found.verdict, found.blame, found.first_wrong) == ("disagree", "manual", "b")
    assert (found.cause_id, found.verdict) == (wide.cause_id, wide.verdict) == ("wrong_axis", "disagree")


@low_dtypes
def test_planted_faults_are_all_caught(dtype):
    """A few mutations of three pages, none of which passes for rounding."""
    rows = score([catalog.get(name) for name in ("xor", "linear_regression", "node_softmax")], sample=8, dtype=dtype)
    assert len(rows) == 24 and [row.fault for row in rows if not row.caught] == []
    assert all(row.named_tensor for row in rows if row.verdict != "refused")


# ---- digits lost, overflow, underflow ----------------------------------------------------------------


def summed(params, x, y):
    """A sum that numpy adds up row by row in float16, where 4,000 terms swallow the small ones."""
    r = x @ params["w"] - y
    return (r * r).sum(), {"w": 2 * (x * r).sum(axis=0)[:, np.newaxis]}


def summed_reference(params, x, y):
    return tf.reduce_sum((x @ params["w"] - y) ** 2)


def many_rows(scale):
    rng = np.random.default_rng(0)
    x, y = rng.random((4000, 3)), rng.random((4000, 1))
    w = rng.uniform(0.9, 1.1, (3, 1))
    return {"w": w.astype(np.float16)}, (scale * x).astype(np.float16), y.astype(np.float16)


def test_the_side_that_lost_the_digits_is_blamed():
    """TensorFlow adds float16 up in float32; the hand, row by row, loses more than 64 ulp. The formula is right."""
    report = check_gradients(summed, summed_reference, *many_rows(1))
    assert (report.verdict, report.blame, report.formula.verdict) == ("rounding", "manual", "agree")
    assert report.agrees and [note.id for note in report.notes].count("lost_digits") >= 1
    row = report.tensors[1]
    assert row.verdict == "rounding" and row.error_ulps > row.bound_ulps
    assert abs(row.worst.reference - row.worst.witness) < abs(row.worst.manual - row.worst.witness)


def test_a_hand_that_keeps_no_digit_where_tensorflow_does_is_not_passed():
    """Another branch in float16, with the sign lost: right in float64, and no rounding explains it."""

    def branches(params, x, y):
        loss, gradients = mean_square(params, x, y)
        return loss, {"w": -gradients["w"] if x.dtype == np.float16 else gradients["w"]}

    report = checked(branches, "float16")
    assert (report.verdict, report.blame, report.formula.verdict) == ("undecidable", "manual", "agree")
    assert "other_branch" in [note.id for note in report.notes]


def test_all_digits_lost_beside_a_corner_are_rounding_where_the_point_is_as_coarse():
    """Float16 has no 2048.75, so relu((w + x) - y - 0.5) is off by hand and on in float64, as when x moves by one ulp.

    With the same 2048 inside of the code no rounding of the point does that, and nothing shows it to be rounding.
    """

    def manual(params, x, y):
        on = (params["w"] + x) - y - params["w"].dtype.type(0.5) > 0
        return (on * (params["w"] - params["w"].dtype.type(0.5))).sum(), {"w": on.astype(params["w"].dtype)}

    def theirs(params, x, y):
        return tf.reduce_sum(tf.nn.relu((params["w"] - tf.cast(0.5, params["w"].dtype)) + (x - y)))

    def hidden(params, x):
        big = np.full_like(params["w"], 2048)
        return manual(params, big, big)

    params, big = {"w": np.array([0.75], np.float16)}, np.array([2048], np.float16)
    coarse = check_gradients(manual, theirs, params, big, big)
    assert (coarse.verdict, coarse.blame, coarse.formula.verdict) == ("rounding", "manual", "agree")
    unexplained = check_gradients(hidden, lambda params, x: theirs(params, x, x), params, np.float16([1]))
    assert (unexplained.verdict, unexplained.blame, unexplained.formula.verdict) == ("undecidable", "manual", "agree")


def test_terms_that_cancel_are_measured_at_the_largest():
    """1000 + 0.1 - 1000 is 0 in float16 however it is ordered in a row: db is small, its terms are not."""
    terms = np.array([1000, 0.1, -1000], np.float16)

    def manual(params, x):
        return (params["b"] * x).sum(), {"b": x.sum(axis=0, keepdims=True)}

    report = check_gradients(manual, lambda params, x: tf.reduce_sum(params["b"] * x), {"b": np.float16([1])}, terms)
    row = report.tensors[1]
    assert (report.formula.verdict, row.verdict) == ("agree", "agree")
    assert row.error_ulps > 64 and row.bound_ulps > row.error_ulps


@low_dtypes
def test_a_wrong_reference_is_blamed_and_its_error_measured_from_the_hands_value(dtype):
    """TensorFlow's slope of the loss turned round: 256 ulp of bfloat16 and more."""

    @tf.custom_gradient
    def turned(z):
        return tf.identity(z), lambda upstream: -upstream

    report = checked(mean_square, dtype, lambda params, x, y: turned(reference(params, x, y)))
    assert (report.verdict, report.blame) == ("disagree", "reference")
    assert report.tensors[1].error_ulps > 200


def test_a_value_beyond_the_largest_number_is_called_overflow():
    """65504 is float16's largest; the right gradient at this point is 1e7 and no side can hold it."""
    report = check_gradients(summed, summed_reference, *many_rows(30))
    assert (report.verdict, report.blame, report.agrees) == ("undecidable", None, False)
    (note,) = [note for note in report.notes if note.id == "overflow" and note.startswith("dw")]
    assert "65504" in note


def squares(params, x, y):
    """(1000 w)² / 10⁶: the right loss is small, the number on the way is not."""
    big = params["w"] * 1000
    return ((big * big) / 1000 / 1000).sum(), {"w": 2 * params["w"]}


def small_squares(params, x, y):
    return tf.reduce_sum(params["w"] ** 2)


def test_an_overflow_on_the_way_is_blamed_on_its_side():
    """The hand-written loss is infinite where TensorFlow's is 5."""
    report = checked(squares, "float16", small_squares)
    assert (report.verdict, report.blame) == ("undecidable", "manual")
    assert report.notes[0].id == "not_finite" and report.notes[0].startswith("loss") and "65504" in report.notes[0]


def test_a_side_that_is_not_finite_against_a_right_hand_lost_all_digits():
    """The hand as TensorFlow, and the reverse: `rounding`, with the reference to blame."""

    def overflowing(params, x, y):
        thousand = tf.cast(1000.0, params["w"].dtype)
        return tf.reduce_sum((params["w"] * thousand) ** 2 / thousand / thousand)

    report = checked(lambda params, x, y: ((params["w"] ** 2).sum(), {"w": 2 * params["w"]}), "float16", overflowing)
    assert (report.verdict, report.blame) == ("rounding", "reference")
    assert report.notes[0].id == "not_finite"


def test_a_gradient_that_underflows_is_said_to():
    """1e-5 squared is 1e-10, below float16's smallest number, 6e-8: zero on both sides is no proof of anything."""
    tiny = np.float16(1e-5)

    def manual(params, x, y):
        return (params["w"] * tiny * tiny).sum(), {"w": np.full_like(params["w"], 1) * tiny * tiny}

    def theirs(params, x, y):
        small = tf.cast(tiny, params["w"].dtype)
        return tf.reduce_sum(params["w"] * small * small)

    report = checked(manual, "float16", theirs)
    assert report.verdict == "rounding"
    assert [note.id for note in report.notes if note.startswith("dw")][0] == "underflow"


# ---- what cannot be judged, and what is refused ------------------------------------------------------


def only_bfloat16(params, x, y):
    if x.dtype != BFLOAT16:
        raise TypeError("bfloat16 only")
    return mean_square(params, x, y)


def rounds_at_the_end(params, x, y):
    loss, gradients = mean_square(params, x, y)
    return loss, {"w": gradients["w"].astype(BFLOAT16)}


def rounds_inside(params, x, y):
    dtype, (w, x, y) = x.dtype, (a.astype(BFLOAT16) for a in (params["w"], x, y))
    loss, gradients = mean_square({"w": w}, x, y)
    return loss.astype(dtype), {"w": gradients["w"].astype(dtype)}


@pytest.mark.parametrize(
    ("manual", "why"),
    [
        (only_bfloat16, "TypeError: bfloat16 only"),
        (rounds_at_the_end, "expected dtype float64, got bfloat16"),
        (rounds_inside, "in float64 the manual forward itself rounds to fewer digits"),
    ],
)
def test_code_that_runs_in_low_precision_only_is_never_passed(manual, why):
    """64 ulp of bfloat16 prove no formula: undecidable, with the reason, although the numbers are near."""
    report = checked(manual, "bfloat16")
    assert (report.verdict, report.formula, report.agrees) == ("undecidable", None, False)
    assert report.notes[0].id == "formula_not_checked" and why in report.notes[0]
    assert report.tensors[1].error_ulps < 64


def test_a_reference_that_runs_in_low_precision_only_is_never_passed_either():
    """Its own constant of bfloat16 refuses float64."""

    def narrow(params, x, y):
        return tf.reduce_mean((x @ params["w"] - tf.constant(Y, tf.bfloat16)) ** 2)

    report = checked(mean_square, "bfloat16", narrow)
    assert report.verdict == "undecidable" and "The reference raised" in report.notes[0]


def test_what_hand_code_does_to_its_arguments_in_low_precision_only_is_found():
    """A cast that copies float64 hands float16 through as it is, and the next line writes into the caller's array."""

    def writes(params, x, y):
        own = x if x.dtype == np.float16 else x.copy()
        own *= -1
        return mean_square(params, -own, y)

    report = checked(writes, "float16")
    assert (report.verdict, report.blame, report.cause_id) == ("disagree", "manual", "writes_input")
    assert report.formula.verdict == "agree"


def test_a_gradient_in_another_dtype_is_refused():
    """numpy's product of two bfloat16 arrays is float32, and whoever forgets it is told."""

    def unrounded(params, x, y):
        r = x @ params["w"] - y
        return (r * r).mean(), {"w": 2 * x.T @ r / len(r)}

    with pytest.raises(InputError, match=r"Gradient of w: expected dtype bfloat16, got float32.*\.astype\(x\.dtype\)"):
        checked(unrounded, "bfloat16")


def test_parameters_of_two_dtypes_are_refused():
    """One dtype for all."""
    with pytest.raises(InputError, match="expected arrays of one dtype, got bfloat16 and float64"):
        check_gradients(mean_square, reference, {"w": W.astype(BFLOAT16), "v": W}, X, Y)


def test_a_format_nobody_computes_in_is_refused():
    """float8 is storage."""
    with pytest.raises(InputError, match="expected a float64, float32, bfloat16 or float16 array, got float8"):
        checked(mean_square, ml_dtypes.float8_e4m3fn)


def test_a_point_that_does_not_fit_is_refused():
    """A million is no float16."""
    twin = replace(catalog.get("linear_regression"), batch=(1e6 * X, Y))
    with pytest.raises(InputError, match=r"x: expected numbers up to 65504, the largest float16, got"):
        check(twin, dtype="float16")


# ---- what is said ------------------------------------------------------------------------------------


def test_the_command_line_says_both(capsys):
    """One column in the dtype's ulp, one of the formula, and the JSON has both reports."""
    assert cli.run(["check", "gates", "--dtype", "bfloat16", "--route", "tape"]) == 0
    assert "bfloat16 ulp" in (out := capsys.readouterr().out) and "formula, float64 ulp" in out
    assert cli.run(["check", "gates", "--dtype", "float16", "--route", "tape", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["dtype"], row["formula"]["dtype"], row["formula"]["verdict"]) == ("float16", "float64", "agree")


def test_a_kink_that_is_not_accepted_does_not_pass_under_lost_digits():
    """`rounding` is graver than `kink` and passes; the formula beneath it, with kinks="reference", does not."""
    kink = replace(check("gates"), verdict=Verdict.KINK, kinks="reference")
    assert not replace(check("gates", dtype="float16"), verdict=Verdict.ROUNDING, formula=kink).agrees


def test_a_check_in_float64_has_no_second_report():
    """Nothing changes for the others."""
    report = check("gates")
    assert report.formula is None and "formula" not in report.to_dict()


def test_the_benchmark_counts_all_three(capsys):
    """Verdicts, faults and wrong entries of the smallest twin; the settings are too small to mean anything."""
    assert benchmark.main(["--names", "gates", "--seeds", "1", "--sample", "3", "--points", "1"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "| agree | 3 | 3 |" in printed and "| bfloat16 | 3 | 3 |" in printed and "1 of 1" in printed
