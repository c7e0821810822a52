"""A traced pass as a list of numpy calls into arrays that are already there."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradtwin.tracing.traced import Call, NotTraceable, Tape, Traced
from manual_grads import Array, Params

Pass = Callable[..., tuple[Any, Mapping[str, Any]]]


class Program:
    """The calls of one pass, ready to be made again.

    Attributes:
        loss: the loss of the last run.
        calls: each without arguments, in the order they are made.
    """

    def __init__(self, calls: Sequence[Call], loss: Array) -> None:
        self.loss = loss
        self.calls = [call.ready() for call in calls]

    def __len__(self) -> int:
        return len(self.calls)

    def run(self) -> Array:
        """Make every call again, with whatever now stands in the parameters and the batch; give the loss."""
        for call in self.calls:
            call()
        return self.loss


def trace(work: Pass, params: Params, fixed: Sequence[Array], varying: Sequence[Array], into: Params) -> Program:
    """Run a pass once on arrays that write down what is done with them.

    Args:
        work: `work(params, *fixed, *varying) -> (loss, gradients)`.
        params: the parameters; each run of the program reads them here.
        fixed: the batch's first arrays, which are the same in every run.
        varying: its other arrays; each run reads them here.
        into: where each run puts the gradients of the parameters, by name.

    Returns:
        The program.

    Raises:
        NotTraceable: the code looks at a number, writes to an array, or calls what a trace does not know.
        Exception: whatever else it raises when it is given something that is no numpy array.
    """
    tape = Tape()
    given = [Traced(tape, array) for array in (*fixed, *varying)]
    loss, gradients = work({name: Traced(tape, array) for name, array in params.items()}, *given)
    ends = {name: gradients[name] for name in params}
    if not all(isinstance(end, Traced) for end in (loss, *ends.values())):
        raise NotTraceable("a result that depends on no input")
    calls = _without_constant(_needed(tape.calls, [loss, *ends.values()]), given[: len(fixed)])
    copies = _into_place(calls, ends, loss, into)
    _reuse_memory([*calls, *copies], [loss, *ends.values(), *(call.result for call in copies)])
    return Program([*calls, *copies], loss.place)


def _owner(array: Traced) -> Traced:
    """Give the array whose memory this one looks at."""
    while array.base is not None:
        array = array.base
    return array


def _needed(calls: Sequence[Call], ends: Sequence[Traced]) -> list[Call]:
    """Leave out the calls on whose results no end depends."""
    wanted = {id(_owner(end)) for end in ends}
    kept = []
    for call in reversed(calls):
        if id(call.result) in wanted:
            kept.append(call)
            wanted |= {id(_owner(array)) for array in call.reads}
    return kept[::-1]


def _without_constant(calls: Sequence[Call], fixed: Sequence[Traced]) -> list[Call]:
    """Leave out the calls that depend on nothing but fixed arrays: the trace itself has made them."""
    known = {id(array) for array in fixed}
    kept = []
    for call in calls:
        if all(id(_owner(array)) in known for array in call.reads):
            known.add(id(call.result))
        else:
            kept.append(call)
    return kept


def _into_place(calls: Sequence[Call], ends: Mapping[str, Traced], loss: Traced, into: Params) -> list[Call]:
    """Let the call that makes a gradient write where it belongs; where that cannot be, give a call that copies it."""
    copies = []
    made = {id(call.result) for call in calls}
    owners = [id(_owner(end)) for end in (loss, *ends.values())]
    for name, end in ends.items():
        alike = (end.shape, end.dtype) == (into[name].shape, into[name].dtype)
        if id(end) in made and alike and owners.count(id(end)) == 1:
            end.value = into[name]
        else:
            copies.append(Call(_copying, (end,), Traced(end.tape, into[name])))
    return copies


def _reuse_memory(calls: Sequence[Call], kept: Sequence[Traced]) -> None:
    """Let results lie where arrays lay that are not read any more: in place, or in memory that may still be cached."""
    last = {id(_owner(array)): i for i, call in enumerate(calls) for array in call.reads}
    mine = {id(call.result) for call in calls} - {id(_owner(array)) for array in kept}
    free: dict[Any, list[Array]] = {}
    for i, call in enumerate(calls):
        result, reads = call.result, call.reads
        done = {id(a): a for a in map(_owner, reads) if id(a) in mine and last[id(a)] == i}
        if id(result) in mine:
            spare = free.get(_kind(result.value), [])
            if (place := _in_place(call, reads, done)) is not None:
                result.value = done.pop(id(place)).value
            elif spare:
                result.value = spare.pop()
        for array in done.values():
            free.setdefault(_kind(array.value), []).append(array.value)


def _in_place(call: Call, reads: Sequence[Traced], done: Mapping[int, Traced]) -> Traced | None:
    """Find an argument of an entrywise call that is not needed afterwards and that the result can overwrite."""
    if not call.entrywise:
        return None
    views = {id(_owner(array)) for array in reads if array.base is not None}
    fit = (a for a in done.values() if id(a) not in views and _kind(a.value) == _kind(call.result.value))
    return next(fit, None)


def _kind(array: Array) -> Any:
    return array.shape, array.strides, array.dtype


def _copying(source: Array, out: Array) -> Callable[[], Any]:
    return functools.partial(np.copyto, out, source)
