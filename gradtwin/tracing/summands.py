"""The largest summand behind each gradient: the magnitude at which its last addition rounds.

db = Σ_n dz_n near a minimum is a small number made of large ones that cancel; it cannot be more accurate
than those. The hand-written code is run once more on arrays that remember, beside each value, the sum of
the magnitudes of the terms that were added up to make it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from manual_grads import Array, Params

ADDITIONS = (np.add, np.subtract)
SCALINGS = (np.multiply, np.divide, np.true_divide)


class Summed(np.ndarray):
    """An array that knows `terms`: Σ |summands| of the operation that made it, of its own shape, or None."""

    terms: Array | None

    def __array_finalize__(self, made_from: Any) -> None:
        terms = getattr(made_from, "terms", None)
        self.terms = terms if terms is not None and terms.shape == self.shape else None

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        plain = [np.asarray(x) if isinstance(x, Summed) else x for x in inputs]
        if out is not None:
            kwargs["out"] = tuple(np.asarray(x) if isinstance(x, Summed) else x for x in out)
        result = getattr(ufunc, method)(*plain, **kwargs)
        if isinstance(result, tuple) or result is None:
            return result
        kwargs.pop("out", None)
        made = np.asarray(result).view(Summed)
        made.terms = _terms(ufunc, method, inputs, plain, kwargs)
        if out is not None and isinstance(out[0], Summed):
            out[0].terms = made.terms
            return out[0]
        return made


def _terms(ufunc: np.ufunc, method: str, inputs: Any, plain: Any, kwargs: Any) -> Array | None:
    """Add up magnitudes where the operation adds up; scale them where it multiplies."""
    sizes = [np.abs(x) for x in plain]
    if ufunc is np.matmul and method == "__call__":
        return np.asarray(np.matmul(*sizes))
    if ufunc is np.add and method == "reduce":
        return np.asarray(np.add.reduce(sizes[0], **kwargs))
    if method != "__call__" or len(plain) != 2:
        return None
    if ufunc in ADDITIONS:
        return np.asarray(np.add(*sizes))
    if ufunc in SCALINGS:
        known = [getattr(x, "terms", None) for x in inputs]
        left, right = (size if term is None else term for size, term in zip(sizes, known, strict=True))
        return np.asarray(ufunc(left, right if ufunc is np.multiply else sizes[1]))
    return None


def largest_summands(run: Callable[[Mapping[str, Array]], Params], point: Mapping[str, Array]) -> dict[str, float]:
    """Find, for each gradient, the largest Σ |summands| among its entries.

    Args:
        run: the hand-written gradients, a function of the named arrays.
        point: parameters and batch.

    Returns:
        One magnitude a gradient, its largest entry where no addition was seen; empty where the code does
        not run on such arrays.
    """
    watched = {k: np.asarray(v).view(Summed) for k, v in point.items()}
    try:
        with np.errstate(all="ignore"):
            gradients = run(watched)
        return {name: _size(gradient) for name, gradient in gradients.items()}
    except Exception:
        return {}


def _size(gradient: Any) -> float:
    terms = getattr(gradient, "terms", None)
    values = np.abs(np.asarray(gradient if terms is None else terms))
    return float(values[np.isfinite(values)].max(initial=0.0))
