"""Where a fault begins: one wrong step is one wrong tensor, whatever numpy the hand code is written in."""

import numpy as np
import pytest

from gradtwin.diagnosis.location import first_wrong, local_gradients, where
from gradtwin.twins import catalog
from manual_grads.networks import mnist, xor


def _differs(name, value, right):
    return not np.allclose(value, right, rtol=1e-9, atol=1e-12)


def _small_twins():
    widths = {"mnist": (9, 6, 5, 4), "softmax_regression": (9, 4)}
    return [t.resize(widths[t.name]) if t.name in widths else t for t in catalog.twins()]


def _run(twin):
    params, batch = twin.point(0)
    _, cache = twin.manual.forward(params, *batch)
    return params, cache, twin.manual.backward(params, cache)


@pytest.mark.parametrize("twin", _small_twins(), ids=lambda twin: twin.name)
def test_a_right_gradient_is_locally_right_in_every_tensor(twin):
    """Fed with its own values every page gives its own values back, all of them, and changes no input."""
    params, cache, gradients = _run(twin)
    before = {name: value.copy() for name, value in params.items()}
    local = local_gradients(twin.manual.backward, params, cache, gradients)
    assert local is not None and set(local) == set(gradients)
    assert all(np.array_equal(local[name], gradients[name]) for name in gradients)
    assert all(np.array_equal(params[name], before[name]) for name in params)


@pytest.mark.parametrize("twin", _small_twins(), ids=lambda twin: twin.name)
def test_a_fault_does_not_cascade(twin):
    """With one tensor's reference changed, only that tensor and what is computed from it differ: one step."""
    params, cache, gradients = _run(twin)
    for name in gradients:
        wrong = gradients | {name: gradients[name] + 1.0}
        local = local_gradients(twin.manual.backward, params, cache, wrong)
        assert name in first_wrong(local, wrong, _differs).wrong
        if not any(np.array_equal(g, gradients[name]) for other, g in gradients.items() if other != name):
            assert not _differs(name, local[name], gradients[name])


@pytest.mark.parametrize("name", ["z2", "W2", "b2", "a1", "z1", "W1", "b1", "x"])
def test_each_line_of_a_page_is_found_when_it_is_wrong(name):
    """A factor in any one line of the xor page is found in that line's tensor, and nowhere else."""

    def backward(params, cache):
        x, t, z1, a1, z2 = (cache[key] for key in ("x", "t", "z1", "a1", "z2"))
        k = {key: 3.0 if key == name else 1.0 for key in ("z2", "W2", "b2", "a1", "z1", "W1", "b1", "x")}
        dz2 = k["z2"] * (1 / (1 + np.exp(-z2)) - t) / len(t)
        dW2 = k["W2"] * (a1.T @ dz2)
        db2 = k["b2"] * dz2.sum(axis=0)
        da1 = k["a1"] * (dz2 @ params["W2"].T)
        dz1 = k["z1"] * (da1 * a1 * (1 - a1))
        dW1 = k["W1"] * (x.T @ dz1)
        db1 = k["b1"] * dz1.sum(axis=0)
        dx = k["x"] * (dz1 @ params["W1"].T)
        return {"z2": dz2, "W2": dW2, "b2": db2, "a1": da1, "z1": dz1, "W1": dW1, "b1": db1, "x": dx}

    params, cache, gradients = _run(catalog.get("xor"))
    found = first_wrong(local_gradients(backward, params, cache, gradients), gradients, _differs)
    assert found is not None and found.wrong == (name,)
    assert f"d{name}" in found.text.replace("(", " ").split()


# ---- the same gradient, written in every way people write it ----------------------------------------


def _upstream(cache):
    return (1 / (1 + np.exp(-cache["z2"])) - cache["t"]) / len(cache["t"])


def _slope(cache):
    return cache["a1"] * (1 - cache["a1"])


def _by_loops(params, cache, k):
    dz2 = _upstream(cache)
    dW2, db2 = np.zeros(params["W2"].shape), np.zeros(1)
    for n in range(len(dz2)):
        db2 += dz2[n]
        for h in range(len(dW2)):
            dW2[h] += cache["a1"][n, h] * dz2[n]
    dz1 = np.empty(cache["z1"].shape)
    for n, row in enumerate(dz2):
        dz1[n] = k * (params["W2"] @ row) * _slope(cache)[n]
    return {"z2": dz2, "W2": dW2, "b2": db2, "z1": dz1, "W1": cache["x"].T @ dz1, "b1": dz1.sum(0)}


def _by_einsum(params, cache, k):
    dz2 = _upstream(cache)
    dz1 = np.einsum("nk,hk,nh->nh", dz2, params["W2"], k * _slope(cache))
    dW1, dW2 = np.einsum("nd,nh->dh", cache["x"], dz1), np.einsum("nh,nk->hk", cache["a1"], dz2)
    db1, db2 = np.einsum("nh->h", dz1), np.einsum("nk->k", dz2)
    return {"z2": dz2, "W2": dW2, "b2": db2, "z1": dz1, "W1": dW1, "b1": db1}


def _in_place(params, cache, k):
    dz2 = cache["z2"].copy()
    np.negative(dz2, out=dz2)
    np.exp(dz2, out=dz2)
    dz2 += 1
    np.reciprocal(dz2, out=dz2)
    dz2 -= cache["t"]
    dz2 /= len(dz2)
    dz1 = np.matmul(dz2, params["W2"].T)
    dz1 *= k
    dz1 *= _slope(cache)
    gradients = {name: np.zeros_like(params[name]) for name in ("W2", "b2", "W1", "b1")}
    np.dot(cache["a1"].T, dz2, out=gradients["W2"])
    gradients["b2"][...] = dz2.sum(axis=0)
    gradients["W1"] += np.dot(cache["x"].T, dz1)
    np.add.at(gradients["b1"], np.tile(np.arange(dz1.shape[1]), len(dz1)), dz1.ravel())
    return {"z2": dz2, "z1": dz1} | gradients


def _through_copies(params, cache, k):
    dz2 = _upstream(cache)
    dz1 = (k * (dz2 @ params["W2"].T) * _slope(cache))[:, :, np.newaxis]
    dW1 = (dz1[:, :, 0].T @ cache["x"]).T
    return {
        "z2": dz2.copy(),
        "W2": (dz2.T @ cache["a1"]).reshape(-1, 1),
        "b2": dz2.sum(axis=0, keepdims=True).ravel(),
        "z1": dz1.reshape(dz1.shape[:2]).copy(), "W1": dW1, "b1": dz1.sum(axis=0).squeeze(),
    }  # fmt: skip


def _one_buffer(params, cache, k):
    buffer = np.zeros_like(np.concatenate([params[name].ravel() for name in ("W2", "b2", "W1", "b1")]))
    ends = np.cumsum([params[name].size for name in ("W2", "b2", "W1", "b1")])[:-1]
    W2, b2, W1, b1 = np.split(buffer, ends)
    dz2 = _upstream(cache)
    dz1 = np.where(cache["x"][:, :1] < 99, k * (dz2 @ params["W2"].T) * _slope(cache), 0)
    W2 += (cache["a1"].T @ dz2).ravel()
    b2 += dz2.sum(axis=0)
    W1 += (cache["x"].T @ dz1).ravel()
    b1[[0, 1]] = dz1.sum(axis=0)[[0, 1]]
    return {"z2": dz2, "W2": W2.reshape(2, 1), "b2": b2, "z1": dz1, "W1": W1.reshape(2, 2), "b1": b1}


def _through_asarray(params, cache, k):
    dz2 = np.asarray(_upstream(cache))
    dz1 = np.array(k * (dz2 @ params["W2"].T) * _slope(cache))
    return {
        "z2": dz2, "W2": cache["a1"].T @ dz2, "b2": dz2.sum(axis=0),
        "z1": dz1, "W1": cache["x"].T @ dz1, "b1": np.ones(len(dz1)) @ dz1,
    }  # fmt: skip


WAYS = [_by_loops, _by_einsum, _in_place, _through_copies, _one_buffer, _through_asarray]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_any_numpy_code_is_followed(way):
    """Loops, einsum, out=, in-place operators, add.at, one buffer: a factor in dz1 is in dz1 alone."""
    params, cache, gradients = _run(catalog.get("xor"))
    local = local_gradients(lambda p, c: way(p, c, 1.0), params, cache, gradients)
    assert local is not None and first_wrong(local, gradients, _differs) is None
    local = local_gradients(lambda p, c: way(p, c, 3.0), params, cache, gradients)
    found = first_wrong(local, gradients, _differs)
    assert found is not None and found.name == "z1"
    if way is not _through_asarray:  # where an array is stripped, what reads it by plain numpy is not fed
        assert found.wrong == ("z1",)


def test_one_array_under_two_names_is_judged_name_by_name():
    """Without its mask da is dh itself: dh is right, da is wrong, what comes of it is right again."""

    def backward(params, cache):
        gradients = mnist.backward(params, {name: value for name, value in cache.items() if name != "mask1"})
        return gradients

    twin = catalog.get("mnist").resize((9, 6, 4))
    params, cache, gradients = _run(twin)
    found = first_wrong(local_gradients(backward, params, cache, gradients), gradients, _differs)
    assert found is not None and found.name == "a1"


def test_the_order_is_that_of_the_computation_not_of_the_dictionary():
    """The loss's end comes first, however the dictionary is sorted."""
    params, cache, gradients = _run(catalog.get("xor"))

    def backward(params, cache):
        return dict(sorted(xor.backward(params, cache).items()))

    order = list(local_gradients(backward, params, cache, gradients))
    assert order.index("z2") == 0 and order.index("a1") < order.index("z1") < order.index("W1")


@pytest.mark.parametrize(
    "backward",
    [
        lambda params, cache: None,
        lambda params, cache: 1 / 0,
        lambda params, cache: {"W1": type(params["W1"]) is np.ndarray or float("nope")},
    ],
    ids=["returns nothing", "raises", "refuses other types"],
)
def test_what_cannot_be_followed_is_no_answer(backward):
    """The caller falls back to the plain gradients."""
    params, cache, gradients = _run(catalog.get("xor"))
    assert local_gradients(backward, params, cache, gradients) is None


def test_code_that_does_other_operations_the_second_time_is_no_answer():
    """A branch that depends on what is fed in, or a counter, cannot be compared step by step."""
    calls = []

    def backward(params, cache):
        calls.append(1)
        return {"W1": params["W1"] * 2 if len(calls) % 2 else params["W1"] + params["W1"]}

    params, cache, gradients = _run(catalog.get("xor"))
    assert local_gradients(backward, params, cache, gradients) is None


def test_the_layer_is_the_number_at_the_end_of_the_name():
    """`b2` is of layer 2; `W` is of no layer."""
    assert where("b2") == "first wrong gradient: db2 (layer 2)"
    assert where("W") == "first wrong gradient: dW"
