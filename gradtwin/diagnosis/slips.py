"""Slips in one operation of a step, each with the change that undoes it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.fit import Fit
from gradtwin.diagnosis.step import (
    PRODUCTS,
    Change,
    Step,
    first_slot,
    has_product,
    is_equal,
    is_named_mask,
    left_out,
    line_text,
    reads_upstream,
    times,
)
from gradtwin.tracing.recording import Operation

_REDUCTIONS = {"sum", "mean", "add.reduce", "max", "min"}
_COMPARISONS = {"greater": np.greater_equal, "greater_equal": np.greater, "less": np.less_equal, "less_equal": np.less}
_SIGNS = {"greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<="}
_OTHER = {"greater": "greater_equal", "greater_equal": "greater", "less": "less_equal", "less_equal": "less"}
_MOVING = {"getitem", "roll", "flip", "flipud", "fliplr"}
_BY_LABEL: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "add.reduce": np.sum, "mean": np.mean, "max": np.max, "min": np.min,
}  # fmt: skip


def _signs(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    swapped = {"add.__call__": (np.subtract, "a plus"), "subtract.__call__": (np.add, "a minus")}
    if operation.label in swapped:
        function, written = swapped[operation.label]
        right = "a minus" if written == "a plus" else "a plus"
        exchanged = replace(operation, function=function)
        yield Change({number: exchanged}, CauseId.SIGN, f"has {written}; {right} is right{line_text(operation)}")
    if operation.label == "negative.__call__":
        inside = number != step.last and reads_upstream(fit, step, []) and not has_product(step)
        id = CauseId.WRONG_ACTIVATION_POINT if inside else CauseId.SIGN
        yield Change({number: left_out(operation)}, id, f"has an extra minus sign{line_text(operation)}")


def _masks(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    """A mask that was turned or cut before it was applied."""
    if operation.label in _MOVING and (source := first_slot(operation)) is not None:
        mask = source.outside
        if mask is not None and any(is_named_mask(a) and is_equal(a.value, mask) for a in fit.at_hand):
            yield Change(
                {number: left_out(operation)},
                CauseId.MASK_OTHER,
                f"reads its mask in the wrong order{line_text(operation)}",
            )


def _kinks(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    name = operation.label.removesuffix(".__call__")
    if name in _COMPARISONS:
        other = replace(operation, function=_COMPARISONS[name])
        used, right = _SIGNS[name], _SIGNS[_OTHER[name]]
        text = f"uses {used} at the kink where the reference uses {right}{line_text(operation)}"
        yield Change({number: other}, CauseId.KINK_CONVENTION, text)


_DIVISIONS = ("divide", "true_divide", "reciprocal", "power", "float_power", "sqrt", "log")


def _epsilons(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    if operation.label not in ("add.__call__", "subtract.__call__", "maximum.__call__", "clip"):
        return
    small = [a for a in operation.args if isinstance(a, float) and 0 < abs(a) <= 0.01]
    if small and first_slot(operation) is not None:
        divided = _feeds_a_division(step, number)
        text = f"has {small[0]:g} {'in a denominator' if divided else 'added'}{line_text(operation)}"
        yield Change({number: left_out(operation)}, CauseId.UNKNOWN if number == step.last else CauseId.EPSILON, text)


def _feeds_a_division(step: Step, number: int) -> bool:
    """Whether what an operation makes is divided by, or goes into a root or a logarithm, before the step's end."""
    reached = {number}
    for later in step.order:
        if later > number and not step.reads[later].isdisjoint(reached):
            reached.add(later)
            if step.operations[later].label.startswith(_DIVISIONS):
                return True
    return False


def _axes(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    if operation.label in _REDUCTIONS:
        yield from _other_axes(step, number, operation)
        yield from _other_reduction(step, number, operation)
    if operation.label == "getitem" and _is_row(operation):
        summed = replace(operation, label="sum", function=np.sum, args=operation.args[:1], kwargs={"axis": 0})
        yield Change(
            {number: summed},
            CauseId.MISSING_SUM,
            f"is one example's; sum over the batch{line_text(operation)}",
        )
    if operation.label == "getitem" and _is_column(operation):
        text = f"lets [N, 1] and [N] broadcast to N x N{line_text(operation)}"
        yield Change({number: left_out(operation)}, CauseId.BROADCAST_NXN, text)


def _axis(operation: Operation) -> Any:
    return operation.kwargs.get("axis", operation.args[1] if len(operation.args) > 1 else None)


def _with(operation: Operation, function: Callable[..., Any], axis: Any) -> Operation:
    kept = {key: operation.kwargs[key] for key in ("keepdims",) if key in operation.kwargs}
    return replace(operation, function=function, args=operation.args[:1], kwargs=kept | {"axis": axis}, writing="")


def _other_axes(step: Step, number: int, operation: Operation) -> Iterator[Change]:
    source, axis = first_slot(operation), _axis(operation)
    if source is None:
        return
    function = _BY_LABEL[operation.label]
    for right in range(step.value(source, step.values).ndim):
        if axis is None:
            text = f"sums over all axes; axis {right} is right{line_text(operation)}"
            for keepdims in (False, True):
                changed = replace(_with(operation, function, right), kwargs={"axis": right, "keepdims": keepdims})
                yield Change({number: changed}, CauseId.ALL_AXES, text)
        elif right != axis:
            text = f"sums over axis {axis}; axis {right} is right{line_text(operation)}"
            yield Change({number: _with(operation, function, right)}, CauseId.WRONG_AXIS, text)


def _other_reduction(step: Step, number: int, operation: Operation) -> Iterator[Change]:
    pairs: dict[str, tuple[Callable[..., Any], str]] = {
        "mean": (np.sum, "averages; it must sum"),
        "sum": (np.mean, "sums; it must average"),
    }
    pairs["add.reduce"] = pairs["sum"]
    if operation.label in pairs:
        function, says = pairs[operation.label]
        changed = _with(operation, function, _axis(operation))
        yield Change({number: changed}, CauseId.REDUCTION, says + line_text(operation))


def _is_row(operation: Operation) -> bool:
    return isinstance(operation.args[1], int | np.integer)


def _is_column(operation: Operation) -> bool:
    key = operation.args[1]
    return isinstance(key, tuple) and len(key) == 2 and key[0] == slice(None) and isinstance(key[1], int)


def _turns(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    if operation.label in ("T", "transpose", "swapaxes", "mT"):
        yield Change({number: left_out(operation)}, CauseId.TRANSPOSE, f"has an extra transpose{line_text(operation)}")
    if operation.label in PRODUCTS:
        function = operation.function
        wrong_sides = [
            (lambda a, b: function(a.T, b), "is missing the transpose of its first factor"),
            (lambda a, b: function(a, b.T), "is missing the transpose of its second factor"),
            (lambda a, b: function(b, a), "has the factors of its product swapped"),
            (lambda a, b: function(a.T, b.T), "is missing the transposes of its factors"),
            (lambda a, b: function(b.T, a), "has the factors of its product swapped and one not transposed"),
            (lambda a, b: function(b, a.T), "has the factors of its product swapped and one not transposed"),
            (lambda a, b: function(b.T, a.T), "has a product transposed"),
        ]
        for product, says in wrong_sides:
            yield Change({number: replace(operation, function=product)}, CauseId.TRANSPOSE, says + line_text(operation))


def _reorderings(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    moved = dict.fromkeys(_MOVING, CauseId.PERMUTATION)
    moved |= dict.fromkeys(("absolute.__call__", "square.__call__"), CauseId.UNKNOWN)
    says = {"absolute.__call__": "has an extra absolute value", "square.__call__": "is squared once too often"}
    if operation.label in moved and not (operation.label == "getitem" and _is_row(operation)):
        text = says.get(operation.label, "reads an array in the wrong order, or only part of it")
        whole = _keeps_size(step, number, operation)
        id = moved[operation.label] if whole else CauseId.UNKNOWN
        yield Change({number: left_out(operation)}, id, text + line_text(operation))


def _keeps_size(step: Step, number: int, operation: Operation) -> bool:
    source = first_slot(operation)
    return source is not None and step.value(source, step.values).size == step.values[number][0].size


def _scalars(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    """A number inside the formula: it should not be there, or one is missing."""
    rows = fit.context.batch_size or 1
    if operation.label in ("multiply.__call__", "divide.__call__") and (constant := _constant(operation)):
        id = CauseId.REDUCTION if rows > 1 and constant in (rows, 1 / rows) else CauseId.FACTOR
        yield Change({number: left_out(operation)}, id, f"has an extra factor {constant:g}{line_text(operation)}")
    if number == step.last:
        return
    factors = dict.fromkeys((2.0, 0.5), CauseId.FACTOR) | dict.fromkeys((rows, 1 / rows), CauseId.REDUCTION)
    for factor, id in factors.items():
        if factor != 1:
            scaled = replace(operation, function=times(operation.function, factor), writing="")
            yield Change({number: scaled}, id, f"is missing a factor {factor:g}{line_text(operation)}")


def _constant(operation: Operation) -> float | None:
    numbers = [a for a in operation.args if isinstance(a, int | float) and a]
    if not numbers or len(operation.args) != 2 or first_slot(operation) is None:
        return None
    return 1 / numbers[0] if operation.label.startswith("divide") else float(numbers[0])


SLIPS: tuple[Callable[[Fit, Step, int, Operation], Iterator[Change]], ...] = (
    _signs, _masks, _kinks, _epsilons, _axes, _turns, _reorderings, _scalars,
)  # fmt: skip
