"""What the page of nodes says of the numeric check of document 002."""

import numpy as np
import pytest

from manual_grads.nodes import CrossEntropy


def rows(rng):
    """Draw probabilities as 002 does: U(0.1, 1), each row divided by its sum."""
    x = rng.uniform(0.1, 1.0, (5, 6))
    return x / x.sum(axis=1, keepdims=True)


def numeric_error(seed, delta):
    """Give the largest error of a central difference of the cross-entropy, contracted with a random g."""
    rng = np.random.default_rng(seed)
    x, t, g = rows(rng), rows(rng), rng.standard_normal(5)
    gradient = CrossEntropy.backward(g, CrossEntropy.forward(x, t)[1])["x"]
    errors = []
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = delta / 2
        values = [(g * CrossEntropy.forward(x + sign * step, t)[0]).sum() for sign in (1, -1)]
        errors.append(abs((values[0] - values[1]) / delta - gradient[index]))
    return max(errors)


@pytest.mark.parametrize(("delta", "least", "median", "most"), [(1e-2, 0.0025, 0.019, 0.15), (1e-5, 0, None, 1.5e-7)])
def test_the_numeric_check_of_the_cross_entropy_errs_as_the_page_says(delta, least, median, most):
    """Sixty draws at each of the two steps, to the digits that docs/derivations/nodes.md gives."""
    errors = [numeric_error(seed, delta) for seed in range(60)]
    assert max(errors) == pytest.approx(most, rel=0.05)
    if median is not None:
        assert (min(errors), np.median(errors)) == (pytest.approx(least, rel=0.05), pytest.approx(median, rel=0.05))
