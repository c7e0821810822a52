"""The arrays a wrong gradient may have been made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from manual_grads import Array


@dataclass(frozen=True, eq=False)
class NamedArray:
    """An array, what to call it, its kind ("value", "parameter", "gradient" or a derived one) and its tensor."""

    value: Array
    name: str
    kind: str
    of: str

    @property
    def is_gradient(self) -> bool:
        """Whether it is dL/d<of>."""
        return self.kind == "gradient"


class Known(Protocol):
    """What holds the arrays: a `Context`."""

    @property
    def params(self) -> Mapping[str, Array]: ...
    @property
    def values(self) -> Mapping[str, Array]: ...
    @property
    def gradients(self) -> Mapping[str, Array]: ...


def at_hand(known: Known) -> list[NamedArray]:
    """List the right gradients, the forward values and the parameters, in float64."""
    return [
        *_named(known.gradients.items(), "gradient", "d"),
        *_named(known.values.items(), "value", ""),
        *_named(known.params.items(), "parameter", ""),
    ]


def _named(arrays: Iterable[tuple[str, Array]], kind: str, prefix: str) -> list[NamedArray]:
    return [
        NamedArray(np.asarray(array, np.float64), prefix + name, kind, name)
        for name, array in arrays
        if np.asarray(array).dtype.kind in "fiub"
    ]
