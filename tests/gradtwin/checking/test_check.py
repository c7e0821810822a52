"""The check from outside: what it takes, what it refuses, what it says."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from gradtwin import Disagreement, InputError, Twin, better_point, check, check_gradients
from gradtwin.referee.second_order import PropertyRow
from gradtwin.twins import catalog
from manual_grads.networks import xor


def line(params, x):
    """A loss whose gradient is plain to see: L = Σ (w x)², dw = 2 w x² summed over the rows."""
    z = params["w"] * x
    return (z * z).sum(), {"w": (2 * z * x).sum(axis=0)}


def line_reference(params, x):
    """The same in TensorFlow."""
    return tf.reduce_sum((params["w"] * x) ** 2)


PARAMS = {"w": np.array([1.5, -0.5])}
ROWS = np.array([[2.0, 3.0], [-1.0, 0.5], [0.25, 1.0]])


def side_with(**functions):
    """The XOR page with some of its functions replaced."""
    page = {"init_params": xor.init_params, "forward": xor.forward, "backward": xor.backward}
    return replace(catalog.get("xor"), manual=SimpleNamespace(**{"batch_names": ["x", "t"]} | page | functions))


def test_a_strangers_pair_takes_one_call():
    """Two functions, the parameters and the batch; the report can be read, sent and asserted."""
    report = check_gradients(line, line_reference, PARAMS, ROWS)
    assert report.agrees and report.verdict == "agree"
    report.raise_for_disagreement()
    assert report.to_dict()["tensors"][1]["name"] == "w"


def test_a_disagreement_says_what_where_who_and_how_much():
    """The text of the exception names the tensor, its three values, the blame and the cause."""
    with pytest.raises(Disagreement) as caught:
        check_gradients(
            lambda params, x: (line(params, x)[0], {"w": 3 * line(params, x)[1]["w"]}), line_reference, PARAMS, ROWS
        ).raise_for_disagreement()
    text = str(caught.value)
    assert "dw[" in text and "blame: manual" in text and "independent derivative" in text and "3 examples" in text


def test_a_twins_disagreement_names_the_command_that_repeats_it():
    """What failed can be asked again."""
    wrong = side_with(backward=lambda p, c: {k: 2 * g for k, g in xor.backward(p, c).items()})
    report = check(wrong, dtype="float32", route="xla", seed=3)
    assert "gradtwin check xor --dtype float32 --route xla --seed 3" in str(report)


def test_json_holds_plain_data_only():
    """Every value of the dictionary is a number, a string, a list, None or a dictionary of those."""
    import json

    document = json.loads(json.dumps(check("xor").to_dict()))
    assert {"twin", "dtype", "route", "seed", "verdict", "blame", "cause", "tensors"} <= set(document)
    row = {"name", "shape", "dtype", "verdict", "error_ulps", "bound_ulps", "beyond", "worst"}
    assert row == set(document["tensors"][0])
    assert {"index", "manual", "reference", "witness"} == set(document["tensors"][0]["worst"])


@pytest.mark.parametrize("route", ["tape", "gradients", "xla"])
def test_a_fault_is_seen_by_every_route(route):
    """A bias that is not summed but averaged is wrong whichever way TensorFlow differentiates."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        return gradients | {"b1": gradients["z1"].mean(axis=0)}

    report = check(side_with(backward=backward), route=route)
    assert (report.verdict, report.blame, report.first_wrong) == ("disagree", "manual", "b1")
    assert report.cause_id == "reduction"


def test_a_faulty_step_is_not_blamed_on_those_below_it():
    """With dz2 doubled every gradient is wrong, but the first wrong step is z2."""

    def backward(params, cache):
        return xor.backward(params, cache | {"t": 2 * cache["t"] - cache["p"]})

    report = check(side_with(backward=backward))
    assert report.first_wrong == "z2"
    assert all(t.verdict == "disagree" for t in report.tensors if t.name != "loss")


def test_hand_code_that_writes_into_its_input_is_no_agreement():
    """Right numbers, but x is no longer what it was."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        cache["x"] *= 2.0
        return gradients

    report = check(side_with(backward=backward))
    assert not report.agrees and report.cause_id in ("writes_cache", "writes_input")


def test_a_gradient_that_is_zero_everywhere_is_no_agreement():
    """Both sides say zero: nothing was compared."""
    report = check_gradients(
        lambda params, x: ((0 * params["w"] * x).sum(), {"w": np.zeros_like(params["w"])}),
        lambda params, x: tf.reduce_sum(0 * params["w"] * x),
        PARAMS,
        ROWS,
    )
    assert report.verdict == "undecidable" and not report.agrees


def test_a_blind_spot_of_the_point_is_said_and_a_better_point_offered():
    """One example cannot tell a sum from a mean; the point drawn as the note says can, and agrees."""
    report = check_gradients(line, line_reference, PARAMS, ROWS[:1])
    assert [note.id for note in report.notes] == ["one_example", "better_point"]
    assert "gradtwin.better_point(params, {'x': x}, rng)" in report.notes[-1]
    params, batch = better_point(PARAMS, {"x": ROWS[:1]}, np.random.default_rng(0))
    better = check_gradients(line, line_reference, params, *batch.values())
    assert better.agrees and len(batch["x"]) > 1 and not better.notes


def test_a_tensor_the_reference_does_not_name_is_said_to_be_not_compared():
    """The hand may name more intermediates than TensorFlow."""
    twin = replace(
        side_with(),
        reference=lambda p, x, t: tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(t, tf.sigmoid(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])
        ),
    )
    report = check(twin)
    assert report.verdict == "agree" and "not_compared" in [note.id for note in report.notes]


@pytest.mark.parametrize("name", ["gates", "neuron", "xor", "zoo", "relu_mlp", "node_softmax"])
def test_a_thorough_check_agrees_too(name):
    """Witnesses about every tensor, second order, forward mode and single examples."""
    report = check(name, thorough=True)
    assert report.verdict == "agree" and "thorough" in [note.id for note in report.notes]


def test_a_mistake_made_twice_is_seen_by_the_thorough_check():
    """Both sides forget the 2 of the square's derivative; only the witness knows."""

    @tf.custom_gradient
    def square(x):
        return x * x, lambda g: x * g

    def backward(params, cache):
        return {"w": (params["w"] * cache["x"] * cache["x"]).sum(axis=0)}

    def forward(params, x):
        return ((params["w"] * x) ** 2).sum(), {"x": x}

    twin = Twin(
        name="forgotten",
        manual=SimpleNamespace(forward=forward, backward=backward),
        reference=lambda params, x: tf.reduce_sum(square(params["w"] * x)),
        batch=(ROWS,),
        init=lambda rng: PARAMS,
    )
    assert check(twin).verdict == "agree"
    report = check(twin, thorough=True)
    assert report.verdict == "disagree" and "both_contradicted" in [note.id for note in report.notes]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float8"}, "dtype: expected float64, float32, bfloat16 or float16, got 'float8'. Did you mean"),
        ({"route": "eager"}, "route: expected tape, gradients, xla, mirrored or multiworker, got 'eager'"),
    ],
)
def test_unknown_settings_are_refused(arguments, message):
    """What was expected, what came."""
    with pytest.raises(InputError, match=message):
        check("xor", **arguments)


@pytest.mark.parametrize(
    ("params", "batch", "message"),
    [
        ({}, ROWS, "params: expected a dictionary of arrays, got an empty one"),
        (None, ROWS, "params: expected a dictionary of arrays, got None"),
        ({"w": np.array([1, 2])}, ROWS, "expected a float64, float32, bfloat16 or float16 array, got int64"),
        ({"w": np.array([1.0, None])}, ROWS, "expected a float64, float32, bfloat16 or float16 array, got object"),
        ({"w": np.array([1.0, np.nan])}, ROWS, "w: expected finite numbers"),
        ({"w": np.array([])}, ROWS, "w: expected at least one entry"),
        (PARAMS, np.zeros((0, 2)), "x: expected at least one entry"),
        (PARAMS, np.array([[np.inf, 1.0]]), "x: expected finite numbers"),
        (PARAMS, np.array([["a", "b"]]), "x: expected an array of numbers"),
        ({"w": PARAMS["w"], "v": np.ones(2, np.float32)}, ROWS, "expected arrays of one dtype"),
    ],
)
def test_a_bad_point_is_refused_in_one_line(params, batch, message):
    """Integer and object arrays, empty batches, NaN, mixed dtypes."""
    with pytest.raises(InputError, match=message) as caught:
        check_gradients(line, line_reference, params, batch)
    assert "\n" not in str(caught.value)


def test_a_batch_array_may_not_bear_a_parameters_name():
    """`*b` counts its arrays b1, b2, … which are the names of biases elsewhere."""
    with pytest.raises(InputError, match="'b1' is both a parameter and a batch argument"):
        check(side_with(forward=lambda params, *b: xor.forward(params, *b), batch_names=["b1", "b2"]))


def test_lists_of_numbers_are_taken_for_arrays():
    """Parameters written as lists reach both functions as arrays."""
    assert check_gradients(line, line_reference, {"w": [1.5, -0.5]}, ROWS).agrees


def test_a_promoted_dtype_is_refused_with_the_usual_culprit():
    """A numpy float64 scalar promotes float32; the line says so."""
    promoting = side_with(backward=lambda p, c: {k: g / np.sqrt(3) for k, g in xor.backward(p, c).items()})
    with pytest.raises(InputError, match=r"expected dtype float32, got float64. .* np.sqrt\(3\)"):
        check(promoting, dtype="float32")


def test_an_added_constant_is_no_denominator():
    """1e-6 added to a gradient has no word of the vocabulary; what it is stands in the text."""

    def manual(params, x):
        loss, gradients = line(params, x)
        return loss, {"w": gradients["w"] + 1e-6}

    report = check_gradients(manual, line_reference, PARAMS, ROWS)
    assert report.cause_id in (None, "unknown") and "denominator" not in (report.cause or "")


def test_a_failure_that_only_a_thorough_check_sees_has_a_cause_and_its_id(monkeypatch):
    """A second derivative that is off; the first derivatives agree."""
    off = PropertyRow("hessian_vector", "W1", 0.1, 1e-9, ok=False)
    monkeypatch.setattr("gradtwin.checking.check.second_order", lambda twin, seed: [off])
    report = check("xor", thorough=True)
    assert (report.verdict, report.cause_id, report.notes[-1].id) == ("disagree", "second_order", "hessian_vector")
    assert report.cause == report.notes[-1] and "W1" in report.cause
