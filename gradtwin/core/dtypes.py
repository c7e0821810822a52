"""The names of the floating-point formats, for what starts without numpy; `precision` says what they are."""

from typing import Literal, get_args

Dtype = Literal["float64", "float32", "bfloat16", "float16"]
DTYPES: tuple[str, ...] = get_args(Dtype)
DEFAULT_DTYPES = ("float64", "float32")
LOW = ("bfloat16", "float16")
