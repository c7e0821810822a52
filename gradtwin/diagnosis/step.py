"""A step of hand code, known operation by operation: done again with changes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtwin.core.trees import mapped, replaced
from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.arrays_at_hand import NamedArray
from gradtwin.diagnosis.fit import Fit, is_mask
from gradtwin.diagnosis.location import Followed
from gradtwin.tracing.recording import Operation, Slot, slots_of
from manual_grads import Array

MOST_OPERATIONS = 400  # a longer step is not repaired
OVERHEAD = 2_000  # entries that one operation's own cost is worth
PRODUCTS = {"matmul.__call__", "dot"}

Edge = tuple[int, tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Change:
    """A change of a step: operations exchanged, and what it means that this makes the step right."""

    operations: dict[int, Any]
    id: CauseId
    text: str


class Step:
    """The operations between the reference's upstream gradients and one gradient."""

    def __init__(self, followed: Followed, name: str) -> None:
        maker = followed.makers[name]
        self.last, self.maker, self.recorder = maker.step, maker, followed.recorder
        fed = {m.step for m in followed.makers.values() if m.kind == "result" and m.step != maker.step}
        self.makers = fed | {maker.step}
        self.operations: dict[int, Operation] = {}
        waiting = [maker.step]
        while waiting and len(self.operations) <= MOST_OPERATIONS:
            number = waiting.pop()
            if number in self.operations or number in fed:
                continue
            operation = self.operations[number] = self.recorder.operations[number]
            waiting += [slot.step for _, slot in slots_of(operation) if slot.outside is None]
        self.order = sorted(self.operations)
        self.reads = {n: {slot.step for _, slot in slots_of(self.operations[n])} for n in self.order}
        self.values = {number: self.recorder.results[number] for number in self.order}
        self.values[self.last] = self._do(self.operations[self.last], self.values)

    def value(self, slot: Slot, values: dict[int, list[Array]]) -> Array:
        """Give the array in a slot."""
        if slot.outside is not None:
            return slot.outside
        return (values.get(slot.step) or self.recorder.results[slot.step])[slot.index]

    def result(self, change: dict[int, Any]) -> Array | None:
        """Do the step again with some operations exchanged; None when that fails."""
        values, moved = dict(self.values), set[int]()
        try:
            for number in self.order:
                if number in change or not moved.isdisjoint(self.reads[number]):
                    values[number] = self._do(change.get(number, self.operations[number]), values)
                    moved.add(number)
            return self.maker.to_returned(values[self.last][0])
        except Exception:
            return None  # shapes that do not fit, an axis that is not there: this is not the repair

    def _do(self, operation: Operation, values: dict[int, list[Array]]) -> list[Array]:
        args, kwargs = mapped(
            (operation.args, operation.kwargs),
            lambda leaf: self.value(leaf, values) if isinstance(leaf, Slot) else leaf,
        )
        if operation.writing == "out":
            kwargs.pop("out")
        if operation.writing == "first":
            target = np.array(args[0])
            operation.function(target, *args[1:], **kwargs)
            return [target]
        answer = operation.function(*args, **kwargs)
        return [np.asarray(part) for part in (answer if isinstance(answer, tuple | list) else [answer])]

    @property
    def effort(self) -> int:
        """Count the entries one trial touches."""
        sizes = [a.size for results in self.values.values() for a in results]
        return (
            OVERHEAD * len(self.order)
            + sum(sizes)
            + sum(s.outside.size for o in self.operations.values() for _, s in slots_of(o) if s.outside is not None)
        )


# ---- what a step reads --------------------------------------------------------------------------------


def places_read(step: Step) -> list[tuple[Edge, Slot]]:
    """List the places where a step reads an array: the operation and the path among its arguments."""
    return [((n, path), slot) for n in step.order for path, slot in slots_of(step.operations[n])]


def ready_made(step: Step, slot: Slot) -> Array | None:
    """Give an array that the step reads ready-made: from outside, or fed in."""
    if slot.outside is None and slot.step in step.operations:
        return None
    return step.value(slot, step.values)


def has_product(step: Step) -> bool:
    """Whether a step has a matrix product in it."""
    return any(step.operations[n].label in PRODUCTS | {"einsum"} for n in step.order)


def reads_upstream(fit: Fit, step: Step, but_at: list[Edge]) -> bool:
    """Whether the step reads an upstream gradient of its own shape, other places left out."""
    upstream = [a.value for a in fit.at_hand if a.is_gradient and a.value.shape == fit.truth.shape]
    leaves = [
        leaf for edge, slot in places_read(step) if edge not in but_at and (leaf := ready_made(step, slot)) is not None
    ]
    return any(is_equal(up, leaf) for up in upstream for leaf in leaves)


def is_named_mask(array: NamedArray) -> bool:
    """Whether an array at hand is a dropout mask and not, say, targets of zeros and ones."""
    return array.kind == "value" and is_mask(array.value) and ("mask" in array.name or array.value.max() > 1)


def is_equal(a: Array, b: Array) -> bool:
    """Whether two arrays have one shape and the same numbers."""
    return a is b or (a.shape == b.shape and np.array_equal(a, b))


# ---- changing operations ----------------------------------------------------------------------------


def reading(step: Step, arrays: dict[Edge, Array]) -> dict[int, Operation]:
    """Exchange what some places read."""
    changed: dict[int, Operation] = {}
    for (number, path), array in arrays.items():
        operation = changed.get(number, step.operations[number])
        args, kwargs = replaced((operation.args, operation.kwargs), path, Slot(outside=array))
        changed[number] = replace(operation, args=args, kwargs=kwargs)
    return changed


def first_slot(operation: Operation) -> Slot | None:
    """Give the first array an operation reads."""
    return next((slot for _, slot in slots_of(operation)), None)


def left_out(operation: Operation) -> Operation:
    """Hand on the first array an operation reads, in the place of its result."""
    slot = first_slot(operation)
    return replace(operation, function=np.asarray, args=(slot,), kwargs={}, writing="")


def times(function: Callable[..., Any], factor: float | Array) -> Callable[..., Any]:
    """Give a function that multiplies another's result."""
    return lambda *args, **kwargs: function(*args, **kwargs) * factor


def line_text(operation: Operation) -> str:
    """Say which of the user's lines asked for an operation, where it stands in a file."""
    file, line = operation.line
    name = file.rpartition("/")[2]
    return f" ({name}, line {line})" if name.endswith(".py") else ""
