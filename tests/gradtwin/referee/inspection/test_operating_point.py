"""The operating point: every coincidence is planted once and named, and the built-in points have none."""

import numpy as np
import pytest

from gradtwin.referee.inspection.operating_point import better_point, blind_spots
from gradtwin.twins import catalog
from manual_grads.networks import mnist, neuron, relu_mlp, wide_deep, xor

SEEDS = range(12)


def named(twin, params, batch):
    """Give a batch its names."""
    return dict(zip(twin.batch_names(batch), batch, strict=True))


def look_at(side):
    """Make the function that runs a side and lists its blind spots."""

    def look(params, batch):
        _, cache = side.forward(params, *batch.values())
        return blind_spots(params, batch, cache, side.backward(params, cache))

    return look


def ids(spots):
    """Give the pairs of id and tensor."""
    return {(s.id, s.tensor) for s in spots}


@pytest.fixture
def point():
    """Give a relu network's point without blind spots."""
    twin = catalog.get("relu_mlp")
    params, batch = twin.point(0)
    return params, named(twin, params, batch)


@pytest.mark.parametrize("name", catalog.names())
def test_the_default_points_of_the_built_in_twins_show_all(name):
    """At the default seed and at others; a scalar graph (gates) has no batch and no axes to coincide."""
    twin = catalog.get(name)
    for seed in SEEDS if name != "mnist" else SEEDS[:2]:
        params, batch = twin.point(seed)
        assert look_at(twin.manual)(params, named(twin, params, batch)) == [], f"seed {seed}"


@pytest.mark.parametrize("name", ["wide", "deep", "zoo", "softmax_regression", "mnist"])
def test_the_default_points_of_other_widths_show_all(name):
    """Widths are the user's choice; none of these is as long as the batch."""
    twin = catalog.get(name)
    resized = twin.resize((5, *(4,) * (len(twin.widths) - 2), 3))
    params, batch = resized.point(0)
    assert look_at(resized.manual)(params, named(resized, params, batch)) == []


def test_the_textbook_point_is_blind():
    """One example, zero biases: the scalar neuron as the sources print it, with its bias taken away."""
    params = {"w": np.array([[0.1]]), "b": np.array([0.0])}
    batch = {"a0": np.array([[0.1]]), "t": np.array([[0.0]])}
    assert ids(look_at(neuron)(params, batch)) == {
        ("one_example", None), ("zero_params", "b"), ("symmetric_weights", "w"),
    }  # fmt: skip


# ---- each coincidence, planted -------------------------------------------------------------------


def test_one_example(point):
    """A sum is a mean."""
    params, batch = point
    spots = look_at(relu_mlp)(params, {k: a[:1] for k, a in batch.items()})
    spot = next(s for s in spots if s.id == "one_example")
    assert {"reduction", "missing_sum", "wrong_axis"} <= set(spot.faults)


def test_as_many_examples_as_units(point):
    """Sixteen rows and sixteen hidden units."""
    params, batch = point
    rng = np.random.default_rng(0)
    batch = {"x": rng.standard_normal((16, 2)), "t": np.eye(2)[rng.integers(2, size=16)][:, :1]}
    assert ids(look_at(relu_mlp)(params, batch)) == {("equal_sizes", None)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"b1": np.zeros(16)}, {("zero_params", "b1")}),
        ({"b1": np.full(16, 0.5)}, {("equal_params", "b1")}),
        ({"W1": np.ones((2, 16)) * [[1.0], [-1.0]]}, {("equal_params", "W1")}),
    ],
)
def test_parameters_that_coincide(point, change, expected):
    """All zero, all equal, or a layer of equal units."""
    params, batch = point
    assert ids(look_at(relu_mlp)(params | change, batch)) >= expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"t": np.ones((10, 1))}, {("equal_targets", "t")}),
        ({"x": np.zeros((10, 2))}, {("zero_input", "x"), ("zero_gradient", "W1")}),
        ({"x": np.full((10, 2), 0.3)}, {("equal_rows", "x")}),
    ],
)
def test_data_that_coincide(point, change, expected):
    """One class, no input, or one input ten times."""
    params, batch = point
    assert ids(look_at(relu_mlp)(params, batch | change)) >= expected


def test_two_equal_examples(point):
    """They may be exchanged; the same x with another t may not."""
    params, batch = point
    x, t = batch["x"].copy(), batch["t"].copy()
    x[4], t[4] = x[7], 1 - t[7]
    assert blind_spots(params, {"x": x, "t": t}) == []
    t[4] = t[7]
    (spot,) = blind_spots(params, {"x": x, "t": t})
    assert spot.id == "duplicate_rows" and "4 and 7" in spot.message


def test_symmetric_weights():
    """A square matrix shows its transpose, a symmetric one does not."""
    twin = catalog.get("xor")
    params, batch = twin.point(0)
    batch = named(twin, params, batch)
    assert look_at(xor)(params, batch) == []
    symmetric = params | {"W1": params["W1"] + params["W1"].T}
    assert ids(look_at(xor)(symmetric, batch)) == {("symmetric_weights", "W1")}


@pytest.mark.parametrize(("bias", "expected"), [(50.0, "active_units"), (-50.0, "dead_units")])
def test_a_relu_layer_that_is_all_on_or_all_off(point, bias, expected):
    """Its derivative is one number."""
    params, batch = point
    spots = ids(look_at(relu_mlp)(params | {"b1": np.linspace(bias, 1.1 * bias, 16)}, batch))
    assert (expected, "a1") in spots


def test_a_node_that_is_all_on():
    """The relu node's input stands among the parameters, and its rows are examples."""
    twin = catalog.get("node_relu")
    params, batch = twin.point(0)
    params = {"x": np.abs(params["x"])}
    assert ids(look_at(twin.manual)(params, named(twin, params, batch))) == {("active_units", "y")}


def test_saturated_sigmoids():
    """Units far from zero have no slope left, and hardly any gradient."""
    twin = catalog.get("deep")
    params, batch = twin.point(0)
    params = params | {"W2": 1000.0 * params["W2"]}
    assert ("saturated_units", "a2") in ids(look_at(wide_deep)(params, named(twin, params, batch)))


def test_saturated_tanh():
    """Recognised by its values, whatever the arrays are called."""
    z = np.random.default_rng(0).choice([-20.0, 20.0], (6, 4)) * np.linspace(1.0, 1.5, 4)
    spots = blind_spots({"w": np.arange(3.0)}, {"x": np.eye(6, 5)}, {"before": z, "after": np.tanh(z)})
    assert ids(spots) == {("saturated_units", "after")}


def test_a_saturated_softmax():
    """Every row is sure of itself."""
    twin = catalog.get("softmax_regression")
    params, batch = twin.point(0)
    params = params | {"W": 1000.0 * params["W"]}
    assert ("saturated_units", "p") in ids(look_at(twin.manual)(params, named(twin, params, batch)))


def test_a_mask_that_keeps_everything():
    """A forgotten mask gives the same gradient."""
    twin = catalog.get("mnist").resize((6, 8, 3))
    params, batch = twin.point(0)
    batch = named(twin, params, batch)
    assert look_at(mnist)(params, batch) == []
    assert ids(look_at(mnist)(params, batch | {"mask1": np.ones((12, 8))})) == {("equal_mask", "mask1")}


@pytest.mark.parametrize(("name", "g"), [("node_linear", np.ones((5, 4))), ("node_mean", np.ones(()))])
def test_a_cotangent_of_ones(name, g):
    """A backward that ignores its upstream gradient is right there."""
    twin = catalog.get(name)
    params, _ = twin.point(0)
    assert ("flat_cotangent", "g") in ids(look_at(twin.manual)(params, {"g": g}))


def test_a_flat_gradient_of_an_intermediate():
    """Of L = sum of y: the last step's cotangent is all ones, though nobody passed one."""
    rng = np.random.default_rng(0)
    params, x = {"W": rng.standard_normal((3, 2))}, rng.standard_normal((5, 3))
    y, ones = x @ params["W"], np.ones((5, 2))
    spots = blind_spots(params, {"x": x}, {"y": y}, {"y": ones, "W": x.T @ ones})
    assert ids(spots) == {("flat_cotangent", "y")}


def test_gradients_that_are_zero():
    """Everywhere, or in one tensor."""
    params, x = {"u": np.arange(1.0, 4.0), "v": np.arange(2.0, 4.0)}, {"x": np.eye(5, 4)}
    zeros = {"u": np.zeros(3), "v": np.zeros(2)}
    assert ids(blind_spots(params, x, {}, zeros)) == {("zero_gradient", None)}
    assert ids(blind_spots(params, x, {}, zeros | {"v": np.ones(2)})) == {("zero_gradient", "u")}


def test_a_symmetric_gradient():
    """Its transpose is itself."""
    params = {"W": np.array([[1.0, 2.0], [3.0, 4.0]])}
    spots = blind_spots(params, {"x": np.eye(5, 4)}, {}, {"W": np.array([[1.0, 2.0], [2.0, 5.0]])})
    assert ids(spots) == {("symmetric_gradient", "W")}


def test_a_cache_may_hold_anything():
    """Numbers, strings and dictionaries in it are passed over."""
    assert blind_spots({"w": np.arange(3.0)}, {"x": np.eye(5, 4)}, {"c": 0.1, "name": "z", "node": {}}) == []


# ---- a better point ------------------------------------------------------------------------------


def test_the_textbook_points_offer_is_not_blind():
    """More examples, biases that are not zero; the shapes of the parameters stay."""
    params = {name: np.zeros_like(p) for name, p in catalog.get("xor").point(0)[0].items()}
    batch = {"x": np.array([[0.0, 1.0]]), "t": np.array([[1.0]])}
    better_params, better_batch = better_point(params, batch, np.random.default_rng(0), look_at(xor))
    assert look_at(xor)(better_params, better_batch) == []
    assert {n: p.shape for n, p in better_params.items()} == {n: p.shape for n, p in params.items()}
    assert [a.shape for a in better_batch.values()] == [(5, 2), (5, 1)]


@pytest.mark.parametrize("name", catalog.names())
def test_every_twin_starved_of_its_variety_is_offered_a_point_that_shows_all(name):
    """All parameters 0, one example: from any of these a point is found that shows all."""
    twin = catalog.get(name).resize((6, 8, 9, 3)) if name == "mnist" else catalog.get(name)
    params, batch = twin.point(0)
    batch = {n: a[:1] if np.ndim(a) else a for n, a in named(twin, params, batch).items()}
    blind = {
        n: p[:1] if n == "x" else p if name == "node_cross_entropy" else np.zeros_like(p) for n, p in params.items()
    }
    spots = look_at(twin.manual)(blind, batch)
    assert spots or name == "gates"
    better = better_point(blind, batch, np.random.default_rng(1), look_at(twin.manual))
    assert look_at(twin.manual)(*better) == []
    assert {n: np.ndim(a) for n, a in better[1].items()} == {n: np.ndim(a) for n, a in batch.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_stay_of_their_kind(dtype):
    """Labels, one-hot rows, masks, probabilities, switches and positive numbers are drawn as such."""
    batch = {
        "labels": np.array([2, 2, 2, 2, 2, 2]),
        "t": np.eye(3, dtype=dtype)[[0] * 6],
        "mask1": np.full((6, 4), 1.25, dtype=dtype),
        "q": np.full((6, 4), 0.25, dtype=dtype),
        "switches": np.zeros((6, 8), dtype=dtype),
        "pixels": np.full((6, 5), 255.0, dtype=dtype),
        "x": np.full((6, 5), -1.0, dtype=dtype),
    }
    params = {"W": np.zeros((5, 3), dtype=dtype), "scale": np.ones(3, dtype=dtype)}
    new_params, new = better_point(params, batch, np.random.default_rng(0))
    assert {n: (a.shape, a.dtype) for n, a in new.items()} == {n: (a.shape, a.dtype) for n, a in batch.items()}
    assert 1 < len(np.unique(new["labels"])) and set(np.unique(new["labels"])) <= {0, 1, 2}
    assert set(np.unique(new["t"])) == {0.0, 1.0} and (new["t"].sum(axis=1) == 1).all()
    assert set(np.unique(new["mask1"])) == {0.0, 1.25}
    np.testing.assert_allclose(new["q"].sum(axis=1), 1.0, rtol=1e-6)
    assert set(np.unique(new["switches"])) == {0.0, 1.0}
    assert (new["pixels"] > 0).all() and (new["x"] < 0).any() and (new["x"] > 0).any()
    assert (new_params["scale"] > 0).all() and new_params["W"].dtype == dtype
    assert blind_spots(new_params, new) == []
