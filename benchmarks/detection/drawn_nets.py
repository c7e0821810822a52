"""Networks beyond the built-in pages: any widths and depth, three activations, three losses, sum or mean.

Forward     a0 = x;  for layer i = 1 … L:   zi = a(i-1) Wi + bi      ai = φ(zi) for i < L
            E = c Σ l(zL, t)    l: half the squared distance, or cross-entropy of σ(zL) or softmax(zL)
            c = 1, or one over the number of terms: B·K entries, or B rows for softmax

Backward    dzL = c ∂l/∂zL
            for i = L … 1:   dWi = a(i-1)ᵀ dzi      dbi = Σ_n dzi_n      da(i-1) = dzi Wiᵀ
                             dz(i-1) = da(i-1) ∘ φ'(z(i-1))

The gradients are right and keep their digits where units saturate, so whoever objects raises a false alarm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual_grads import Array, Cache, Params, activations, losses

ACTIVATIONS = ("tanh", "sigmoid", "relu")
LOSSES = ("squared", "bce", "ce")
REDUCTIONS = ("sum", "mean")


def tanh_derivative(z: Array) -> Array:
    """Differentiate tanh: 1 - tanh²(z) = 4e / (1 + e)² with e = e^(-2|z|), which never subtracts from 1."""
    e = np.exp(np.where(z.real < 0, 2 * z, -2 * z))
    return 4 * e / ((1 + e) * (1 + e))


_BY_HAND = {
    "tanh": (np.tanh, tanh_derivative),
    "sigmoid": (activations.sigmoid, activations.sigmoid_derivative),
    "relu": (activations.relu, activations.relu_derivative),
}
_LOSS_BY_HAND = {
    "squared": (losses.squared_error, losses.squared_error_gradient),
    "bce": (losses.sigmoid_cross_entropy, losses.sigmoid_cross_entropy_gradient),
    "ce": (losses.softmax_cross_entropy, losses.softmax_cross_entropy_gradient),
}


@dataclass(frozen=True)
class HandNet:
    """The hand-written side of a drawn network; see the formulas above."""

    activation: str
    loss: str
    reduction: str

    def forward(self, params: Params, x: Array, t: Array) -> tuple[Array, Cache]:
        """Score x [B, D] against t [B, K]."""
        value, _ = _BY_HAND[self.activation]
        depth, cache = len(params) // 2, {"x": x, "t": t, "a0": x}
        for i in range(1, depth + 1):
            cache[f"z{i}"] = cache[f"a{i - 1}"] @ params[f"W{i}"] + params[f"b{i}"]
            if i < depth:
                cache[f"a{i}"] = value(cache[f"z{i}"])
        terms = _LOSS_BY_HAND[self.loss][0](cache[f"z{depth}"], t)
        return terms.sum() / self._count(terms.size), cache

    def backward(self, params: Params, cache: Cache) -> Params:
        """Walk forward upwards, layer L first."""
        _, slope = _BY_HAND[self.activation]
        depth, t = len(params) // 2, cache["t"]
        terms = len(t) if self.loss == "ce" else t.size
        dz = _LOSS_BY_HAND[self.loss][1](cache[f"z{depth}"], t) / self._count(terms)
        gradients = {}
        for i in range(depth, 0, -1):
            gradients |= {f"z{i}": dz, f"W{i}": cache[f"a{i - 1}"].T @ dz, f"b{i}": dz.sum(axis=0)}
            da = dz @ params[f"W{i}"].T
            gradients[f"a{i - 1}" if i > 1 else "x"] = da
            if i > 1:
                dz = da * slope(cache[f"z{i - 1}"])
        return gradients

    def _count(self, terms: int) -> int:
        return terms if self.reduction == "mean" else 1


@dataclass(frozen=True)
class TensorFlowNet:
    """The same network in TensorFlow's own operations."""

    activation: str
    loss: str
    reduction: str

    def forward(self, params: Mapping[str, Any], x: Any, t: Any) -> dict[str, Any]:
        """Score x [B, D] against t [B, K]."""
        import tensorflow as tf

        value = {"tanh": tf.tanh, "sigmoid": tf.sigmoid, "relu": tf.nn.relu}[self.activation]
        reduce = {"sum": tf.reduce_sum, "mean": tf.reduce_mean}[self.reduction]
        depth, a, values = len(params) // 2, x, {}
        for i in range(1, depth + 1):
            z = values[f"z{i}"] = tf.linalg.matmul(a, params[f"W{i}"]) + params[f"b{i}"]
            if i < depth:
                a = values[f"a{i}"] = value(z)
        return values | {"loss": reduce(self._terms(z, t))}

    def _terms(self, z: Any, t: Any) -> Any:
        import tensorflow as tf

        if self.loss == "squared":
            return tf.math.squared_difference(z, t) / 2
        if self.loss == "bce":
            return tf.nn.sigmoid_cross_entropy_with_logits(labels=t, logits=z)
        return tf.nn.softmax_cross_entropy_with_logits(labels=t, logits=z)
