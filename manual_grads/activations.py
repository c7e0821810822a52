"""Activations, each value next to its derivative.

Where a formula branches it compares, and complex numbers compare by their real part first; the same code
can therefore be run on them, and the complex step differentiates exactly what is computed here.
"""

import numpy as np

from manual_grads import Array


def logistic_tails(z: Array) -> tuple[Array, Array]:
    """Give the two terms the sigmoid weighs against each other, neither of which can overflow.

    u = e^min(z, 0),   d = e^-max(z, 0);   u d = e^-|z|,   σ(z) = u / (u + d),   σ(-z) = d / (u + d)

    Args:
        z: any shape, float32 or float64.

    Returns:
        u and d, in [0, 1], the larger of them 1, the smaller 0 where it underflows (|z| > 745 in float64); each of
        the shape and dtype of `z`.
    """
    return np.exp(np.minimum(z, 0)), np.exp(-np.maximum(z, 0))


def sigmoid(z: Array) -> Array:
    """Squash to a probability.

    σ(z) = 1 / (1 + e^-z) = u / (u + d), with u and d of `logistic_tails`, so that no exponential overflows.

    Args:
        z: any shape, float32 or float64.

    Returns:
        The values in [0, 1], of the shape and dtype of `z`.
    """
    u, d = logistic_tails(z)
    return u / (u + d)


def sigmoid_derivative(z: Array) -> Array:
    """Differentiate `sigmoid` at `z`.

    σ'(z) = σ(z) (1 - σ(z)) = σ(z) σ(-z) = u / (u + d) · d / (u + d)

    Written from `z`: 1 - σ(z) formed from a rounded σ(z) has no digits left once the unit saturates.

    Args:
        z: any shape, float32 or float64.

    Returns:
        The derivative, of the shape and dtype of `z`.
    """
    u, d = logistic_tails(z)
    s = u + d
    return u / s * (d / s)


def relu(z: Array) -> Array:
    """Cut off below zero.

    relu(z) = max(z, 0), of the shape and dtype of `z`.
    """
    return np.maximum(z, 0)


def relu_derivative(z: Array) -> Array:
    """Differentiate `relu` at `z`.

    relu'(z) = 1[z > 0]

    At the kink z = 0 (and -0) every number in [0, 1] is a subgradient; 0 is taken, as in TensorFlow.

    Args:
        z: any shape, float32 or float64.

    Returns:
        Zeros and ones, of the shape and dtype of `z`.
    """
    return (z.real > 0).astype(z.dtype)


def softmax(z: Array) -> Array:
    """Turn rows of logits into rows of probabilities.

    p_k = e^(z_k) / Σ_j e^(z_j), with the row's maximum taken out of every exponent first.

    Args:
        z: logits [B, C].

    Returns:
        Probabilities [B, C], each row adding up to 1.
    """
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_derivative(p: Array, g: Array) -> Array:
    """Carry a cotangent back through `softmax`.

    dz_k = Σ_j g_j ∂p_j/∂z_k = p_k (g_k - Σ_j g_j p_j)     from ∂p_j/∂z_k = p_j (1[j = k] - p_k)

    Args:
        p: the probabilities `softmax` gave [B, C].
        g: upstream gradient dL/dp [B, C].

    Returns:
        dL/dz [B, C].
    """
    return p * (g - (g * p).sum(axis=1, keepdims=True))
