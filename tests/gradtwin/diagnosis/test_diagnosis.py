"""Where and why in one: faults planted in the source of hand code of several styles."""

import numpy as np
import pytest

from gradtwin.diagnosis.diagnosis import diagnose_gradients, diagnose_loss
from gradtwin.diagnosis.fit import Context

ROWS, INPUTS, HIDDEN, CLASSES = 7, 4, 5, 3
RNG = np.random.default_rng(4)
X, T = RNG.standard_normal((ROWS, INPUTS)), np.eye(CLASSES)[RNG.integers(CLASSES, size=ROWS)]
PARAMS = {
    "W1": RNG.standard_normal((INPUTS, HIDDEN)),
    "b1": RNG.standard_normal(HIDDEN),
    "W2": RNG.standard_normal((HIDDEN, CLASSES)),
    "b2": RNG.standard_normal(CLASSES),
}

# A stranger's network, in one function and without named intermediates: tanh, softmax, a regulariser.
STRANGER = """
def backward(params, cache):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    x, t = cache["x"], cache["t"]
    n = x.shape[0]
    z1 = np.dot(x, W1) + b1
    a1 = np.tanh(z1)
    z2 = np.dot(a1, W2) + b2
    e = np.exp(z2 - np.max(z2, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    dz2 = (p - t) / n
    dW2 = np.dot(a1.T, dz2)
    db2 = np.sum(dz2, axis=0)
    da1 = np.dot(dz2, W2.T)
    dz1 = da1 * (1 - a1**2)
    dW1 = np.dot(x.T, dz1) + 0.01 * W1
    db1 = np.sum(dz1, axis=0)
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}
"""

# The same by columns and in a loop over the examples, with sums that grow in place.
LOOP = """
def backward(params, cache):
    W1, b1, W2, b2 = params["W1"], params["b1"], params["W2"], params["b2"]
    gradients = {name: np.zeros_like(value) for name, value in params.items()}
    for x, t in zip(cache["x"], cache["t"]):
        x, t = x[:, None], t[:, None]
        z1 = W1.T @ x + b1[:, None]
        a1 = np.maximum(z1, 0)
        z2 = W2.T @ a1 + b2[:, None]
        p = np.exp(z2) / np.exp(z2).sum()
        d2 = (p - t) / len(cache["x"])
        gradients["W2"] += a1 @ d2.T
        gradients["b2"] += d2[:, 0]
        d1 = (W2 @ d2) * (z1 > 0)
        gradients["W1"] += x @ d1.T
        gradients["b1"] += d1[:, 0]
    return gradients
"""

# A twin's page: what the forward pass kept, and every named intermediate's gradient.
PAGE = """
def backward(params, cache):
    x, t, z1, a1, z2, mask, p = (cache[n] for n in ("x", "t", "z1", "a1", "z2", "mask", "p"))
    dz2 = (p - t) / len(x)
    dW2 = (a1 * mask).T @ dz2
    db2 = dz2.sum(axis=0)
    dh1 = dz2 @ params["W2"].T
    da1 = dh1 * mask
    dz1 = da1 * (a1 * (1 - a1))
    dW1 = x.T @ dz1
    db1 = dz1.sum(axis=0)
    dx = dz1 @ params["W1"].T
    return {"z2": dz2, "W2": dW2, "b2": db2, "h1": dh1, "a1": da1, "z1": dz1, "W1": dW1, "b1": db1, "x": dx}
"""


def _compiled(source, **names):
    scope = {"np": np, **names}
    exec(source, scope)
    return scope["backward"]


def _page_cache(x=X, seed=0):
    rng = np.random.default_rng(seed)
    mask = (rng.random((ROWS, HIDDEN)) < 0.7) / 0.7
    z1 = x @ PARAMS["W1"] + PARAMS["b1"]
    a1 = 1 / (1 + np.exp(-z1))
    z2 = (a1 * mask) @ PARAMS["W2"] + PARAMS["b2"]
    p = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
    return {"x": x, "t": T, "z1": z1, "a1": a1, "h1": a1 * mask, "z2": z2, "mask": mask, "p": p}


def _differs(name, value, right):
    return value.shape != right.shape or not np.allclose(value, right, rtol=1e-12, atol=1e-14)


def _diagnosis(source, old, new, cache, values, **names):
    assert source.count(old) >= 1, "the line to break is not in the source"
    right = _compiled(source)(PARAMS, cache)
    backward = _compiled(source.replace(old, new, 1), **names)
    wrong = backward(PARAMS, cache)
    known = {name: wrong.get(name) for name in right}
    return _asked(backward, cache, values, known, right)


def _asked(backward, cache, values, manual, right):
    context = Context(PARAMS, values, right, ROWS, manual)
    return diagnose_gradients(backward, cache, context, _differs)


STRANGERS_FAULTS = [
    ("(p - t) / n", "(p - t)", "W2", "reduction"),
    ("(p - t) / n", "(p + t) / n", "W2", "sign"),
    ("a1.T, dz2", "z1.T, dz2", "W2", "wrong_operand"),
    ("np.sum(dz2, axis=0)", "np.sum(dz2) + 0 * b2", "b2", "all_axes"),
    ("np.sum(dz2, axis=0)", "dz2[0]", "b2", "missing_sum"),
    ("(1 - a1**2)", "(1 - z1**2)", "W1", "wrong_activation_point"),
    ("da1 * (1 - a1**2)", "da1", "W1", "missing_activation_derivative"),
    ("+ 0.01 * W1", "", "W1", "regulariser"),
    ("(1 - a1**2)", "(1 + a1**2)", "W1", "sign"),
    ("(1 - a1**2)", "(1 - a1**2 + 1e-6)", "W1", "epsilon"),
    ("np.sum(dz1, axis=0)", "np.mean(dz1, axis=0)", "b1", "reduction"),
    ("x.T, dz1", "x.T, da1", "W1", "wrong_operand"),
    ("x.T, dz1", "x[::-1].T, dz1", "W1", "permutation"),
    ("np.dot(a1.T, dz2)", "np.dot(dz2.T, a1).reshape(W2.shape)", "W2", "transpose"),
    ('"b2": db2', '"b2": 0 * db2', "b2", "zero"),
    ('"b1": db1', '"b1": np.sin(db1) + db1**3', "b1", None),
]


@pytest.mark.parametrize("old, new, tensor, id", STRANGERS_FAULTS, ids=[new for _, new, _, _ in STRANGERS_FAULTS])
def test_a_strangers_function_is_diagnosed(old, new, tensor, id):
    """One function, no intermediates: the operations it does tell where and why."""
    found = _diagnosis(STRANGER, old, new, {"x": X, "t": T}, {"x": X, "t": T})
    assert found.first_wrong == tensor
    assert (found.cause and found.cause.id) == id


LOOP_FAULTS = [
    ("(p - t) / len", "(p + t) / len", "W2", "sign"),
    ("(p - t) / len(cache[\"x\"])", "(p - t)", "W2", "reduction"),
    ("+= d2[:, 0]", "+= d2.sum()", "b2", "all_axes"),
    ('["W1"] +=', '["W1"] -=', "W1", "sign"),
    ("x @ d1.T", "x @ d1.T * 2", "W1", "factor"),
]  # fmt: skip


@pytest.mark.parametrize("old, new, tensor, id", LOOP_FAULTS, ids=[new for _, new, _, _ in LOOP_FAULTS])
def test_a_loop_over_the_examples_is_diagnosed(old, new, tensor, id):
    """What one line does wrong in every round is one slip."""
    found = _diagnosis(LOOP, old, new, {"x": X, "t": T}, {"x": X, "t": T})
    assert found.first_wrong == tensor
    assert (found.cause and found.cause.id) == id


PAGE_FAULTS = [
    ("(p - t) / len(x)", "(t - p) / len(x)", "z2", "sign"),
    ("(p - t)", "(p - z2)", "z2", "wrong_operand"),
    ("(a1 * mask).T", "(a1 * mask[::-1]).T", "W2", "mask_other"),
    ("(a1 * mask).T", "(z1 * mask).T", "W2", "wrong_operand"),
    ("dh1 * mask", "dh1", "a1", "mask_missing"),
    ("da1 * (a1 * (1 - a1))", "da1", "z1", "missing_activation_derivative"),
    ("da1 * (a1 * (1 - a1))", "da1 * (z1 * (1 - z1))", "z1", "wrong_activation_point"),
    ("da1 * (a1 * (1 - a1))", "da1 * (a1 * (1 + a1))", "z1", "sign"),
    ("dz1.sum(axis=0)", "da1.sum(axis=0)", "b1", "wrong_operand"),
    ("x.T @ dz1", "x.T @ dz1 + 1e-3 * params['W1']", "W1", "regulariser"),
    ('"z1": dz1', '"z1": da1, "a1": dz1', "a1", "swapped"),
]  # fmt: skip


@pytest.mark.parametrize("old, new, tensor, id", PAGE_FAULTS, ids=[new for _, new, _, _ in PAGE_FAULTS])
def test_a_page_is_diagnosed(old, new, tensor, id):
    """Each line broken once: the first wrong tensor is its own, the cause is what was done to it."""
    cache = _page_cache()
    found = _diagnosis(PAGE, old, new, cache, cache)
    assert found.first_wrong == tensor
    assert found.cause is not None and found.cause.id == id
    assert f"d{tensor}" in found.text


# Two nodes whose arrays nobody named: only what is done with them tells.
NODES = """
def backward(params, cache):
    (y, z, mask), g, rate = cache
    inner = (g * y).sum(axis=1, keepdims=True)
    dx = y * (g - inner)
    dz = -g * (z > 0) * (1 / (1 + np.exp(-z)))
    dm = g * mask
    return {"x": dx, "z": dz, "m": dm, "b": (g * z).sum(axis=0)}
"""
NODE_FAULTS = [
    ("sum(axis=1, keepdims=True)", "sum(axis=0, keepdims=True)", "x", "wrong_axis"),
    ("sum(axis=1, keepdims=True)", "sum()", "x", "all_axes"),
    ("sum(axis=1, keepdims=True)", "mean(axis=1, keepdims=True)", "x", "reduction"),
    ("sum(axis=1, keepdims=True)", "sum(axis=1, keepdims=True) * 2", "x", "factor"),
    ("sum(axis=1, keepdims=True)", "sum(axis=1, keepdims=True) / 7", "x", "reduction"),
    ("g - inner", "g - inner / 2", "x", "factor"),
    ("g - inner", "g + inner", "x", "sign"),
    ("y * (g", "np.roll(y, 1, axis=1) * (g", "x", "permutation"),
    ("y * (g", "np.abs(y - 0.2) * (g", "x", None),
    ("np.exp(-z)", "np.exp(z)", "z", "sign"),
    ("z > 0", "z >= 0", "z", "kink_convention"),
    ("(1 + np.exp(-z))", "(1 + np.exp(-z) + 1e-5)", "z", "epsilon"),
    ("g * mask", "g * mask[:, ::-1]", "m", "mask_other"),
    ("(g * z).sum(axis=0)", "(g * z)[2]", "b", "missing_sum"),
    ("(g * z).sum(axis=0)", "(g * z)[:5].sum(axis=0)", "b", "unknown"),
]


@pytest.mark.parametrize("old, new, tensor, id", NODE_FAULTS, ids=[new for _, new, _, _ in NODE_FAULTS])
def test_a_formula_is_repaired_where_no_array_has_a_name(old, new, tensor, id):
    """The one operation whose change makes the step right is the cause."""
    rng = np.random.default_rng(2)
    e = np.exp(rng.standard_normal((ROWS, CLASSES)))
    z = rng.standard_normal((ROWS, CLASSES))
    z[1, 2] = 0.0
    mask = (rng.random((ROWS, CLASSES)) < 0.5) * 2.0
    cache = ([e / e.sum(axis=1, keepdims=True), z, mask], rng.standard_normal((ROWS, CLASSES)), 0.1)
    found = _diagnosis(NODES, old, new, cache, {"mask": mask})
    assert found.first_wrong == tensor
    assert (found.cause and found.cause.id) == id


@pytest.mark.parametrize(
    "old, new, tensor",
    [
        ("x.T @ dz1", "earlier['x'].T @ dz1", "W1"),
        ("(1 - a1)", "(1 - earlier['a1'])", "z1"),
        ("x, t, z1", "cache = cache | earlier\n    x, t, z1", "z2"),
    ],
)
def test_numbers_of_an_earlier_forward_pass_are_recognized(old, new, tensor):
    """One entry or the whole cache of an earlier call, which is nowhere among what this call was given."""
    cache = _page_cache()
    earlier = _page_cache(np.random.default_rng(9).standard_normal(X.shape), seed=1)
    earlier["t"] = T[::-1]
    found = _diagnosis(PAGE, old, new, cache, cache, earlier=earlier)
    assert found.first_wrong == tensor
    assert found.cause is not None and found.cause.id == "stale_cache"


def test_the_users_line_is_told(tmp_path):
    """Of a file, the line that asked for the wrong operation stands in the cause."""
    file = tmp_path / "mine.py"
    source = PAGE.replace("(p - t)", "(p + t)")
    file.write_text(source)
    scope = {"np": np}
    exec(compile(source, str(file), "exec"), scope)
    cache = _page_cache()
    right = _compiled(PAGE)(PARAMS, cache)
    wrong = scope["backward"](PARAMS, cache)
    found = _asked(scope["backward"], cache, cache, wrong, right)
    assert found.cause is not None and "mine.py, line 4" in found.cause.text
    assert "dz2 (layer 2)" in found.text


def test_right_gradients_have_no_diagnosis():
    """Nothing wrong, nothing said."""
    cache = _page_cache()
    found = _diagnosis(PAGE, "dx = ", "dx = ", cache, cache)
    assert found.first_wrong is None and found.cause is None and found.wrong_tensors == ()


def test_code_that_cannot_be_followed_is_still_diagnosed_from_its_gradients():
    """Arrays of a subclass refused: the plain gradients are compared in order."""

    def backward(params, cache):
        if any(type(value) is not np.ndarray for value in params.values()):
            raise TypeError("plain arrays only")
        gradients = right(params, cache)
        return gradients | {"b1": 2 * gradients["b1"]}

    right = _compiled(PAGE)
    cache = _page_cache()
    gradients = backward(PARAMS, cache)
    found = _asked(backward, cache, cache, gradients, right(PARAMS, cache))
    assert found.first_wrong == "b1"
    assert found.cause is not None and found.cause.id == "factor"


def test_the_users_code_is_left_as_it_was():
    """Following the code changes neither parameters nor cache, and leaves no recorded array behind."""
    kept = []

    def backward(params, cache):
        gradients = _compiled(PAGE)(params, cache)
        kept.append(gradients["W1"])
        return gradients | {"W1": -gradients["W1"]}

    cache = _page_cache()
    before = {name: value.copy() for name, value in (PARAMS | cache).items()}
    right = _compiled(PAGE)(PARAMS, cache)
    found = _asked(backward, cache, cache, backward(PARAMS, cache), right)
    assert found.cause is not None and found.cause.id == "sign"
    assert all(np.array_equal(value, before[name]) for name, value in (PARAMS | cache).items())
    assert type(kept[0]) is np.ndarray


def test_a_wrong_loss_has_a_diagnosis_of_its_own():
    """A loss that is N times the right one is a sum for a mean."""
    found = diagnose_loss(np.asarray(7.0), np.asarray(1.0), Context(PARAMS, {}, {}, ROWS))
    assert found.first_wrong == "loss" and found.cause is not None and found.cause.id == "reduction"
    assert diagnose_loss(np.asarray(1.2345678), np.asarray(1.0), Context(PARAMS, {}, {}, ROWS)).cause is None
