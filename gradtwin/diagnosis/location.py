"""Where a wrong gradient begins: each step of the hand code, fed with the reference's gradients."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradtwin.tracing.recording import NotFollowed, Recorded, Recorder, arrays_read, plain, same_memory
from manual_grads import Array, Cache, Params


def local_gradients(
    backward: Callable[[Params, Cache], Mapping[str, Any]],
    params: Params,
    cache: Cache,
    reference: Mapping[str, Array | None],
) -> dict[str, Array] | None:
    """Compute what each step of the hand code gives when every upstream gradient is the reference's.

    The code is run twice on arrays that number their operations. The first run shows which operation
    makes which gradient; in the second, each gradient is noted as soon as it is made, and the reference's
    put in its place, so that a fault is seen once and not again in every tensor below it.

    Args:
        backward: the hand-derived `backward(params, cache) -> gradients`; any numpy code.
        params: its parameters; copied, as is everything in `cache`.
        cache: whatever its forward pass left for it.
        reference: the right gradients by name; a name that is missing or None is not fed in.

    Returns:
        The local gradients by name, in the order the code computes them (loss end first), or None when the
        code cannot be followed: it fails on numbered arrays, or does not do the same operations twice.
        Compare the plain gradients in order then.
    """
    followed = follow(backward, params, cache, reference)
    return None if followed is None else followed.local


LONG_CODE = 3000  # operations beyond which only the time of making is looked at


@dataclass(frozen=True, eq=False)
class Followed:
    """A backward pass followed step by step: the local gradients, who makes each, and what was done.

    `makers` and `recorder` belong to the run that was fed with the reference's gradients.
    """

    local: dict[str, Array]
    makers: "dict[str, Maker]"
    recorder: Recorder

    def line_of(self, name: str) -> tuple[str, int] | None:
        """Give the user's file and line that make a gradient, when it was seen being made."""
        operation = self.recorder.operations.get(self.makers[name].step)
        return None if operation is None else operation.line


@dataclass(frozen=True, eq=False)
class Code:
    """The backward pass that a wrong gradient comes from; `followed` is None where it could not be followed."""

    backward: Callable[[Params, Cache], Mapping[str, Any]]
    params: Params
    cache: Cache
    followed: Followed | None


def follow(
    backward: Callable[[Params, Cache], Mapping[str, Any]],
    params: Params,
    cache: Cache,
    reference: Mapping[str, Array | None],
) -> Followed | None:
    """Do what `local_gradients` does, and keep what was done for further questions."""
    try:
        first = Recorder()
        makers = _find_makers(first, backward(*_wrapped(first, params, cache)))
        feed = _Feed(makers, reference)
        second = Recorder(feed.before, feed.after, keep=True)
        gradients = backward(*_wrapped(second, params, cache))
    except Exception:
        # Whatever the stranger's code throws at an array it has not met, the plain comparison still stands.
        return None
    if first.labels != second.labels or list(gradients) != [maker.name for maker in makers]:
        return None
    for maker in makers:
        feed.local.setdefault(maker.name, np.array(plain(np.asanyarray(gradients[maker.name]))))
    in_order = _from_the_loss(makers, second)
    local = {maker.name: feed.local[maker.name] for maker in in_order}
    return Followed(local, {maker.name: maker for maker in in_order}, second)


@dataclass(frozen=True)
class FirstWrong:
    """The first tensor, from the loss backwards, whose own step is wrong; `text` says so in one line."""

    name: str
    text: str
    wrong: tuple[str, ...]


def first_wrong(
    local: Mapping[str, Array],
    reference: Mapping[str, Array | None],
    is_wrong: Callable[[str, Array, Array], bool],
) -> FirstWrong | None:
    """Find the first gradient, from the loss backwards, that differs from the reference's.

    Args:
        local: gradients in the order of computation: `local_gradients`, or the plain ones.
        reference: the right gradients by name.
        is_wrong: `is_wrong(name, value, right value)`, the rule by which two values differ.

    Returns:
        The first wrong tensor and all that are wrong, or None.
    """
    known = {name: right for name in local if (right := reference.get(name)) is not None}
    wrong = [name for name, right in known.items() if is_wrong(name, local[name], right)]
    return FirstWrong(wrong[0], where(wrong[0]), tuple(wrong)) if wrong else None


def where(name: str) -> str:
    """Say where a tensor stands: its layer is the number its name ends with, when there is one."""
    if name == "loss":
        return "first wrong: the loss"
    layer = re.search(r"\d+$", name)
    return f"first wrong gradient: d{name} (layer {layer[0]})" if layer else f"first wrong gradient: d{name}"


@dataclass
class Maker:
    """Which operation makes a gradient.

    kind "result": operation `step` returns or fills it. "kept": operation `step` writes into it through
    another view; operation `made` returned it. "operand": unseen code made it, operation `step` is the
    first to read it, as its array number `position`. "unknown": nobody saw it made.
    `hops` are the copies and views between what was made and what was returned: (transposed, shape).
    """

    name: str
    order: tuple[float, int]
    kind: str = "unknown"
    step: int = -1
    made: int = -1
    position: int = 0
    hops: list[tuple[bool, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)

    def to_returned(self, made: Array) -> Array:
        """Carry a value from where it is made to the form it is returned in."""
        for transposed, _, shape in reversed(self.hops):
            made = made.T if transposed else made.reshape(shape)
        return made

    def to_made(self, returned: Array) -> Array:
        """Carry a value in the form it is returned in back to the form it is made in."""
        for transposed, shape, _ in self.hops:
            returned = returned.T if transposed else returned.reshape(shape)
        return returned


def _wrapped(recorder: Recorder, params: Params, cache: Cache) -> tuple[Any, Any]:
    memo: dict[int, Any] = {}
    return recorder.wrap(dict(params), memo), recorder.wrap(cache, memo)


def _find_makers(recorder: Recorder, gradients: Any) -> list[Maker]:
    if not isinstance(gradients, Mapping):
        raise NotFollowed("the gradients are no dictionary")
    makers: list[Maker] = []
    for index, (name, gradient) in enumerate(gradients.items()):
        maker = _maker(recorder, name, gradient, index)
        if makers and (maker.kind == "unknown" or _copies_an_input(recorder, maker)):
            maker.order = (makers[-1].order[0], index)
        makers.append(maker)
    _follow_copies(recorder, makers)
    return makers


def _maker(recorder: Recorder, name: str, gradient: Any, index: int) -> Maker:
    array = plain(np.asanyarray(gradient))
    own = gradient.step if isinstance(gradient, Recorded) else -1
    written = [step for step, target in recorder.writes if step > own and np.may_share_memory(array, target)]
    last = max(written, default=own)
    if last >= 0 and _is_among(array, recorder.results[last]):
        return Maker(name, (last, index), "result", last)
    if own >= 0 and _is_among(array, recorder.results[own]):
        return Maker(name, (last, index), "kept", last, made=own)
    digest = hash(array.tobytes())
    for step, position, operand, contents in recorder.operands:
        if contents == digest and same_memory(operand, array):
            return Maker(name, (step - 0.5, index), "operand", step, position=position)
    return Maker(name, (-1.0, index))


def _from_the_loss(makers: list[Maker], recorder: Recorder) -> list[Maker]:
    """Sort gradients by how many others lie between them and the loss, then by when they were made.

    When they were made alone decides where some gradient's making was not seen, or the code is long.
    """
    made = {maker.step for maker in makers if maker.kind == "result"}
    by_time = sorted(makers, key=lambda maker: maker.order)
    if any(maker.kind != "result" for maker in makers) or len(recorder.labels) > LONG_CODE:
        return by_time
    depth = {-1: 0}
    for step in sorted(made):
        depth[step] = 1 + max((depth[other] for other in _upstream(step, made, recorder)), default=-1)
    return sorted(by_time, key=lambda maker: depth[maker.step])


def _upstream(step: int, made: set[int], recorder: Recorder) -> set[int]:
    """Find the gradients a gradient is computed from."""
    found: set[int] = set()
    seen, waiting = {step}, [step]
    while waiting:
        for slot in arrays_read(recorder.operations[waiting.pop()]):
            if slot.step in made:
                found.add(slot.step)
            elif slot.step >= 0 and slot.step not in seen:
                seen.add(slot.step)
                waiting.append(slot.step)
    return found - {step}


def _copies_an_input(recorder: Recorder, maker: Maker) -> bool:
    """Whether a gradient is only a copy of an array that was there before: that may be made at any time."""
    return maker.kind == "result" and maker.step in recorder.copies_of_inputs


def _is_among(array: Array, results: list[Array]) -> bool:
    return any(same_memory(array, result) for result in results)


def _follow_copies(recorder: Recorder, makers: list[Maker]) -> None:
    """Move each maker from a copy to what was copied: what lies below may be computed from either."""
    taken = {maker.step for maker in makers if maker.kind == "result"}
    for maker in sorted(makers, key=lambda m: m.order):
        while maker.kind == "result" and maker.step in recorder.origins:
            source, transposed = recorder.origins[maker.step]
            if source in taken:
                maker.order = (source, maker.order[1])
                break
            shapes = (recorder.results[source][0].shape, recorder.results[maker.step][0].shape)
            maker.hops.append((transposed, *shapes))
            maker.step, maker.order = source, (source, maker.order[1])
            taken.add(source)


class _Feed:
    """Notes each gradient when it is made, and puts the reference's in its place."""

    def __init__(self, makers: list[Maker], reference: Mapping[str, Array | None]) -> None:
        self.local: dict[str, Array] = {}
        self._reference = reference
        self._kept: dict[int, Array] = {}
        self._keep = {maker.made for maker in makers if maker.kind == "kept"}
        self._at: dict[tuple[str, int], list[Maker]] = {}
        for maker in makers:
            self._at.setdefault((maker.kind, maker.step), []).append(maker)

    def before(self, step: int, operands: list[Array]) -> None:
        """Feed what unseen code made, just before it is read for the first time."""
        for maker in self._at.get(("operand", step), ()):
            operand = operands[maker.position]
            if operand.flags.writeable:
                np.copyto(operand, self._exchange([maker], operand))

    def after(self, step: int, results: list[Array]) -> list[Array]:
        """Feed what the operation made."""
        if step in self._keep:
            self._kept[step] = results[0]
        for maker in self._at.get(("kept", step), ()):
            kept = self._kept[maker.made]
            np.copyto(kept, self._exchange([maker], kept))
        makers = self._at.get(("result", step), [])
        return [self._exchange(makers, result) for result in results] if makers else results

    def _exchange(self, makers: list[Maker], made: Array) -> Array:
        """Note a value under its names and give the reference's instead.

        One array returned under several names was handed on unchanged between them: the name it fits best
        is taken for the first, and each later one is given what the one before it should have been.
        """
        value = made
        for maker in sorted(makers, key=lambda m: self._misfit(m, made)):
            self.local[maker.name] = np.array(maker.to_returned(value))
            right = self._reference.get(maker.name)
            if right is not None and maker.to_returned(value).shape == right.shape:
                value = np.ascontiguousarray(maker.to_made(right)).astype(made.dtype).reshape(made.shape)
        return value

    def _misfit(self, maker: Maker, made: Array) -> float:
        right, value = self._reference.get(maker.name), maker.to_returned(made)
        if right is None or right.shape != value.shape:
            return float("inf")
        return float(np.abs(value - right).max(initial=0.0))
