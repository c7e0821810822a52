"""Why a gradient is wrong: each slip named from the wrong value, and no slip named where none fits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.cause import ORDER, Context, Subject, name_cause
from gradtwin.twins import catalog

RNG = np.random.default_rng(5)


def _known(twin, batch_size):
    params, batch = twin.point(0)
    _, cache = twin.manual.forward(params, *batch)
    values = {name: value for name, value in cache.items() if isinstance(value, np.ndarray)}
    return Context(params, values, twin.manual.backward(params, cache), batch_size=batch_size)


NET = _known(catalog.get("mnist").resize((9, 8, 6, 4)), 12)
SQUARE = _known(catalog.get("mnist").resize((9, 6, 6, 4)), 12)
SOFTMAX = _known(catalog.get("softmax_regression").resize((9, 4)), 12)
SIGMOIDS = _known(catalog.get("deep").resize((3, 5, 4, 1)), 6)
G, V, P = NET.gradients, NET.values, NET.params
S, T = SOFTMAX.gradients, SOFTMAX.values["t"]


def _spoilt(array, part, factor=0.0):
    array = array.copy()
    array[part] *= factor
    return array


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _sigmoid_slope(z):
    return _sigmoid(z) * (1 - _sigmoid(z))


s = SIGMOIDS
FAULTS = {
    "zero": ("zero", NET, "W1", 0 * G["W1"]),
    "opposite sign": ("sign", NET, "W1", -G["W1"]),
    "sum for mean": ("reduction", NET, "z3", 12 * G["z3"]),
    "mean for sum": ("reduction", NET, "b2", G["b2"] / 12),
    "mean over the columns too": ("reduction", NET, "z3", G["z3"] / 4),
    "twice": ("factor", NET, "h1", 2 * G["h1"]),
    "any factor": ("factor", NET, "W2", 0.3721 * G["W2"]),
    "a ten-billionth too large": ("factor", NET, "W2", (1 + 1e-10) * G["W2"]),
    "mask not scaled": ("factor", NET, "a1", 0.7 * G["a1"]),
    "mask scaled twice": ("factor", NET, "a1", G["a1"] / 0.7),
    "transposed": ("transpose", SQUARE, "W2", SQUARE.gradients["W2"].T),
    "reshaped": ("transpose", NET, "W1", G["W1"].T.reshape(G["W1"].shape)),
    "factors exchanged": ("transpose", SQUARE, "h1", SQUARE.gradients["z2"] @ SQUARE.params["W2"]),
    "rows reversed": ("permutation", NET, "W1", G["W1"][::-1]),
    "columns reversed": ("permutation", NET, "W1", G["W1"][:, ::-1]),
    "both reversed": ("permutation", NET, "W1", G["W1"][::-1, ::-1]),
    "rows shuffled": ("permutation", NET, "x", G["x"][RNG.permutation(12)]),
    "entries shuffled": ("permutation", NET, "b1", G["b1"][RNG.permutation(8)]),
    "sum over all axes": ("all_axes", NET, "b2", np.full(6, G["z2"].sum())),
    "mean over all axes": ("all_axes", NET, "b2", np.full(6, G["z2"].mean())),
    "first example only": ("missing_sum", NET, "b2", G["z2"][0]),
    "last example's product only": ("missing_sum", NET, "W2", np.outer(V["h1"][-1], G["z2"][-1])),
    "not summed": ("missing_sum", NET, "b2", G["z2"]),
    "summed over axis 1": ("wrong_axis", NET, "b2", G["z2"].sum(axis=1)),
    "summed to a scalar": ("all_axes", NET, "b2", np.asarray(G["z2"].sum())),
    "shape of the transpose": ("transpose", NET, "W1", G["W1"].T),
    "N x N": ("broadcast_nxn", SIGMOIDS, "z3", np.ones((6, 6))),
    "N x N, averaged": ("broadcast_nxn", SIGMOIDS, "z3", (s.values["p"] - s.values["t"].mean()) / 6),
    "N x N, summed": ("broadcast_nxn", SIGMOIDS, "z3", s.values["p"] - s.values["t"].mean()),
    "label frequencies": ("broadcast_nxn", SOFTMAX, "z", S["z"] + (T - T.mean(axis=0)) / 12),
    "no derivative": ("missing_activation_derivative", NET, "z2", G["a2"]),
    "no derivative of a sigmoid": ("missing_activation_derivative", SIGMOIDS, "z1", s.gradients["a1"]),
    "derivative of tanh at the logit": ("wrong_activation_point", NET, "z2", G["a2"] * (1 - V["z2"] ** 2)),
    "derivative at the activation": (
        "wrong_activation_point", SIGMOIDS, "z1", s.gradients["a1"] * _sigmoid_slope(s.values["a1"]),
    ),
    "a (1 - a) of the logit": (
        "wrong_activation_point", SIGMOIDS, "z1", s.gradients["a1"] * s.values["z1"] * (1 - s.values["z1"]),
    ),
    "regulariser added": ("regulariser", NET, "W1", G["W1"] + 0.01 * P["W1"]),
    "regulariser of a single number": ("regulariser", SIGMOIDS, "b3", s.gradients["b3"] + 0.01 * s.params["b3"]),
    "no p pᵀ": ("missing_ppt", SOFTMAX, "z", -T / 12),
    "diagonal of the Jacobian": ("missing_ppt", SOFTMAX, "z", -T * (1 - SOFTMAX.values["p"]) / 12),
    "mask not applied": ("mask_missing", NET, "a1", G["h1"]),
    "a fresh mask": ("mask_other", NET, "a1", G["h1"] * (RNG.random((12, 8)) < 0.7) / 0.7),
    "one row": ("one_row", NET, "W1", _spoilt(G["W1"], np.s_[3])),
    "one column, by a millionth": ("one_column", NET, "W1", _spoilt(G["W1"], np.s_[:, 2], 1 + 1e-6)),
    "one entry": ("one_entry", NET, "W1", _spoilt(G["W1"], np.s_[3, 2], 0.9)),
    "epsilon": (
        "epsilon", SIGMOIDS, "z3",
        s.gradients["z3"] * _sigmoid_slope(s.values["z3"]) / (_sigmoid_slope(s.values["z3"]) + 1e-7),
    ),
    "another layer's array": ("wrong_operand", NET, "W2", V["z1"].T @ G["z2"]),
    "the upstream of another layer": ("wrong_operand", NET, "b2", G["h2"].sum(axis=0)),
    "another gradient": ("wrong_operand", SIGMOIDS, "z2", s.values["a2"]),
    "the targets as a factor": ("wrong_operand", SIGMOIDS, "z3", s.gradients["z3"] * s.values["z3"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_slip_is_named_from_the_value_alone(fault):
    """Each wrong value, with the arrays around it, gets its cause."""
    id, context, name, manual = FAULTS[fault]
    cause = name_cause(name, manual, context.gradients[name], context)
    assert cause is not None and cause.id == id, cause
    assert f"d{name}" in cause.text


@pytest.mark.parametrize(
    "fault", ["sum for mean", "rows reversed", "no derivative", "another layer's array", "one row"]
)
def test_float32_is_explained_to_its_own_rounding(fault):
    """The same rules hold in float32, where values agree to seven digits."""
    id, context, name, manual = FAULTS[fault]
    dtype = np.float32
    rounded = Context(
        *({k: v.astype(dtype) for k, v in d.items()} for d in (context.params, context.values, context.gradients)),
        batch_size=12, precision=float(np.finfo(dtype).eps),
    )  # fmt: skip
    cause = name_cause(name, manual.astype(dtype), context.gradients[name].astype(dtype), rounded)
    assert cause is not None and cause.id == id, cause


@pytest.mark.parametrize("at_zero, id", [(1.0, "kink_convention"), (None, "missing_activation_derivative")])
def test_a_difference_only_at_zero_is_a_kink(at_zero, id):
    """relu'(0) = 1 is another convention; a derivative of 1 everywhere is a missing derivative."""
    z = V["z1"].copy()
    z[2, 3] = z[5, 1] = 0.0
    upstream = G["a1"] + 1.0  # no mask hides the two entries
    right = upstream * (z > 0)
    wrong = upstream if at_zero is None else np.where(z == 0, upstream * at_zero, right)
    gradients = {**G, "a1": upstream, "z1": right}
    context = Context(P, {**V, "z1": z, "a1": np.maximum(z, 0)}, gradients, batch_size=12)
    cause = name_cause("z1", wrong, right, context)
    assert cause is not None and cause.id == id


def test_softmax_alone_leaves_out_its_jacobian():
    """Of y (g - Σ g y): without the sum, with the diagonal only, with the sum over the wrong axis, over all."""
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((5, 6)), rng.standard_normal((5, 6))
    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    right = y * (g - (g * y).sum(axis=1, keepdims=True))
    context = Context({"x": x}, {"y": y}, {"y": g, "x": right})
    for id, wrong in {
        "missing_ppt": y * g,
        "wrong_axis": y * (g - (g * y).sum(axis=0)),
        "all_axes": y * (g - (g * y).sum()),
    }.items():
        assert name_cause("x", wrong, right, context).id == id
    assert name_cause("x", y * (1 - y) * g, right, context).id == "missing_ppt"


def test_exchanged_gradients_are_a_pair():
    """Two gradients of one shape under each other's name; one alone in the other's place is another array."""
    manual = {**G, "h1": G["z1"], "z1": G["h1"]}
    context = Context(P, V, G, batch_size=12, manual=manual)
    assert name_cause("h1", G["z1"], G["h1"], context).id == "swapped"
    alone = Context(P, V, G, batch_size=12, manual={**G, "h1": G["z1"]})
    assert name_cause("h1", G["z1"], G["h1"], alone).id == "wrong_operand"


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g + 1e-3 * np.random.default_rng(1).standard_normal(g.shape),
        lambda g: g + np.sin(g),
        lambda g: g**3 + 0.1,
        lambda g: np.sort(g, axis=0) + g,
        lambda g: np.where(g > 0, g, np.nan),
    ],
    ids=["noise", "sine", "cube", "sorted", "not finite"],
)
@pytest.mark.parametrize("name", ["W1", "b2", "z3", "x"])
def test_no_cause_is_claimed_where_none_fits(name, change):
    """Unknown is an answer: noise, a strange function, what is not finite."""
    assert name_cause(name, change(G[name]), G[name], NET) is None


@pytest.mark.parametrize("change", [np.abs, np.square], ids=["magnitude", "square"])
def test_what_has_no_word_is_said_but_not_claimed(change):
    """An absolute value is described, under the id `unknown`."""
    cause = name_cause("W1", change(G["W1"]), G["W1"], NET)
    assert cause is not None and cause.id == "unknown" and "right gradient" in cause.text


def test_equal_counts_are_both_named():
    """Where 2 is both the batch and the number of columns, the text offers both."""
    g = np.random.default_rng(0).standard_normal((2, 2))
    cause = name_cause("z", 2 * g, g, Context({}, {}, {"z": g}, batch_size=2))
    assert cause is not None and cause.id == "reduction" and "; or " in cause.text


def test_difference_at_the_rounding_is_left_alone():
    """What cannot be told from rounding is not explained."""
    g = G["W1"]
    assert name_cause("W1", g * (1 + 1e-15), g, NET) is None


def test_a_stranger_with_nothing_but_gradients_is_told_what_the_value_tells():
    """check_gradients knows no intermediates: factors, turns, regularisers and parts still have names."""
    context = Context(P, {"x": V["x"], "t": V["t"]}, {name: G[name] for name in P}, batch_size=12)
    for id, wrong in {
        "reduction": 12 * G["W1"],
        "permutation": G["W1"][::-1],
        "regulariser": G["W1"] - 1e-4 * P["W1"],
        "one_row": _spoilt(G["W1"], np.s_[1]),
    }.items():
        assert name_cause("W1", wrong, G["W1"], context).id == id
    assert name_cause("b1", np.full(8, G["b1"].sum()), G["b1"], context).id == "all_axes"


ARRAYS = st.sampled_from([(), (1,), (4,), (4, 1), (1, 4), (4, 4), (4, 3), (2, 3, 4), (0,)])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), ARRAYS, ARRAYS, st.sampled_from([None, 1, 4]))
def test_unrelated_numbers_get_no_cause(seed, shape, other, rows):
    """Random arrays of any shapes, none made from another: no rule claims to see through them."""
    rng = np.random.default_rng(seed)
    values = {f"v{i}": rng.standard_normal(s) for i, s in enumerate((shape, other, (4, 4)))}
    params = {"W": rng.standard_normal(shape), "U": rng.standard_normal(other)}
    gradients = {name: rng.standard_normal(p.shape) for name, p in params.items()}
    manual = {name: rng.standard_normal(p.shape) for name, p in params.items()}
    context = Context(params, values, gradients, batch_size=rows, manual=manual)
    assert name_cause("W", manual["W"], gradients["W"], context) is None


# ---- the loss ---------------------------------------------------------------------------------------


def test_a_loss_of_another_reduction_or_sign_is_named():
    """A single number tells little, but N, -1 and a simple fraction it does."""
    loss = np.asarray(0.7351)
    assert name_cause("loss", 12 * loss, loss, NET).id == "reduction"
    assert name_cause("loss", -loss, loss, NET).id == "sign"
    assert name_cause("loss", loss * 12 / 100, loss, NET).id == "factor"
    assert name_cause("loss", loss + 0.123456789, loss, NET) is None


@pytest.mark.parametrize("context, logits", [(SIGMOIDS, "z3"), (SOFTMAX, "z")], ids=["binary", "classes"])
def test_a_loss_of_every_row_against_every_target_is_named(context, logits):
    """Labels of shape [N, 1] beside a row of indices: the loss of all pairs."""
    z, t = context.values[logits], context.values["t"]
    rows = len(t)
    crossed = -sum((z[i] * t[j]).sum() for i in range(rows) for j in range(rows)) / rows**2
    right = -(z * t).sum() / rows
    cause = name_cause("loss", np.asarray(3 + crossed), np.asarray(3 + right), context)
    assert cause is not None and cause.id == "broadcast_nxn"


# ---- the order --------------------------------------------------------------------------------------


def test_every_slip_of_the_vocabulary_that_a_value_tells_has_a_case_here():
    """What no case here plants is told by the pair, by the kink, by the code, or has no word."""
    elsewhere = {CauseId.SWAPPED, CauseId.KINK_CONVENTION, CauseId.STALE_CACHE, CauseId.UNKNOWN}
    slips = {id for id in CauseId if id.group == "slip"}
    assert {CauseId(id) for id, *_ in FAULTS.values()} == slips - elsewhere


def test_each_rule_stands_once_in_the_order_and_says_why():
    """A combination of shards is asked about first, what comes from elsewhere last."""
    rules = [row.rule for row in ORDER]
    assert len(set(rules)) == len(rules) and all(row.why and row.asked_about for row in ORDER)
    assert ORDER[0].asked_about == Subject.WHOLE and rules[-1].__name__ == "stale"


def test_of_a_loss_no_reduction_is_advised():
    """Which of two losses is meant is the user's to say; of a gradient the sum or the mean is prescribed."""
    context = Context({}, {}, {}, batch_size=6)
    loss = name_cause("loss", np.array(12.0), np.array(2.0), context)
    gradient = name_cause("b1", np.array([2.0, 3.0]) / 6, np.array([2.0, 3.0]), context)
    assert loss.id == gradient.id == "reduction"
    assert "must" not in loss.text and gradient.text == "db1 was averaged over the 6 examples; it must be summed"
