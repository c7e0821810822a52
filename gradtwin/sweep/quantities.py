"""Times and sizes as people write them: 90, 90s, 10m, 1.5h; 512MB, 2GB."""

import math
import re

from gradtwin.core.errors import InputError

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_BYTES = {"MB": 10**6, "GB": 10**9}


def seconds(text: str, option: str) -> float:
    """Read a time.

    Args:
        text: a number of seconds, or one with s, m or h.
        option: the option it is the value of, for the error message.

    Raises:
        InputError: it is not a time above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([smh]?)", text.strip(), re.ASCII)
    number = float(found[1]) * _SECONDS[found[2]] if found else math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{option}: expected a time above 0, such as 90s, 10m or 1h, got {text!r}.")
    return number


def size(text: str, option: str) -> int:
    """Read a size in bytes.

    Args:
        text: a number with MB or GB.
        option: the option it is the value of, for the error message.

    Raises:
        InputError: it is not a size above 0.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?(MB|GB)", text.strip(), re.ASCII | re.IGNORECASE)
    number = int(float(found[1]) * _BYTES[found[2].upper()]) if found else 0
    if number <= 0:
        raise InputError(f"{option}: expected a size above 0 with its unit, such as 512MB or 2GB, got {text!r}.")
    return number
