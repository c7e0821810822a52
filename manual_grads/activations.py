"""Activations, each value next to its derivative.

The branch of a stable formula is taken on the real part, so that the same code can be run on complex
numbers: the complex step then differentiates exactly what is computed here.
"""

import numpy as np

from manual_grads import Array


def _exp_minus_magnitude(z: Array) -> Array:
    """e^-|z|, which is at most 1 and therefore never overflows."""
    return np.exp(np.where(z.real < 0, z, -z))


def sigmoid(z: Array) -> Array:
    """Squash to a probability.

    σ(z) = 1 / (1 + e^-z), and for z < 0 the equal e^z / (1 + e^z), so that no exponential overflows.

    Args:
        z: any shape, float32 or float64.

    Returns:
        The values in [0, 1], of the shape and dtype of `z`.
    """
    e = _exp_minus_magnitude(z)
    return np.where(z.real < 0, e, 1) / (1 + e)


def sigmoid_derivative(z: Array) -> Array:
    """Differentiate `sigmoid` at `z`.

    σ'(z) = σ(z) (1 - σ(z)) = σ(z) σ(-z) = e / (1 + e)²   with e = e^-|z|

    Written from `z`: 1 - σ(z) formed from a rounded σ(z) has no digits left once the unit saturates.

    Args:
        z: any shape, float32 or float64.

    Returns:
        The derivative, of the shape and dtype of `z`.
    """
    e = _exp_minus_magnitude(z)
    return e / ((1 + e) * (1 + e))


def relu(z: Array) -> Array:
    """Cut off below zero.

    relu(z) = max(z, 0), of the shape and dtype of `z`.
    """
    return np.where(z.real > 0, z, 0)


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
