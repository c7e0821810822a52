"""Gradient descent and Adam: the two update rules, by hand.

Both take every gradient at the old parameters and return new dicts; nothing that comes in is modified.

Gradient descent, with learning rate lr:

    p := p - lr dL/dp

Adam, with g = dL/dp and t = 1 at the first update:

    m := beta1 m + (1 - beta1) g
    v := beta2 v + (1 - beta2) g^2
    p := p - lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)

Source: D. P. Kingma and J. Ba, Adam: A Method for Stochastic Optimization (2015), in the order of
computation given at the end of its section 2, which is also TensorFlow's: epsilon is added to the
square root of v as it stands, not to that of the corrected v.
"""

import numpy as np

from manual_grads import Cache, Params


def gradient_descent(params: Params, gradients: Params, learning_rate: float) -> Params:
    """Step against the gradient.

    Formula: p := p - lr dL/dp

    Args:
        params: arrays by name, any shapes.
        gradients: the gradient of each parameter, of the same name, shape and dtype; other names are ignored.
        learning_rate: lr.

    Returns:
        The new parameters, with the shapes and dtypes of `params`.
    """
    return {name: value - learning_rate * gradients[name] for name, value in params.items()}


def adam_state(params: Params) -> Cache:
    """Make Adam's memory before the first update: no updates done, both moments zero.

    Args:
        params: arrays by name.

    Returns:
        `t`, the number of updates done, and `m` and `v`, one zero array of each parameter's shape and dtype.
    """
    return {
        "t": 0,
        "m": {name: np.zeros_like(value) for name, value in params.items()},
        "v": {name: np.zeros_like(value) for name, value in params.items()},
    }


def adam(
    params: Params,
    gradients: Params,
    state: Cache,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Params, Cache]:
    """Step against the mean of recent gradients, measured by their recent size.

    Formula: as at the head of this page.

    Args:
        params: arrays by name, any shapes.
        gradients: the gradient of each parameter, of the same name, shape and dtype; other names are ignored.
        state: from `adam_state` or from the previous update.
        learning_rate: lr.
        beta1: how much of the mean gradient m is kept.
        beta2: how much of the mean squared gradient v is kept.
        epsilon: keeps the division finite where no gradient has been seen yet.

    Returns:
        The new parameters and the new state.
    """
    t = state["t"] + 1
    lr_t = learning_rate * float(np.sqrt(1 - beta2**t)) / (1 - beta1**t)
    new_params, new_m, new_v = {}, {}, {}
    for name, p in params.items():
        g = gradients[name]
        m = beta1 * state["m"][name] + (1 - beta1) * g
        v = beta2 * state["v"][name] + (1 - beta2) * (g * g)
        new_params[name] = p - lr_t * m / (np.sqrt(v) + epsilon)
        new_m[name], new_v[name] = m, v
    return new_params, {"t": t, "m": new_m, "v": new_v}
