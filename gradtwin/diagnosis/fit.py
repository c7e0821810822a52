"""A wrong gradient beside the right one, what is known around it, and how closely a proposal must meet it."""

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.arrays_at_hand import NamedArray, at_hand
from gradtwin.diagnosis.location import Code
from manual_grads import Array

FITS = 1e-9  # the largest residual, relative to the difference that is explained
ROUNDINGS = 64.0  # what rounding alone may add to it, in units of the precision


@dataclass(frozen=True)
class Cause:
    """Why a gradient is wrong: an id, and a line for the reader.

    `id` is `UNKNOWN` where the text says what the value is, but no slip of the vocabulary makes it.
    """

    id: CauseId
    text: str


@dataclass(frozen=True)
class Context:
    """What is known around a wrong gradient.

    Attributes:
        params: the parameters, by name.
        values: forward intermediates and the batch's arrays, by name, as far as they are known.
        gradients: the right gradients, by name.
        batch_size: the number N of examples, None where there is no batch.
        manual: the hand's own gradients as it returned them, to recognize an exchanged pair.
        learning_rate: the step size of the training, where there is one.
        stale: whether the hand code was seen to answer from an earlier forward pass; None where nobody looked.
        precision: the spacing of numbers at 1 in the precision of the check.
    """

    params: Mapping[str, Array]
    values: Mapping[str, Array]
    gradients: Mapping[str, Array]
    batch_size: int | None = None
    manual: Mapping[str, Array] = field(default_factory=dict)
    learning_rate: float | None = None
    stale: bool | None = None
    precision: float = float(np.finfo(np.float64).eps)

    @functools.cached_property
    def exchanged(self) -> dict[str, str]:
        """The pairs of gradients that the hand returned under each other's name; each name gives the other."""
        fits = {
            name: Fit(name, np.asarray(value), right, self)
            for name, value in self.manual.items()
            if (right := self.gradients.get(name)) is not None and np.shape(value) == np.shape(right)
        }
        wrong = [fit for fit in fits.values() if fit.is_decidable]
        pairs = [(a, b) for a, b in itertools.combinations(wrong, 2) if a.is_met_by(b.truth) and b.is_met_by(a.truth)]
        return {a.name: b.name for a, b in pairs} | {b.name: a.name for a, b in pairs}


class Fit:
    """One wrong gradient beside the right one, and how closely a proposal must meet it."""

    def __init__(self, name: str, manual: Array, truth: Array, context: Context, code: Code | None = None) -> None:
        manual, truth = np.asarray(manual, np.float64), np.asarray(truth, np.float64)
        self.name, self.manual, self.truth, self.context, self.code = name, manual, truth, context, code
        with np.errstate(all="ignore"):
            self.difference = manual - truth if manual.shape == truth.shape else np.array(manual)
            size = float(np.abs(self.difference).max(initial=0.0))
            scale = max(float(np.abs(a).max(initial=0.0)) for a in (manual, truth))
        self.rounding = ROUNDINGS * context.precision * scale
        self.tolerance = FITS * size + self.rounding
        self.is_decidable = self.tolerance < 0.01 * size

    @functools.cached_property
    def at_hand(self) -> list[NamedArray]:
        """The arrays the gradient may have been made of."""
        return at_hand(self.context)

    @property
    def label(self) -> str:
        """The gradient as the page writes it."""
        return "the loss" if self.name == "loss" else f"d{self.name}"

    def is_met_by(self, proposal: Array) -> bool:
        """Whether the wrong value is this one, as nearly as the difference and its own size ask."""
        return self._is_close(self.manual, proposal, self._tolerance_at(self.manual))

    def _tolerance_at(self, value: Array) -> float:
        scale = float(np.abs(value).max(initial=0.0))
        return min(self.tolerance, FITS * scale) + ROUNDINGS * self.context.precision * scale

    def _is_close(self, value: Array, proposal: Array, tolerance: float) -> bool:
        """Whether two arrays are equal: where the difference is largest, everywhere, and in the middle entry."""
        if proposal.shape != value.shape:
            return False
        worst = self._worst if value.shape == self.difference.shape else ()
        if not np.all(np.abs(value[worst] - proposal[worst]) <= tolerance):
            return False
        residual = np.abs(value - proposal)
        return bool(np.all(residual <= tolerance)) and bool(np.median(residual) <= self._middle)

    @functools.cached_property
    def _worst(self) -> tuple[np.intp, ...]:
        return np.unravel_index(int(np.argmax(np.abs(self.difference))), self.difference.shape)

    @functools.cached_property
    def _middle(self) -> float:
        """A single huge entry must not make all others look small."""
        return float(FITS * np.median(np.abs(self.difference)) + self.rounding)

    def is_truth(self, proposal: Array) -> bool:
        """Whether the right value is this one: to rounding, whatever the fault's size."""
        scale = float(np.abs(self.truth).max(initial=0.0))
        close = 1e-10 * scale if self.context.precision < 1e-10 else self.rounding * 4
        return proposal.shape == self.truth.shape and bool(np.all(np.abs(self.truth - proposal) <= close))

    def is_right(self, proposal: Array) -> bool:
        """Whether a proposal is the right value, as nearly as the difference to be explained asks."""
        return self._is_close(self.truth, proposal, self._tolerance_at(self.truth))

    def is_same_step(self, one: Array, other: Array) -> bool:
        """Whether two step functions agree wherever the right gradient is not 0 and wherever it is wrong."""
        matters = (self.truth != 0) | (self.difference != 0)
        return bool(np.array_equal(one[matters], other[matters]))

    @property
    def is_one_number(self) -> bool:
        """Whether the right gradient holds a single value, so that any other is a multiple of it."""
        nonzero = self.truth[self.truth != 0]
        return nonzero.size < 2 or bool(np.ptp(nonzero) <= self.rounding)


def is_mask(array: Array) -> bool:
    """Whether an array holds zeros and one other positive number."""
    array = np.asarray(array)
    if array.size < 2 or array.dtype.kind not in "fb":
        return False
    high = array.max()
    return bool(high > 0 and array.min() == 0 and np.all((array == 0) | (array == high)))
