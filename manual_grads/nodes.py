"""The computation graph as nodes: each operation's value next to its vector-Jacobian product.

A node is two functions: `forward(...)` returns its value `y` and a cache, `backward(g, cache)` takes
the upstream gradient g = dL/dy (of the shape of y) and returns dL/d<argument> for every argument that
has one. Source: document 002 (the nodes) and 004 (the backward passes it leaves unwritten).
"""

import numpy as np

from manual_grads import Array, Cache, Params, activations, losses


class Linear:
    """y = x W + b,  x [B, D], W [D, H], b [H]:  dx = g Wᵀ,  dW = xᵀ g,  db = Σ_n g_n."""

    @staticmethod
    def forward(x: Array, W: Array, b: Array) -> tuple[Array, Cache]:
        return x @ W + b, {"x": x, "W": W}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {
            "x": g @ cache["W"].T,   # y = x W + b   ->  dx = g Wᵀ     [B, D]
            "W": cache["x"].T @ g,   #               ->  dW = xᵀ g     [D, H]
            "b": g.sum(axis=0),      #               ->  db = Σ_n g_n  [H]
        }


class Sigmoid:
    """y = σ(x):  dx = g ∘ σ(x) σ(-x), any shape."""

    @staticmethod
    def forward(x: Array) -> tuple[Array, Cache]:
        return activations.sigmoid(x), {"x": x}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": g * activations.sigmoid_derivative(cache["x"])}


class Relu:
    """y = max(x, 0):  dx = g ∘ 1[x > 0], any shape; at the kink x = 0 the derivative is 0."""

    @staticmethod
    def forward(x: Array) -> tuple[Array, Cache]:
        return activations.relu(x), {"x": x}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": g * activations.relu_derivative(cache["x"])}


class Softmax:
    """y_k = e^(x_k) / Σ_j e^(x_j), along the rows of x [B, C]:  dx_k = y_k (g_k - Σ_j g_j y_j)."""

    @staticmethod
    def forward(x: Array) -> tuple[Array, Cache]:
        y = activations.softmax(x)
        return y, {"y": y}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": activations.softmax_derivative(cache["y"], g)}


class CrossEntropy:
    """y = -Σ_k t_k ln x_k, along the rows, x [B, C] > 0, y [B]:  dx_k = -g_n t_k / x_k, without a clamp."""

    @staticmethod
    def forward(x: Array, t: Array) -> tuple[Array, Cache]:
        return -(t * np.log(x)).sum(axis=1), {"x": x, "t": t}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": -g[:, np.newaxis] * cache["t"] / cache["x"]}


class Mean:
    """y = (1/M) Σ x, over all M entries, y a scalar:  dx = g / M, in every entry."""

    @staticmethod
    def forward(x: Array) -> tuple[Array, Cache]:
        return x.mean(), {"x": x}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        x = cache["x"]
        return {"x": np.broadcast_to(g / x.size, x.shape).copy()}


class Dropout:
    """y = x ∘ mask, the mask's entries 0 or 1/keep (inverted scaling):  dx = g ∘ mask, the same mask."""

    @staticmethod
    def draw_mask(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> Array:
        """Draw a mask: each entry is 1/keep with probability keep, else 0, so that E[mask] = 1."""
        return (rng.random(shape) < keep) / keep

    @staticmethod
    def forward(x: Array, mask: Array) -> tuple[Array, Cache]:
        return x * mask, {"mask": mask}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": g * cache["mask"]}


class SoftmaxCrossEntropy:
    """y = lse(x) - Σ_k t_k x_k, along the rows, x [B, C] logits, y [B]:  dx = g_n (softmax(x) - t)."""

    @staticmethod
    def forward(x: Array, t: Array) -> tuple[Array, Cache]:
        return losses.softmax_cross_entropy(x, t), {"x": x, "t": t}

    @staticmethod
    def backward(g: Array, cache: Cache) -> Params:
        return {"x": g[:, np.newaxis] * losses.softmax_cross_entropy_gradient(cache["x"], cache["t"])}
