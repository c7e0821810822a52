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


def derived(known: Known) -> list[NamedArray]:
    """List what activations and their derivatives give for the forward values, and the values' opposites."""
    found = []
    with np.errstate(all="ignore"):
        for name, value in known.values.items():
            v = np.asarray(value, np.float64)
            if v.ndim == 0:
                continue
            sigmoid = 1 / (1 + np.exp(-v))
            functions = [
                (sigmoid, f"σ({name})"),
                (1 / (1 + np.exp(v)), f"σ(-{name})"),
                (sigmoid * (1 - sigmoid), f"σ'({name})"),
                ((v > 0) * 1.0, f"1[{name} > 0]"),
                (v * (1 - v), f"{name} (1 - {name})"),
                (1 - v, f"1 - {name}"),
                (-v, f"-{name}"),
            ]
            if v.ndim == 2:
                e = np.exp(v - v.max(axis=1, keepdims=True))
                functions.append((e / e.sum(axis=1, keepdims=True), f"softmax({name})"))
            found += [NamedArray(array, text, "derived", name) for array, text in functions]
    return found


def _named(arrays: Iterable[tuple[str, Array]], kind: str, prefix: str) -> list[NamedArray]:
    return [
        NamedArray(np.asarray(array, np.float64), prefix + name, kind, name)
        for name, array in arrays
        if np.asarray(array).dtype.kind in "fiub"
    ]
