"""Another array in the place of one that a step should read, each with the change that puts it right."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum

import numpy as np

from gradtwin.core.precision import is_floating
from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.arrays_at_hand import NamedArray, derived
from gradtwin.diagnosis.fit import Fit, is_mask
from gradtwin.diagnosis.location import Followed
from gradtwin.diagnosis.step import (
    PRODUCTS,
    Change,
    Edge,
    Step,
    has_product,
    is_equal,
    is_named_mask,
    line_text,
    places_read,
    reading,
    reads_upstream,
    ready_made,
    times,
)
from gradtwin.diagnosis.value_rules import one_part
from gradtwin.tracing.recording import slots_of
from manual_grads import Array

MOST_FOREIGN = 5
MOST_FOREIGN_TRIALS = 400
MOST_COMPUTED = 30


class Places(Enum):
    """At which of the places that read an array another one is tried."""

    ALL = "all"
    ONE = "each one alone"
    ALL_BUT_SOME = "all but one or two"
    TWO = "every two"


def foreign_arrays(fit: Fit, step: Step) -> Iterator[Change]:
    """Arrays that are neither parameters nor in the cache, such as those kept from an earlier call."""
    foreign = {edge: s.outside for edge, s in places_read(step) if s.is_foreign and s.outside is not None}
    groups = [group for group in _groups(foreign) if _is_foreign(fit, foreign[group[0]])]
    if one_part(fit) is not None:  # zeros and ones that spoil one row only are no mask of another forward pass
        groups = [group for group in groups if not is_mask(foreign[group[0]])]
    if not groups or len(groups) > MOST_FOREIGN:
        return
    choices: list[list[NamedArray | None]] = []
    for group in groups:
        shape = foreign[group[0]].shape
        if is_mask(foreign[group[0]]):
            two_valued = [
                a for a in [*fit.at_hand, *derived(fit.context)] if is_mask(a.value) and a.value.shape == shape
            ]
            choices.append([None, *two_valued])
            continue
        turned = [replace(a, value=a.value.T) for a in fit.at_hand if a.value.ndim == 2]
        fitting = [a for a in [*fit.at_hand, *turned, *derived(fit.context)] if a.value.shape == shape]
        choices.append([None, *sorted(fitting, key=lambda a: a.is_gradient)])
    for chosen in itertools.islice(itertools.product(*choices), MOST_FOREIGN_TRIALS):
        pairs = [(group, array) for group, array in zip(groups, chosen, strict=True) if array is not None]
        if not pairs:
            continue
        masks = all(is_named_mask(array) and is_mask(foreign[group[0]]) for group, array in pairs)
        id = CauseId.MASK_OTHER if masks else CauseId.STALE_CACHE
        what = "a different mask" if masks else "an array of another forward pass"
        edges = {edge: array.value for group, array in pairs for edge in group}
        names = ", ".join(array.name for _, array in pairs)
        yield Change(reading(step, edges), id, f"uses {what} instead of {names}")


def _is_foreign(fit: Fit, array: Array) -> bool:
    """Whether an array from outside holds numbers of its own, or is a mask: nothing that is at hand."""
    if not is_floating(array) or array.ndim == 0 or (np.unique(array).size < 3 and not is_mask(array)):
        return False
    return not any(is_equal(a.value, array) or is_equal(a.value.T, array) for a in fit.at_hand)


def is_foreign(fit: Fit, followed: Followed) -> bool:
    """Whether a step reads numbers that are neither parameters, nor in the cache, nor zeros and ones."""
    maker = followed.makers.get(fit.name)
    if maker is None or maker.kind != "result":
        return False
    arrays = [slot.outside for _, slot in places_read(Step(followed, fit.name)) if slot.is_foreign]
    return any(a is not None and np.unique(a).size > 2 and _is_foreign(fit, a) for a in arrays)


def other_operands(fit: Fit, step: Step) -> Iterator[Change]:
    """Read another array at one, some or all places where an array is read."""
    arrays = {edge: ready_made(step, slot) for edge, slot in places_read(step)}
    groups = _groups({edge: array for edge, array in arrays.items() if array is not None and array.ndim})
    pool = [a for a in fit.at_hand if a.of != fit.name or not a.is_gradient] + _nearby(step)
    yield from _exchanged_operands(fit, step, groups, arrays)
    for places in Places:
        if places == Places.ALL_BUT_SOME:
            yield from _computed_operands(step, pool)
        for group in groups:
            read = arrays[group[0]]
            assert read is not None
            for subset in _subsets(group, places):
                yield _minus_lost(fit, step, subset, read)
                for array in pool:
                    may = _may_replace(array.value, read)
                    if may or (places in (Places.ALL, Places.ONE) and array.value.shape != read.shape):
                        yield _operand(fit, step, subset, read, array)


def _computed_operands(step: Step, pool: list[NamedArray]) -> Iterator[Change]:
    """Read another array than one of the hand's own results, but not one which that result is made of."""
    for edge, slot in places_read(step):
        if ready_made(step, slot) is not None:
            continue
        operation, read = step.operations[edge[0]], step.value(slot, step.values)
        in_product = operation.label in PRODUCTS | {"einsum", "T", "transpose"}
        made_of = _made_of(step, slot.step)
        cancels = operation.label in ("divide.__call__", "subtract.__call__")  # a / a and a - a repair too much
        beside = [step.value(s, step.values) for _, s in slots_of(operation)] if cancels else []
        for array in [*pool, *_computed(step, read.shape)] if in_product else pool:
            if not _may_replace(array.value, read) or any(is_equal(array.value, a) for a in [*made_of, *beside]):
                continue
            text = f"uses the wrong array; {array.name} is right{line_text(operation)}"
            yield Change(reading(step, {edge: array.value}), CauseId.WRONG_OPERAND, text)


def _may_replace(right: Array, read: Array) -> bool:
    """Whether an array may stand for another: of its shape, other numbers, and not two flags for each other."""
    if right.shape != read.shape or is_equal(right, read):
        return False
    return np.unique(right).size > 2 or np.unique(read).size > 2


def _made_of(step: Step, number: int) -> list[Array]:
    """Give what a result is made of, directly or not."""
    found, waiting = [], [number]
    while waiting:
        for _, slot in slots_of(step.operations[waiting.pop()]):
            found.append(step.value(slot, step.values))
            if slot.outside is None and slot.step in step.operations:
                waiting.append(slot.step)
    return found


def other_derivatives(step: Step) -> Iterator[Change]:
    """Multiply with the derivative of an activation, or with another one than the hand does."""
    for number in step.order:
        operation, made = step.operations[number], step.values[number][0]
        if made.ndim != 2 or not is_floating(made) or number == step.last:
            continue
        slopes = list(_slopes(step, made.shape))
        for slope in slopes if operation.label in PRODUCTS else ():
            scaled = replace(operation, function=times(operation.function, slope.value))
            text = f"is missing the factor {slope.name}{line_text(operation)}"
            yield Change({number: scaled}, CauseId.MISSING_ACTIVATION_DERIVATIVE, text)
        for path, slot in slots_of(operation) if operation.label == "multiply.__call__" else ():
            read = step.value(slot, step.values)
            for slope in slopes if read.shape == made.shape else ():
                text = f"uses the wrong derivative; {slope.name} is right{line_text(operation)}"
                yield Change(reading(step, {(number, path): slope.value}), CauseId.WRONG_ACTIVATION_POINT, text)


def _slopes(step: Step, shape: tuple[int, ...]) -> Iterator[NamedArray]:
    """Give the derivatives of activations, of everything of one shape that the hand computed."""
    for array in _computed(step, shape):
        v, n = array.value, array.name
        if np.unique(v).size < 3:
            continue
        if v.min() < 0 < v.max():
            yield NamedArray((v > 0) * 1.0, f"1[v > 0], where v is {n}", "made", "")
        yield NamedArray(1 - v * v, f"1 - v², where v is {n}", "made", "")
        yield NamedArray(v * (1 - v), f"v * (1 - v), where v is {n}", "made", "")


def _computed(step: Step, shape: tuple[int, ...]) -> list[NamedArray]:
    """Give everything of one shape that the hand computed, up to this gradient."""
    results = step.recorder.results
    made = [(n, array) for n in sorted(step.recorder.operations) if n < step.last for array in results[n]]
    found = [
        NamedArray(array, _result_of(step, n), "made", "")
        for n, array in made
        if array.shape == shape and is_floating(array)
    ]
    return found[:MOST_COMPUTED]


def _result_of(step: Step, number: int) -> str:
    """Name what an operation made by its line."""
    line = line_text(step.recorder.operations[number]).strip(" ()").replace(", ", " ")
    return f"the result of {line or 'an earlier operation'}"


def _exchanged_operands(
    fit: Fit, step: Step, groups: list[list[Edge]], arrays: dict[Edge, Array | None]
) -> Iterator[Change]:
    for one, other in itertools.combinations(groups, 2):
        a, b = arrays[one[0]], arrays[other[0]]
        if a is not None and b is not None and a.shape == b.shape:
            change = reading(step, dict.fromkeys(one, b) | dict.fromkeys(other, a))
            yield Change(change, CauseId.WRONG_OPERAND, f"has {_name(fit, a)} and {_name(fit, b)} swapped")


def _name(fit: Fit, array: Array) -> str:
    return next((a.name for a in fit.at_hand if is_equal(a.value, array)), "an array")


def _nearby(step: Step) -> list[NamedArray]:
    """Give what the hand computed around the step, whether it was used or not."""
    first = step.order[0]
    shape = step.values[step.last][0].shape
    numbers = [n for n in step.recorder.operations if first <= n < step.last]
    made = {n: step.recorder.results[n] for n in numbers if len(step.recorder.results[n]) == 1}
    return [
        NamedArray(arrays[0], _result_of(step, n), "made", "")
        for n, arrays in made.items()
        if arrays[0].shape == shape and is_floating(arrays[0]) and n not in step.makers
    ]


def _operand(fit: Fit, step: Step, edges: list[Edge], read: Array, array: NamedArray) -> Change:
    id = CauseId.WRONG_OPERAND
    if is_named_mask(array):
        id = CauseId.MASK_OTHER
    elif array.kind == "value" and _inside_derivative(fit, step, edges, read):
        id = CauseId.WRONG_ACTIVATION_POINT
    operation = step.operations[edges[0][0]]
    text = f"uses {_name(fit, read)}; {array.name} is right{line_text(operation)}"
    return Change(reading(step, dict.fromkeys(edges, array.value)), id, text)


def _minus_lost(fit: Fit, step: Step, edges: list[Edge], read: Array) -> Change:
    id = CauseId.WRONG_ACTIVATION_POINT if _inside_derivative(fit, step, edges, read) else CauseId.SIGN
    text = f"is missing a minus before {_name(fit, read)}{line_text(step.operations[edges[0][0]])}"
    return Change(reading(step, dict.fromkeys(edges, -read)), id, text)


def _inside_derivative(fit: Fit, step: Step, edges: list[Edge], read: Array) -> bool:
    """Whether an array is read inside a function that multiplies an upstream gradient, entry by entry."""
    if has_product(step):
        return False
    return reads_upstream(fit, step, edges) and (len(edges) > 1 or edges[0][0] != step.last)


def _groups(arrays: dict[Edge, Array]) -> list[list[Edge]]:
    """Bring together the places that read one and the same array."""
    groups: list[list[Edge]] = []
    for edge, array in arrays.items():
        for group in groups:
            if is_equal(arrays[group[0]], array):
                group.append(edge)
                break
        else:
            groups.append([edge])
    return groups


def _subsets(group: list[Edge], places: Places) -> Iterator[list[Edge]]:
    """Give the subsets of one kind of the places that read an array."""
    if places == Places.ALL:
        yield group
    elif places == Places.ONE and len(group) > 1:
        yield from ([edge] for edge in group)
    elif places == Places.ALL_BUT_SOME:
        for left_out in (1, 2):
            if len(group) > left_out + 1:
                yield from ([e for e in group if e not in out] for out in itertools.combinations(group, left_out))
    elif places == Places.TWO and len(group) > 3:
        yield from (list(pair) for pair in itertools.combinations(group, 2))
