"""Other points of a twin, where faults show that its own point cannot show."""

import functools
import inspect
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.faults.mutation import Page, sources
from gradtwin.faults.operators import scaled
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array, Params


def other_homes(twin: Twin) -> list[Twin]:
    """Give the twin at points of its own kind: exact zeros at a relu, two outputs, a mean, other numbers."""
    return [home for make in (at_kinks, with_two_outputs, with_mean, with_other_numbers) if (home := make(twin))]


def fixed(twin: Twin, params: Params, batch: Batch) -> Twin:
    """Give a twin one operating point for all seeds."""
    return replace(twin, init=lambda rng: params, batch=batch, source_start=None)


def at_kinks(twin: Twin) -> Twin | None:
    """Put a logit of a relu at exactly zero."""
    if not any(source.called.endswith("relu_derivative") for source in sources(Page(twin))):
        return None
    params, batch = twin.point(0)
    zeroed = [name for name in params if name in ("x", "b1")]
    params = params | {name: scaled(params[name], (0,) * np.ndim(params[name]), 0.0) for name in zeroed}
    inputs = batch[0] if "x" in params else scaled(batch[0], 0, 0.0)
    return fixed(twin, params, (inputs, *batch[1:]))


def with_two_outputs(twin: Twin) -> Twin | None:
    """Widen a network of one output, so that entries and examples differ in number."""
    if twin.resize is None or twin.widths is None or twin.widths[-1] > 1:
        return None
    return twin.resize((*twin.widths[:-1], 2))


def with_mean(twin: Twin) -> Twin | None:
    """Take the mean of a loss that can be had as a sum or a mean, on both sides."""
    if "reduction" not in inspect.signature(twin.manual.forward).parameters:
        return None
    parts = {name: getattr(twin.manual, name) for name in ("init_params", "backward")}
    manual = SimpleNamespace(**parts, forward=functools.partial(twin.manual.forward, reduction="mean"))
    return replace(twin, manual=manual, reference=functools.partial(_mean_of, twin.reference))


def _mean_of(reference: Any, *arguments: Any) -> Any:
    return resolve(reference)(*arguments, reduction="mean")


def with_other_numbers(twin: Twin) -> Twin | None:
    """Give a twin of fixed numbers others, the input negative."""
    if twin.data != "fixed":
        return None
    rng = np.random.default_rng(1)
    return fixed(twin, twin.manual.init_params(rng), tuple(-np.abs(array) / 3 for array in twin.point(0)[1]))


def square(twin: Twin, rows: int) -> Twin:
    """Give the twin a batch of as many examples as a bias has entries, where sums over both axes fit."""
    rng = np.random.default_rng(2)
    params, batch = twin.point(0)
    examples = len(batch[-1])

    def drawn(array: Array, moved: bool) -> Array:
        if np.ndim(array) == 0:  # the same for all examples
            return array
        picked = array[rng.integers(examples, size=rows)]
        return picked * rng.uniform(0.5, 1.5, picked.shape) if moved else picked

    if Page(twin).node is not None:
        params = params | {"x": drawn(params["x"], True)}
        return fixed(twin, params, tuple(drawn(array, True) for array in batch))
    return fixed(twin, params, tuple(drawn(array, i == 0) for i, array in enumerate(batch)))
