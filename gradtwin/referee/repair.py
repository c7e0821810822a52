"""The hand's own step, repaired: the one small change that makes it right is what is wrong with it.

The operations of a wrong step are known from following the code. They are done again, each time with one
change that undoes a usual slip: plus for minus, another axis, a transpose, another array. The change that
gives the right gradient names the slip.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtwin.referee.arrays_at_hand import NamedArray, derived
from gradtwin.referee.cause import Cause, Fit, is_mask, part
from gradtwin.referee.location import Followed
from gradtwin.referee.recording import Operation, Slot, slots_of
from manual_grads import Array

MOST_OPERATIONS = 80  # a longer step is not repaired
LARGEST_EFFORT = 3e8  # entries read and written by all trials of one repair
MOST_TRIALS = 1500
MOST_FOREIGN = 5
_REDUCTIONS = {"sum", "mean", "add.reduce", "max", "min"}
_PRODUCTS = {"matmul.__call__", "dot"}
_COMPARISONS = {"greater": np.greater_equal, "greater_equal": np.greater, "less": np.less_equal, "less_equal": np.less}

Edge = tuple[int, tuple[Any, ...]]


def repair(fit: Fit, followed: Followed) -> Cause | None:
    """Name the cause of a wrong gradient by the change that makes its step right.

    Args:
        fit: the gradient, wrong and right, with what is known around it.
        followed: the backward pass the gradient comes from.

    Returns:
        The cause, or None when no single change makes the step right.
    """
    with np.errstate(all="ignore"):
        step = _step(fit, followed)
        return None if step is None else _first_repair(fit, step)


@dataclass(frozen=True, eq=False)
class Change:
    """A change of a step: operations exchanged, and what it means that this makes the step right."""

    operations: dict[int, Any]
    id: str
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
        args, kwargs = _filled((operation.args, operation.kwargs), lambda slot: self.value(slot, values))
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
        return sum(sizes) + sum(
            s.outside.size for o in self.operations.values() for _, s in slots_of(o) if s.outside is not None
        )


def _step(fit: Fit, followed: Followed) -> Step | None:
    maker = followed.makers.get(fit.name)
    if maker is None or maker.kind != "result":
        return None
    step = Step(followed, fit.name)
    if len(step.operations) > MOST_OPERATIONS:
        return None
    again = step.result(step.operations)
    return step if again is not None and fit.is_met_by(np.asarray(again, np.float64)) else None


def _first_repair(fit: Fit, step: Step) -> Cause | None:
    trials = min(MOST_TRIALS, int(LARGEST_EFFORT / max(step.effort, 1)))
    for change in itertools.islice(_changes(fit, step), trials):
        result = step.result(change.operations)
        if result is not None and result.shape == fit.truth.shape and fit.is_right(np.asarray(result, np.float64)):
            return Cause(change.id, f"{fit.label} {change.text}")
    return None


def _changes(fit: Fit, step: Step) -> Iterator[Change]:
    yield from _foreign(fit, step)
    for kind in (_signs, _masks, _kinks, _epsilons, _axes, _turns, _reorderings, _scalars):
        if not fit.is_one_number or kind is _signs:
            for number in step.order:
                yield from kind(fit, step, number, step.operations[number])
    yield from _operands(fit, step)


# ---- changes of one operation -----------------------------------------------------------------------


def _signs(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    swapped = {"add.__call__": (np.subtract, "a plus"), "subtract.__call__": (np.add, "a minus")}
    if operation.label in swapped:
        function, written = swapped[operation.label]
        right = "a minus" if written == "a plus" else "a plus"
        exchanged = replace(operation, function=function)
        yield Change({number: exchanged}, "sign", f"has {written} where {right} is right{_at(operation)}")
    if operation.label == "negative.__call__":
        inside = number != step.last and _upstream_read(fit, step, []) and not _has_product(step)
        id = "wrong_activation_point" if inside else "sign"
        yield Change({number: _instead(operation)}, id, f"has a minus too many{_at(operation)}")


def _masks(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    """A mask that was turned or cut before it was applied."""
    if operation.label in _MOVING and (source := _first_slot(operation)) is not None:
        if source.outside is not None and is_mask(source.outside):
            yield Change(
                {number: _instead(operation)}, "mask_other", f"reads its mask in another order{_at(operation)}"
            )


_MOVING = {"getitem", "roll", "flip", "flipud", "fliplr"}


def _kinks(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    name = operation.label.removesuffix(".__call__")
    if name in _COMPARISONS:
        other = replace(operation, function=_COMPARISONS[name])
        text = f"takes another derivative at the kink: {name.replace('_', ' or ')} 0{_at(operation)}"
        yield Change({number: other}, "kink_convention", text)


def _epsilons(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    if operation.label not in ("add.__call__", "subtract.__call__", "maximum.__call__", "clip"):
        return
    small = [a for a in operation.args if isinstance(a, float) and 0 < abs(a) <= 0.01]
    if small and _first_slot(operation) is not None:
        yield Change({number: _instead(operation)}, "epsilon", f"has {small[0]:g} in a denominator{_at(operation)}")


def _axes(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    if operation.label in _REDUCTIONS:
        yield from _other_axes(step, number, operation)
        yield from _other_reduction(step, number, operation)
    if operation.label == "getitem" and _is_row(operation):
        summed = replace(operation, label="sum", function=np.sum, args=operation.args[:1], kwargs={"axis": 0})
        yield Change(
            {number: summed}, "missing_sum", f"is one example's: the sum over the batch is missing{_at(operation)}"
        )
    if operation.label == "getitem" and _is_column(operation):
        text = f"lets [N, 1] and [N] broadcast to N x N{_at(operation)}"
        yield Change({number: _instead(operation)}, "broadcast_nxn", text)


def _axis(operation: Operation) -> Any:
    return operation.kwargs.get("axis", operation.args[1] if len(operation.args) > 1 else None)


def _with(operation: Operation, function: Callable[..., Any], axis: Any) -> Operation:
    kept = {key: operation.kwargs[key] for key in ("keepdims",) if key in operation.kwargs}
    return replace(operation, function=function, args=operation.args[:1], kwargs=kept | {"axis": axis}, writing="")


_BY_LABEL: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "add.reduce": np.sum, "mean": np.mean, "max": np.max, "min": np.min,
}  # fmt: skip


def _other_axes(step: Step, number: int, operation: Operation) -> Iterator[Change]:
    source, axis = _first_slot(operation), _axis(operation)
    if source is None:
        return
    for right in range(step.value(source, step.values).ndim):
        if right == axis:
            continue
        changed = _with(operation, _BY_LABEL[operation.label], right)
        if axis is None:
            yield Change(
                {number: changed}, "all_axes", f"sums over all axes where axis {right} is right{_at(operation)}"
            )
        else:
            text = f"sums over axis {axis} where axis {right} is right{_at(operation)}"
            yield Change({number: changed}, "wrong_axis", text)


def _other_reduction(step: Step, number: int, operation: Operation) -> Iterator[Change]:
    pairs: dict[str, tuple[Callable[..., Any], str]] = {
        "mean": (np.sum, "a mean where a sum"),
        "sum": (np.mean, "a sum where a mean"),
    }
    pairs["add.reduce"] = pairs["sum"]
    if operation.label in pairs:
        function, says = pairs[operation.label]
        changed = _with(operation, function, _axis(operation))
        yield Change({number: changed}, "reduction", f"takes {says} is right{_at(operation)}")


def _is_row(operation: Operation) -> bool:
    return isinstance(operation.args[1], int | np.integer)


def _is_column(operation: Operation) -> bool:
    key = operation.args[1]
    return isinstance(key, tuple) and len(key) == 2 and key[0] == slice(None) and isinstance(key[1], int)


def _turns(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    if operation.label in ("T", "transpose", "swapaxes", "mT"):
        yield Change({number: _instead(operation)}, "transpose", f"transposes an array too many{_at(operation)}")
    if operation.label in _PRODUCTS:
        function = operation.function
        wrong_sides = [
            (lambda a, b: function(a.T, b), "lacks a transpose of its first factor"),
            (lambda a, b: function(a, b.T), "lacks a transpose of its second factor"),
            (lambda a, b: function(b, a), "has the factors of its product exchanged"),
            (lambda a, b: function(a.T, b.T), "lacks the transposes of its factors"),
            (lambda a, b: function(b.T, a), "has the factors of its product exchanged and one not transposed"),
            (lambda a, b: function(b, a.T), "has the factors of its product exchanged and one not transposed"),
            (lambda a, b: function(b.T, a.T), "has a product transposed"),
        ]
        for product, says in wrong_sides:
            yield Change({number: replace(operation, function=product)}, "transpose", says + _at(operation))


def _reorderings(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    moved = {"getitem": "permutation", "roll": "permutation", "flip": "permutation", "flipud": "permutation",
             "fliplr": "permutation", "absolute.__call__": "unknown", "square.__call__": "unknown"}  # fmt: skip
    says = {"absolute.__call__": "has an absolute value too many", "square.__call__": "has a square too many"}
    if operation.label in moved and not (operation.label == "getitem" and _is_row(operation)):
        text = says.get(operation.label, "reads an array in another order, or a part of it")
        whole = _keeps_size(step, number, operation)
        yield Change(
            {number: _instead(operation)}, moved[operation.label] if whole else "unknown", text + _at(operation)
        )


def _keeps_size(step: Step, number: int, operation: Operation) -> bool:
    source = _first_slot(operation)
    return source is not None and step.value(source, step.values).size == step.values[number][0].size


def _scalars(fit: Fit, step: Step, number: int, operation: Operation) -> Iterator[Change]:
    """A number inside the formula: it should not be there, or one is missing."""
    rows = fit.context.batch_size or 1
    if operation.label in ("multiply.__call__", "divide.__call__") and (constant := _constant(operation)):
        id = "reduction" if rows > 1 and constant in (rows, 1 / rows) else "factor"
        yield Change({number: _instead(operation)}, id, f"has a factor {constant:g} too many{_at(operation)}")
    if number == step.last:
        return
    for factor, id in ((2.0, "factor"), (0.5, "factor"), (rows, "reduction"), (1 / rows, "reduction")):
        if factor != 1:
            scaled = replace(operation, function=_times(operation.function, factor), writing="")
            yield Change({number: scaled}, id, f"lacks a factor {factor:g} inside{_at(operation)}")


def _constant(operation: Operation) -> float | None:
    numbers = [a for a in operation.args if isinstance(a, int | float) and a]
    if not numbers or len(operation.args) != 2 or _first_slot(operation) is None:
        return None
    return 1 / numbers[0] if operation.label.startswith("divide") else float(numbers[0])


def _times(function: Callable[..., Any], factor: float) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs) * factor


# ---- another array in the place of one --------------------------------------------------------------


def _foreign(fit: Fit, step: Step) -> Iterator[Change]:
    """Arrays that are neither parameters nor in the cache, such as those kept from an earlier call."""
    foreign = {edge: s.outside for edge, s in _edges(step) if s.is_foreign and s.outside is not None}
    groups = [group for group in _groups(foreign) if _is_foreign(fit, foreign[group[0]])]
    if part(fit) is not None:  # zeros and ones that spoil one row only are no mask of another forward pass
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
    for chosen in itertools.islice(itertools.product(*choices), MOST_TRIALS // 4):
        pairs = [(group, array) for group, array in zip(groups, chosen, strict=True) if array is not None]
        if not pairs:
            continue
        masks = all(_is_named_mask(array) and is_mask(foreign[group[0]]) for group, array in pairs)
        id, what = ("mask_other", "another mask") if masks else ("stale_cache", "an array of another forward pass")
        edges = {edge: array.value for group, array in pairs for edge in group}
        names = ", ".join(array.name for _, array in pairs)
        yield Change(_put(step, edges), id, f"is computed from {what} in the place of {names}")


def _is_foreign(fit: Fit, array: Array) -> bool:
    """Whether an array from outside holds numbers of its own, or is a mask: nothing that is at hand."""
    if array.dtype.kind != "f" or array.ndim == 0 or (np.unique(array).size < 3 and not is_mask(array)):
        return False
    return not any(_equal(a.value, array) or _equal(a.value.T, array) for a in fit.at_hand)


def is_foreign(fit: Fit, followed: Followed) -> bool:
    """Whether a step reads numbers that are neither parameters, nor in the cache, nor zeros and ones."""
    maker = followed.makers.get(fit.name)
    if maker is None or maker.kind != "result":
        return False
    arrays = [slot.outside for _, slot in _edges(Step(followed, fit.name)) if slot.is_foreign]
    return any(a is not None and np.unique(a).size > 2 and _is_foreign(fit, a) for a in arrays)


def _operands(fit: Fit, step: Step) -> Iterator[Change]:
    """Read another array at one, some or all places where an array is read."""
    arrays = {edge: _leaf(step, slot) for edge, slot in _edges(step)}
    groups = _groups({edge: array for edge, array in arrays.items() if array is not None and array.ndim})
    pool = [a for a in fit.at_hand if a.of != fit.name or not a.is_gradient] + _nearby(fit, step)
    yield from _exchanged_operands(fit, step, groups, arrays)
    for places in range(4):
        for group in groups:
            read = arrays[group[0]]
            assert read is not None
            for subset in _subsets(group, places):
                for array in pool:
                    same_shape = array.value.shape == read.shape
                    if (same_shape or places < 2) and not _equal(array.value, read):
                        yield _operand(fit, step, subset, read, array, len(subset) == len(group))


def _exchanged_operands(
    fit: Fit, step: Step, groups: list[list[Edge]], arrays: dict[Edge, Array | None]
) -> Iterator[Change]:
    for one, other in itertools.combinations(groups, 2):
        a, b = arrays[one[0]], arrays[other[0]]
        if a is not None and b is not None and a.shape == b.shape:
            change = _put(step, dict.fromkeys(one, b) | dict.fromkeys(other, a))
            yield Change(change, "wrong_operand", f"has {_name(fit, a)} and {_name(fit, b)} exchanged")


def _name(fit: Fit, array: Array) -> str:
    return next((a.name for a in fit.at_hand if _equal(a.value, array)), "an array")


def _nearby(fit: Fit, step: Step) -> list[NamedArray]:
    """Give what the hand computed around the step, whether it was used or not."""
    first = step.order[0]
    shape = step.values[step.last][0].shape
    numbers = [n for n in step.recorder.operations if first <= n < step.last]
    made = {n: step.recorder.results[n] for n in numbers if len(step.recorder.results[n]) == 1}
    return [
        NamedArray(arrays[0], f"another result{_at(step.recorder.operations[n])}", "made", "")
        for n, arrays in made.items()
        if arrays[0].shape == shape and np.unique(arrays[0]).size > 2 and n not in step.makers
    ]


def _operand(fit: Fit, step: Step, edges: list[Edge], read: Array, array: NamedArray, everywhere: bool) -> Change:
    id = "wrong_operand"
    if _is_named_mask(array):
        id = "mask_other"
    elif array.kind == "value" and _inside_derivative(fit, step, edges, read):
        id = "wrong_activation_point"
    operation = step.operations[edges[0][0]]
    text = f"reads {_name(fit, read)} where {array.name} is right{_at(operation)}"
    return Change(_put(step, dict.fromkeys(edges, array.value)), id, text)


def _is_named_mask(array: NamedArray) -> bool:
    return array.kind == "value" and is_mask(array.value) and ("mask" in array.name or array.value.max() > 1)


def _inside_derivative(fit: Fit, step: Step, edges: list[Edge], read: Array) -> bool:
    """Whether an array is read inside a function that multiplies an upstream gradient, entry by entry."""
    if _has_product(step):
        return False
    return _upstream_read(fit, step, edges) and (len(edges) > 1 or edges[0][0] != step.last)


def _has_product(step: Step) -> bool:
    return any(step.operations[n].label in _PRODUCTS | {"einsum"} for n in step.order)


def _upstream_read(fit: Fit, step: Step, but_at: list[Edge]) -> bool:
    """Whether the step reads an upstream gradient of its own shape, other places left out."""
    upstream = [a.value for a in fit.at_hand if a.is_gradient and a.value.shape == fit.truth.shape]
    leaves = [leaf for edge, slot in _edges(step) if edge not in but_at and (leaf := _leaf(step, slot)) is not None]
    return any(_equal(up, leaf) for up in upstream for leaf in leaves)


def _edges(step: Step) -> list[tuple[Edge, Slot]]:
    return [((n, path), slot) for n in step.order for path, slot in slots_of(step.operations[n])]


def _leaf(step: Step, slot: Slot) -> Array | None:
    """Give an array that the step reads ready-made: from outside, or fed in."""
    if slot.outside is None and slot.step in step.operations:
        return None
    return step.value(slot, step.values)


def _groups(arrays: dict[Edge, Array]) -> list[list[Edge]]:
    """Bring together the places that read one and the same array."""
    groups: list[list[Edge]] = []
    for edge, array in arrays.items():
        for group in groups:
            if _equal(arrays[group[0]], array):
                group.append(edge)
                break
        else:
            groups.append([edge])
    return groups


def _subsets(group: list[Edge], places: int) -> Iterator[list[Edge]]:
    """Give all places (0), each one alone (1), all but one or two (2), and every two (3)."""
    if places == 0:
        yield group
    elif places == 1 and len(group) > 1:
        yield from ([edge] for edge in group)
    elif places == 2:
        for left_out in (1, 2):
            if len(group) > left_out + 1:
                yield from ([e for e in group if e not in out] for out in itertools.combinations(group, left_out))
    elif places == 3 and len(group) > 3:
        yield from (list(pair) for pair in itertools.combinations(group, 2))


def _equal(a: Array, b: Array) -> bool:
    return a is b or (a.shape == b.shape and np.array_equal(a, b))


# ---- trees of arguments -----------------------------------------------------------------------------


def _filled(tree: Any, value: Callable[[Slot], Any]) -> Any:
    if isinstance(tree, Slot):
        return value(tree)
    if isinstance(tree, dict):
        return {key: _filled(part, value) for key, part in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(_filled(part, value) for part in tree)
    return tree


def _put(step: Step, arrays: dict[Edge, Array]) -> dict[int, Operation]:
    """Exchange what some places read."""
    changed: dict[int, Operation] = {}
    for (number, path), array in arrays.items():
        operation = changed.get(number, step.operations[number])
        args, kwargs = _exchanged((operation.args, operation.kwargs), path, Slot(outside=array))
        changed[number] = replace(operation, args=args, kwargs=kwargs)
    return changed


def _exchanged(tree: Any, path: tuple[Any, ...], slot: Slot) -> Any:
    if not path:
        return slot
    if isinstance(tree, dict):
        return tree | {path[0]: _exchanged(tree[path[0]], path[1:], slot)}
    return type(tree)(_exchanged(part, path[1:], slot) if i == path[0] else part for i, part in enumerate(tree))


def _first_slot(operation: Operation) -> Slot | None:
    return next((slot for _, slot in slots_of(operation)), None)


def _instead(operation: Operation) -> Operation:
    """Hand on the first array an operation reads, in the place of its result."""
    slot = _first_slot(operation)
    return replace(operation, function=np.asarray, args=(slot,), kwargs={}, writing="")


def _at(operation: Operation) -> str:
    file, line = operation.line
    name = file.rpartition("/")[2]
    return f" ({name}, line {line})" if name.endswith(".py") else ""
