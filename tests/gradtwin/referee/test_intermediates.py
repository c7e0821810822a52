"""A witness for what neither parameter nor input is: the forward moved from inside."""

from typing import Any

import numpy as np
import pytest

from gradtwin.referee.intermediates import witness_inside
from gradtwin.twins import catalog
from manual_grads import Array, Params

SMALL = {"mnist": (6, 5, 4, 3), "softmax_regression": (7, 3)}
PASSED_BY = {"neuron": {"a1"}, "linear_regression": {"r"}}  # the loss is computed without them


@pytest.mark.parametrize("name", catalog.names())
def test_the_witness_confirms_every_intermediate_on_the_way_of_the_loss(name: str) -> None:
    """At the largest entry of each hand gradient; one that the loss passes by has no witness, and none is made up."""
    twin = catalog.get(name)
    twin = twin.resize(SMALL[name]) if name in SMALL else twin  # type: ignore[misc]
    params, batch = twin.point(0)
    named = dict(zip(twin.batch_names(batch), batch, strict=True))
    _, cache = twin.manual.forward(params, *batch)
    inside = {n: g for n, g in twin.manual.backward(params, cache).items() if n not in params and n not in named}
    for tensor, gradient in inside.items():
        index = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
        testimony = witness_inside(twin.manual.forward, params, named, tensor, tuple(map(int, index)))
        if tensor in PASSED_BY.get(name, ()):
            assert testimony is None
        else:
            assert testimony is not None
            assert testimony.value == pytest.approx(float(gradient[index]), rel=1e-13)


def test_the_witness_does_not_depend_on_a_wrong_backward() -> None:
    """It differentiates the forward alone: dz of L = Σ z² is 2 z, whatever a backward says."""

    def forward(params: Params, x: Array) -> tuple[Any, Any]:
        z = x * params["w"]
        return (z**2).sum(), {"z": z, "x": x}

    params, batch = {"w": np.array([2.0, 3.0])}, {"x": np.array([5.0, 7.0])}
    testimony = witness_inside(forward, params, batch, "z", (1,))
    assert testimony is not None and testimony.value == pytest.approx(42.0, rel=1e-14)


def test_there_is_no_witness_for_code_that_cannot_be_followed() -> None:
    """A tensor that is an input, one that is missing, one that plain Python made: None, and no error."""

    def forward(params: Params, x: Array) -> tuple[Any, Any]:
        z = np.array([float(v) * 2 for v in x.tolist()])
        return z.sum() + params["w"].sum(), {"x": x, "z": z}

    params, batch = {"w": np.array([1.0])}, {"x": np.array([1.0, 2.0])}
    for name in ("x", "y", "z"):
        assert witness_inside(forward, params, batch, name, (0,)) is None
