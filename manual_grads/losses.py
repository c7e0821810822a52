"""Losses, each value next to its gradient, from logits and without an epsilon.

A loss here is one number an entry or a row; the page of the network adds them up or takes their mean,
and scales the gradient by the same factor.
"""

import numpy as np

from manual_grads import Array
from manual_grads.activations import logistic_tails, softmax


def squared_error(z: Array, y: Array) -> Array:
    """Half the squared distance of each prediction.

    l = (z - y)² / 2

    Args:
        z: predictions, any shape.
        y: observations of the same shape.

    Returns:
        One loss an entry, of the shape of `z`.
    """
    r = z - y
    return r * r / 2


def squared_error_gradient(z: Array, y: Array) -> Array:
    """Differentiate `squared_error`: ∂l/∂z = z - y, of the shape of `z`."""
    return z - y


def sigmoid_cross_entropy(z: Array, t: Array) -> Array:
    """Binary cross-entropy of σ(z) against t, from the logit.

    l = -(t ln σ(z) + (1 - t) ln(1 - σ(z))) = max(z, 0) - z t + ln(1 + e^-|z|)

    Args:
        z: logits, any shape.
        t: targets in [0, 1], of the same shape.

    Returns:
        One loss an entry, finite for every finite logit.
    """
    u, d = logistic_tails(z)
    return np.maximum(z, 0) - z * t + np.log1p(u * d)


def sigmoid_cross_entropy_gradient(z: Array, t: Array) -> Array:
    """Differentiate `sigmoid_cross_entropy`.

    ∂l/∂z = σ(z) - t = (1 - t) σ(z) - t σ(-z) = ((1 - t) u - t d) / (u + d)

    The last two forms keep all digits of a saturated unit: σ(z) - 1 is -σ(-z), a small number and not 0.

    Args:
        z: logits, any shape.
        t: targets in [0, 1], of the same shape.

    Returns:
        The gradient, of the shape of `z`.
    """
    u, d = logistic_tails(z)
    return ((1 - t) * u - t * d) / (u + d)


def softmax_cross_entropy(z: Array, t: Array) -> Array:
    """Cross-entropy of softmax(z) against t, from the logits.

    l = lse(z) - Σ_k t_k z_k
    lse(z) = ln Σ_k e^(z_k) = m + ln(1 + Σ_{k ≠ argmax} e^(z_k - m)),   m = max_k z_k

    The largest term of the sum is the 1 inside the logarithm, so a loss far below the rounding of 1
    keeps its digits.

    Args:
        z: logits [B, C].
        t: targets [B, C], rows that add up to 1 (one-hot).

    Returns:
        One loss a row [B], finite where the differences between the row's logits are: (1e308, -1e308) overflows.
    """
    m = z.max(axis=1, keepdims=True)                                     # [B, 1]
    is_largest = np.arange(z.shape[1]) == z.argmax(axis=1)[:, np.newaxis]  # [B, C]
    rest = np.where(is_largest, 0, np.exp(z - m)).sum(axis=1)            # [B]
    return (t * (m - z)).sum(axis=1) + np.log1p(rest)


def softmax_cross_entropy_gradient(z: Array, t: Array) -> Array:
    """Differentiate `softmax_cross_entropy`.

    ∂l/∂z_k = p_k - t_k = (1 - t_k) p_k - t_k Σ_{j ≠ k} p_j        p = softmax(z)

    The second form never subtracts a probability from 1, so a saturated row keeps its digits.

    Args:
        z: logits [B, C].
        t: targets [B, C], rows that add up to 1.

    Returns:
        The gradient [B, C].
    """
    p = softmax(z)
    others = p @ (1 - np.eye(z.shape[1], dtype=p.dtype))                 # Σ_{j ≠ k} p_j   [B, C]
    return (1 - t) * p - t * others
