"""A traced pass gives, run after run, what the code itself gives, to the last bit."""

import numpy as np
import pytest

from gradtwin.tracing import NotTraceable, trace
from gradtwin.twins import catalog

NETWORKS = [name for name in catalog.names() if not name.startswith("node_")]


def _traced(work, params, batch=(), varying=()):
    """Trace a pass, and give the program with the arrays it reads and fills."""
    mine = {name: np.array(p) for name, p in params.items()}
    into = {name: np.full_like(p, np.nan) for name, p in mine.items()}
    return trace(work, mine, batch, varying, into), mine, into


def _moved(rng, arrays):
    return {name: p + rng.normal(size=p.shape).astype(p.dtype) / 8 for name, p in arrays.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_traced_to_the_last_bit(name, dtype):
    """Loss and all gradients, at four other points than the one that was traced, with another batch."""
    twin, rng = catalog.get(name), np.random.default_rng(0)
    if name == "mnist":
        twin = twin.resize((64, 24, 16, 10))
    params, batch = twin.point(0)
    params = {k: np.asarray(p, dtype) for k, p in params.items()}
    batch = [np.array(b, dtype) for b in batch]

    def work(params, *batch):
        loss, cache = twin.manual.forward(params, *batch)
        return loss, twin.manual.backward(params, cache)

    program, mine, into = _traced(work, params, varying=batch)
    for _ in range(4):
        for key, value in _moved(rng, mine).items():
            mine[key][...] = value
        for array in batch[:1]:
            array[...] = rng.random(array.shape)
        loss = program.run()
        expected, gradients = work({k: p.copy() for k, p in mine.items()}, *batch)
        assert loss == expected
        for key, gradient in into.items():
            assert gradient.tobytes() == np.asarray(gradients[key]).tobytes(), key


def test_a_call_is_made_once_and_only_if_it_is_needed():
    """Two equal exponentials are one, and the gradient nobody asked for is not computed."""

    def work(params, x):
        e, again = np.exp(params["w"] * x), np.exp(params["w"] * x)
        return (e + again).sum(), {"w": e * x + again * x, "x": np.tanh(e) * 3.0}

    program, _, _ = _traced(work, {"w": np.ones(3)}, varying=(np.arange(3.0),))
    # w x, exp, e + e, sum; e x, + e x
    assert len(program) == 6


def test_what_depends_on_fixed_arrays_alone_is_computed_in_the_trace():
    """1 - t is the same in every run where the batch is."""

    def work(params, t):
        return (params["w"] * (1 - t)).sum(), {"w": 1 * (1 - t) + 0 * params["w"]}

    fixed, _, _ = _traced(work, {"w": np.ones(2)}, (np.zeros(2),))
    varying, _, _ = _traced(work, {"w": np.ones(2)}, varying=(np.zeros(2),))
    assert len(varying) - len(fixed) == 2


def test_a_gradient_of_fixed_arrays_alone_is_put_in_its_place_in_every_run():
    """A linear loss: the gradient is the input, computed in the trace."""
    program, _, into = _traced(lambda p, x: ((p["w"] * x).sum(), {"w": x * 1.0}), {"w": np.zeros(2)}, (np.ones(2),))
    for _ in range(2):
        into["w"][...] = np.nan
        program.run()
        assert into["w"].tolist() == [1.0, 1.0]


def test_results_lie_where_nothing_is_needed_any_more():
    """A chain of thirty steps needs no thirty arrays; the result is right all the same."""

    def work(params):
        h = params["w"]
        for _ in range(10):
            h = np.tanh(h) + 0.5 * h
        return h.sum(), {"w": h * h}

    program, mine, into = _traced(work, {"w": np.linspace(-1, 1, 7)})
    arrays = {id(a) for call in program.calls for a in call.args if np.shape(a) == (7,)}
    mine["w"] += 0.25
    program.run()
    assert len(arrays) < 6
    assert np.array_equal(into["w"], work({"w": np.linspace(-1, 1, 7) + 0.25})[1]["w"])


def test_a_transposed_view_keeps_its_array_from_being_overwritten():
    """w and its transpose are read by one call: the result may not be written over either."""

    def work(params):
        a = params["w"] * 2.0
        b = a.T - a
        return b.sum(), {"w": b @ b}

    program, mine, into = _traced(work, {"w": np.arange(9.0).reshape(3, 3)})
    mine["w"] -= 4.0
    program.run()
    assert np.array_equal(into["w"], work(mine)[1]["w"])


def test_one_array_may_be_the_gradient_of_two_parameters():
    """Both places are filled."""

    def work(params):
        g = params["a"] * params["b"]
        return g.sum(), {"a": g, "b": g}

    program, mine, into = _traced(work, {"a": np.ones(2), "b": np.ones(2)})
    mine["a"][...] = 3.0
    program.run()
    assert into["a"].tolist() == into["b"].tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    "work",
    [
        lambda params: (1.0, {"w": params["w"]}),
        lambda params: (params["w"].sum(), {"w": np.zeros(2)}),
        lambda params: (float(params["w"].sum()), {"w": params["w"]}),
        lambda params: (params["w"].sum(), {"w": -params["w"] if params["w"][0] > 0 else params["w"]}),
        lambda params: (params["w"].sum(), {"w": np.asarray(params["w"])}),
        lambda params: (np.linalg.det(params["w"]), {"w": params["w"]}),
    ],
    ids=["loss", "constant", "float", "branch", "asarray", "unknown"],
)
def test_code_that_looks_at_numbers_is_not_traced(work):
    """A constant loss or gradient, a float, a branch, a conversion, a function no trace knows."""
    with pytest.raises(NotTraceable):
        _traced(work, {"w": np.ones(2)})


def test_code_that_writes_into_an_array_is_not_traced():
    """An entry that is set cannot be seen by a list of calls."""

    def work(params):
        g = params["w"] * 2.0
        g[0] = 0.0
        return g.sum(), {"w": g}

    with pytest.raises(NotTraceable):
        _traced(work, {"w": np.ones(2)})
