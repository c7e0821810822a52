"""Arrays that stay bfloat16 where numpy would go on in float32.

numpy has no matrix product of bfloat16 and takes a Python float for a wider number, so that `x @ W` and `0.5 * x` are
float32, and with them all that follows. Here such a result is rounded back, as a processor does that multiplies
bfloat16, adds up in float32 and stores bfloat16. What else numpy does with bfloat16 it does here; an array that is
made wider on purpose stays wider.
"""

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from manual_grads import Array, Params

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class Bfloat16Array(np.ndarray):
    """An array of bfloat16 whose products with its like, and with Python's numbers, are bfloat16 too."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        narrow = options.get("dtype") is None and all(_stays_narrow(thing) for thing in inputs)
        result = getattr(ufunc, method)(*(_plain(thing) for thing in inputs), **options)
        if out is None:
            return tuple(_kept(part, narrow) for part in result) if isinstance(result, tuple) else _kept(result, narrow)
        for place, part in zip(out, result if isinstance(result, tuple) else (result,), strict=True):
            # numpy refuses to put a float32 product into a bfloat16 array; its owner asked for just that.
            np.copyto(_plain(place), part, casting="unsafe" if narrow else "same_kind")
        return out[0] if len(out) == 1 else out

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        result = super().__array_function__(function, types, arguments, options)
        return _kept(result, narrow=False)


def kept_bfloat16(arrays: Mapping[str, Array]) -> Params:
    """View the arrays that hold bfloat16 as arrays that stay so; all others pass as they are."""
    return {name: _kept(array, narrow=False) for name, array in arrays.items()}


def _plain(thing: Any) -> Any:
    return thing.view(np.ndarray) if isinstance(thing, Bfloat16Array) else thing


def _stays_narrow(thing: Any) -> bool:
    """Whether numpy's own rules would keep an operand of this kind from widening a float16: no wider array is in it."""
    return isinstance(thing, int | float) or getattr(thing, "dtype", None) in (BFLOAT16, np.dtype(bool))


def _kept(result: Any, narrow: bool) -> Any:
    """Round what numpy widened; a number becomes an array of no axes, for a bfloat16 number times 0.5 is a float32."""
    if narrow and getattr(result, "dtype", None) == np.float32:
        result = result.astype(BFLOAT16)
    if getattr(result, "dtype", None) == BFLOAT16:
        return np.asarray(result).view(Bfloat16Array)
    return result
