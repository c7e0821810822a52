"""Floating-point formats: which there are, and how fine, small and large their numbers get.

    float64    53 bits, spacing 2^-52 at 1
    float32    24 bits, spacing 2^-23 at 1
    float16    11 bits, spacing 2^-10 at 1, largest 65504
    bfloat16    8 bits, spacing 2^-7 at 1, the range of float32

numpy knows bfloat16 by `ml_dtypes` only, and not as a floating-point type: its `dtype.kind` is "V", that of one
float8 is "f", and `np.finfo` refuses both. Whoever asks what an array is made of asks here.
"""

import math
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from gradtwin.core.dtypes import DEFAULT_DTYPES, DTYPES, LOW, Dtype
from manual_grads import Array, Params

__all__ = [
    "DEFAULT_DTYPES", "DTYPES", "LOW", "Dtype", "cast", "eps", "is_floating", "is_low", "largest", "spacing", "tiny",
]  # fmt: skip

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def is_floating(thing: Any) -> bool:
    """Whether an array (or a dtype) holds real floating-point numbers, those of bfloat16 included."""
    dtype = thing if isinstance(thing, np.dtype) else np.asarray(thing).dtype
    return issubclass(dtype.type, np.floating) or dtype == _BFLOAT16


def is_low(dtype: str) -> bool:
    """Whether 64 units in the last place of a format are more than a rounding: half of the value in bfloat16."""
    return dtype in LOW


def eps(dtype: Any) -> float:
    """Give the spacing of a format's numbers at 1."""
    return float(ml_dtypes.finfo(dtype).eps)


def tiny(dtype: Any) -> float:
    """Give a format's smallest normal number."""
    return float(ml_dtypes.finfo(dtype).tiny)


def largest(dtype: Any) -> float:
    """Give a format's largest finite number."""
    return float(ml_dtypes.finfo(dtype).max)


def spacing(magnitude: float, dtype: Any) -> float:
    """Give the distance of a format's neighbouring numbers at a magnitude, within the range of its normal numbers."""
    _, exponent = math.frexp(min(max(magnitude, tiny(dtype)), largest(dtype)))
    return math.ldexp(eps(dtype), exponent - 1)


def cast(arrays: Mapping[str, Array], dtype: Any) -> Params:
    """Bring every floating-point array to a format; labels and other whole numbers stay as they are."""
    return {name: np.asarray(a).astype(dtype) if is_floating(a) else a for name, a in arrays.items()}
