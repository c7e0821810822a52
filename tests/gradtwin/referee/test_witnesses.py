"""Witnesses say what a derivative is, and never more surely than they can know."""

import numpy as np
import pytest

from gradtwin.referee.witnesses import ridders


@pytest.mark.parametrize("kind", [np.float64, np.longdouble])
def test_ridders_differentiates_a_smooth_function_within_its_uncertainty(kind):
    """d/dx Σ exp(x) sin(x) along one entry, to at least eight digits."""
    point = {"x": np.array([0.3, 1.7], kind)}
    testimony = ridders(lambda p: (np.exp(p["x"]) * np.sin(p["x"])).sum(), point, "x", np.array([0.0, 1.0]))
    right = float(np.exp(1.7) * (np.sin(1.7) + np.cos(1.7)))
    assert testimony is not None and testimony.uncertainty < 1e-8
    assert abs(testimony.value - right) <= 10 * testimony.uncertainty


def test_ridders_is_unsure_where_the_loss_does_not_move():
    """1 + 1e-30 x is 1 in every step: the slope reads 0, and may be anything below the rounding of the loss."""
    testimony = ridders(lambda p: 1 + 1e-30 * p["x"].sum(), {"x": np.array([2.0])}, "x", np.array([1.0]))
    assert testimony is not None and testimony.value == 0
    assert testimony.uncertainty >= np.finfo(float).eps
