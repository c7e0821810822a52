"""The two gates at the customary point of 001 (A15)."""

import numpy as np

from tf_reference.networks import gates


def test_the_customary_point(as_tensors, tape_gradients):
    """At w = -2, x = 5, b = 3: g = -10, f = -7 and the slopes f_w = 5, f_x = -2, f_b = f_g = 1 (A15)."""
    params, batch = as_tensors(({"w": -2, "b": 3}, (5,)))
    tensors = gates.forward(params, *batch)
    assert {name: float(value) for name, value in tensors.items()} == {"g": -10, "f": -7, "loss": -7}
    slopes = tape_gradients(gates.forward, params, batch, ["g", "f"])
    assert {name: float(value) for name, value in slopes.items()} == {"w": 5, "x": -2, "b": 1, "g": 1, "f": 1}


def test_numpy_scalars_keep_their_dtype():
    """A point given as numpy float64 is computed in float64: 0.1 * 0.1 + 0.1 to the last bit."""
    tenth = np.float64(0.1)
    assert gates.forward({"w": tenth, "b": tenth}, tenth)["loss"].numpy() == tenth * tenth + tenth
