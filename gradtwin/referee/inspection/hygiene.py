"""Hygiene: does manual code leave its arguments alone, and answer the same when it is asked again?

A gradient can be right to the last bit and still be useless: written into the caller's array, valid
only until the next call, or twice as large the second time. The code is therefore run on read-only
views, and run twice, with other numbers in between:

    forward(B)    forward(A)    backward(A)    poison    forward(B)    backward(A)

The middle pair is the run that is compared with TensorFlow, so the rest costs two forwards and one
backward. `poison` writes NaN into the gradients that were returned: a backward that adds to, or only
partly fills, an array it kept meets the NaN again. The second forward(B) must give the first one's
loss; the second backward(A) must give the first one's gradients although the last forward saw B.

Code that is one function of (params, batch) has no such halves: it is called twice on A, with the
poison in between.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradtwin.core.blocks import any_nonzero
from gradtwin.core.errors import InputError
from gradtwin.core.precision import is_floating
from gradtwin.core.tolerance import REPEAT_ULPS
from gradtwin.referee.inspection.array_trees import bits, equal, gap_ulps, leaves, overlapping
from gradtwin.referee.inspection.findings import Finding, Notes
from gradtwin.referee.inspection.guarded_calls import GuardedFunction, GuardedHalves, Run
from gradtwin.referee.inspection.poison import Poison, sampled
from manual_grads import Array, Params

PROBE_FACTOR = 0.9375
"""What the parameters of point B are multiplied by; every sign stays, so logarithms stay defined."""

PROBE_ENTRIES = 16_384
"""A larger parameter stays as it is at point B: copying it would cost as much as the run itself."""

Point = tuple[Params, Params]


@dataclass(frozen=True)
class Inspection:
    """One run of manual code, the one to compare, and what was found on the way."""

    loss: Any
    gradients: Any
    cache: Any
    findings: tuple[Finding, ...]


def inspect_manual(
    run: Run | None,
    params: Params,
    batch: Params,
    *,
    forward: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    thorough: bool = False,
) -> list[Finding]:
    """Inspect manual code and list what was found; the arguments are those of `run_inspected`."""
    inspection = run_inspected(run, params, batch, forward=forward, backward=backward, thorough=thorough)
    return list(inspection.findings)


def run_inspected(
    run: Run | None,
    params: Params,
    batch: Params,
    *,
    forward: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    thorough: bool = False,
) -> Inspection:
    """Run manual code, and inspect how it treats its arguments, its cache and its answers.

    `gradtwin.referee.inspection.findings` lists what can be found, and which of it is fatal.

    Args:
        run: `run(params, batch) -> (loss, gradients, cache)`, used unless `forward` and `backward` are given.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        forward: `forward(params, *batch) -> (loss, cache)`.
        backward: `backward(params, cache) -> gradients`.
        thorough: look at every entry instead of about 1,000 of each array, and ask what takes more runs:
            whether the first batch was kept, whether a third backward adds up, whether one array may
            stand for two parameters, and whether backward answers before any forward.

    Returns:
        The run to compare and the findings. What is not a dictionary of gradients is handed on as it came.

    Raises:
        InputError: forward gives another loss for the same arguments, or returns no (loss, cache).
        Exception: whatever the code itself raises.
    """
    notes = Notes()
    given = notes, dict(params), dict(batch), thorough
    hygiene: _Hygiene
    if forward is not None and backward is not None:
        hygiene = _OfHalves(GuardedHalves(notes, forward, backward), *given)
    elif run is not None:
        hygiene = _OfFunction(GuardedFunction(notes, run), *given)
    else:
        raise InputError("Expected a function of (params, batch), or forward and backward; got neither.")
    loss, gradients, cache = hygiene.run_twice()
    if thorough and isinstance(gradients, Mapping):
        hygiene.look_closer(loss, gradients)
    return Inspection(loss, gradients, cache, notes.findings)


@dataclass(frozen=True)
class _Trace:
    """The run to compare, and what came after it, unless its gradients are not in a dictionary."""

    loss: Any
    gradients: Any  # with poison in them
    cache: Any
    poison: dict[str, Poison] = field(default_factory=dict)
    losses: tuple[Any, Any] = (0.0, 0.0)  # two, of the same arguments
    again: Any = None  # the gradients of the same arguments once more
    overwritten: Sequence[str] = ()  # the cached values that the second forward changed


@dataclass
class _Hygiene:
    """What the runs show; the two strategies below say which runs they are."""

    code: GuardedHalves | GuardedFunction
    notes: Notes
    params: Params
    batch: Params
    thorough: bool

    def runs(self) -> _Trace:
        """Make the run to compare, poison its gradients, and repeat it."""
        raise NotImplementedError

    def run_twice(self) -> tuple[Any, Any, Any]:
        """Give the run to compare, after judging what it and its repetition show."""
        here = self.params, self.batch
        inputs = self._marks(here)
        trace = self.runs()
        if not isinstance(trace.gradients, Mapping):
            return trace.loss, trace.gradients, trace.cache
        for name in trace.overwritten:
            self.notes.add("overwritten_cache", name)
        self._compare_losses(*trace.losses)
        answer = self._compare_answers(dict(trace.gradients), trace.again, trace.poison)
        for name in self._changed(inputs, here):
            self.notes.add("writes_input", name, what="the code")
        return trace.loss, answer, trace.cache

    # ---- what one answer shows -------------------------------------------------------------------

    def _note_zeros(self, gradients: Mapping[str, Any]) -> None:
        mine = [np.asarray(gradients[name]) for name in self.params if name in gradients]
        if mine and all((is_floating(g) or g.dtype.kind in "iuc") and not any_nonzero(g) for g in mine):
            self.notes.add("zero_gradient")

    def _note_sharing(self, gradients: Mapping[str, Any], cache: Any) -> set[str]:
        """Note gradients that are no arrays of their own, and name them: poison would reach further."""
        arrays = [(("gradient", n), g) for n, g in gradients.items() if isinstance(g, np.ndarray)]
        arrays += [(("argument", n), a) for n, a in leaves((self.params, self.batch))]
        arrays += [(("cached", n), a) for n, a in leaves(cache)]
        shared: set[str] = set()
        for pair in overlapping(arrays):
            mine = [name for kind, name in pair if kind == "gradient"]
            if mine:
                shared.update(mine)
                mine.sort(key=lambda name: name not in self.params)
                self._note_pair(mine[0], next((t for t in pair if t[0] != "gradient"), ("gradient", mine[-1])))
        return shared

    def _note_pair(self, name: str, theirs: tuple[str, str]) -> None:
        kind, other = theirs
        outward = {*self.params, *self.batch}
        if kind == "argument" and name == other and name in self.params:
            self.notes.add("never_computed", name)
        elif kind == "argument" or name in outward or (kind == "gradient" and other in outward):
            self.notes.add("shares_memory", name, other=_owner(kind, other))
        else:
            self.notes.add("shared_intermediates", name, other=_owner(kind, other))

    def _poisoned(self, gradients: Mapping[str, Any], cache: Any) -> dict[str, Poison]:
        """Look at the first answer while it is whole, then write NaN into what is nobody else's."""
        self._note_zeros(gradients)
        shared = self._note_sharing(gradients, cache)
        spread = [Poison.spread(n, g, self.thorough) for n, g in gradients.items() if n not in shared]
        return {poison.name: poison for poison in spread if poison is not None}

    # ---- what two answers show -------------------------------------------------------------------

    def _compare_losses(self, first: Any, second: Any) -> None:
        gap = gap_ulps(first, second)
        if gap > REPEAT_ULPS:
            raise InputError(
                f"The manual forward gives the loss {float(np.asarray(first))!r}, then "
                f"{float(np.asarray(second))!r}, for the same arguments: expected one number; draw masks and "
                "noise outside, pass them in the batch, and keep no state."
            )
        if gap:
            self.notes.add("rounding_differs", "loss", other=f"{gap:.3g}")

    def _compare_answers(self, first: Params, second: Any, poison: dict[str, Poison]) -> Params:
        """Compare two answers, take the poison out, and give the first answer as it was."""
        if not isinstance(second, Mapping) or second.keys() != first.keys():
            self.notes.add("other_keys")
            second = {}
        arrays = {name: np.asarray(array) for name, array in second.items()}
        reused = [n for n, p in poison.items() if n in arrays and np.may_share_memory(p.array, arrays[n])]
        answers = dict(first)
        for name in reused:
            self._compare(name, poison[name].values, poison[name].sample(arrays[name]), poison[name].sample)
            answers[name] = poison[name].original()
        for name in poison.keys() - set(reused):
            poison[name].cure()
        for name in arrays.keys() - set(reused):
            self._compare(name, np.asarray(first[name]), arrays[name])
        if reused and not self.notes.has("accumulates", "unwritten_buffer", "stale_cache"):
            self.notes.add("reused_buffer", reused[0])
        return answers

    def _compare(self, name: str, one: Array, two: Array, pick: Callable[[Array], Array] = np.asarray) -> None:
        """Compare two answers' gradients of one name, and note why they differ."""
        if one.shape != two.shape or one.dtype != two.dtype:
            self.notes.add("not_repeatable", name)
        elif not equal(one, two):
            gap = gap_ulps(one, two)
            leftover = np.isnan(two) & ~np.isnan(one)
            if leftover.all() or gap_ulps(2 * one, two) <= REPEAT_ULPS:
                self.notes.add("accumulates", name)
            elif leftover.any():
                self.notes.add("unwritten_buffer", name)
            elif gap <= REPEAT_ULPS:
                self.notes.add("rounding_differs", name, other=f"{gap:.3g}")
            else:
                self.notes.add("stale_cache" if self._comes_back(name, one, pick) else "not_repeatable", name)

    def _comes_back(self, name: str, one: Array, pick: Callable[[Array], Array]) -> bool:
        """Whether what came between two answers is why they differ."""
        return False

    def _marks(self, tree: Any) -> dict[str, bytes]:
        return {name: bits(sampled(array, self.thorough)) for name, array in leaves(tree)}

    def _changed(self, before: dict[str, bytes], tree: Any) -> list[str]:
        after = self._marks(tree) if before else {}
        return [name for name in before if after.get(name) != before[name]]

    # ---- what takes more runs --------------------------------------------------------------------

    def look_closer(self, loss: Any, gradients: Mapping[str, Any]) -> None:
        """Ask whether the first batch was kept, and whether aliases confuse the code."""
        self._look_for_kept_first_batch(loss, _copied(gradients))
        self._alias_two_parameters()

    def _look_for_kept_first_batch(self, loss: Any, own: dict[str, Array]) -> None:
        """Compare with another batch's gradients: equal ones are stale, if the batch moves the loss's slope."""
        other = _other_point(self.params, self.batch)
        if other is None:
            return
        moved, rolled = other
        try:
            theirs = _copied(self.code.gradients(self.params, rolled))
            losses = [float(self.code.forward(*p)[0]) for p in [(self.params, rolled), (moved, self.batch), other]]
        except Exception:  # the code was not written for point B
            return
        if all(equal(own[name], theirs[name]) for name in self.params if name in own):
            # Of a loss f(params) + h(batch) the gradients are rightly equal; then these four cancel.
            corners = np.array([float(loss), *losses]) * [1, -1, -1, 1]
            if abs(corners.sum()) > 1e-9 * np.abs(corners).sum():
                self.notes.add("stale_everywhere")

    def _alias_two_parameters(self) -> None:
        """Pass one array under two names, and two equal arrays: the gradients must be the same."""
        pair = _alike(self.params)
        if pair is None:
            return
        array = self.params[pair[0]]
        try:
            one = _copied(self.code.gradients(self.params | {pair[1]: array.copy()}, self.batch))
            two = _copied(self.code.gradients(self.params | {pair[1]: array}, self.batch))
        except Exception:  # equal parameters may be refused
            return
        for name in one:
            if gap_ulps(one[name], two[name]) > REPEAT_ULPS:
                self.notes.add("aliased_params", name, what=" and ".join(pair))


# ---- the two strategies: which runs are made -------------------------------------------------------


@dataclass
class _OfHalves(_Hygiene):
    """forward(B)  forward(A)  backward(A)  poison  forward(B)  backward(A)."""

    code: GuardedHalves

    def runs(self) -> _Trace:
        """Make the six steps; without a point B, or a cache, A stands in its place."""
        between, first_loss = self._try_point_b()
        loss, cache = self.code.forward(self.params, self.batch)
        if stateful := _is_empty(cache):
            self.notes.add("keeps_state")
        if stateful or between is None:
            between, first_loss = (self.params, self.batch), loss
        kept = self._marks(cache)
        gradients = self.code.backward(self.params, cache)
        if not isinstance(gradients, Mapping):
            return _Trace(loss, gradients, cache)
        poison = self._poisoned(gradients, cache)
        second_loss, second_cache = self.code.forward(*between)
        overwritten = self._changed(kept, cache)
        again = self.code.backward(self.params, second_cache if stateful else cache)
        return _Trace(loss, gradients, cache, poison, (first_loss, second_loss), again, overwritten)

    def _try_point_b(self) -> tuple[Point | None, Any]:
        """Give point B and its loss, or None where there is none or the code does not take it."""
        point = _other_point(self.params, self.batch)
        if point is None:
            return None, None
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return point, self.code.forward(*point)[0]
        except Exception:  # a stranger's code may refuse numbers it was not written for
            return None, None

    def _comes_back(self, name: str, one: Array, pick: Callable[[Array], Array]) -> bool:
        """Whether the first answer comes back when nothing stands between forward and backward."""
        return equal(pick(np.asarray(self.code.gradients(self.params, self.batch)[name])), one)

    def look_closer(self, loss: Any, gradients: Mapping[str, Any]) -> None:
        """Ask, too, whether backward adds up, and whether it answers before any forward."""
        own = _copied(gradients)
        super().look_closer(loss, own)
        self._repeat_backward(own)
        if self.code.backward_of_new_object(self.params) is not None:
            self.notes.add("backward_first")

    def _repeat_backward(self, own: dict[str, Array]) -> None:
        """Call backward three times after one forward; the third answer must be the first one again."""
        _, cache = self.code.forward(self.params, self.batch)
        for _ in range(2):
            self.code.backward(self.params, cache)
        again = self.code.backward(self.params, cache)
        for name in own:
            if gap_ulps(own[name], again[name]) > REPEAT_ULPS:
                self.notes.add("accumulates", name)


@dataclass
class _OfFunction(_Hygiene):
    """run(A)  poison  run(A)."""

    code: GuardedFunction

    def runs(self) -> _Trace:
        """Make the three steps."""
        loss, gradients, cache = self.code.run(self.params, self.batch)
        if not isinstance(gradients, Mapping):
            return _Trace(loss, gradients, cache)
        poison = self._poisoned(gradients, cache)
        second_loss, again, _ = self.code.run(self.params, self.batch)
        return _Trace(loss, gradients, cache, poison, (loss, second_loss), again)


def _is_empty(cache: Any) -> bool:
    """Whether a cache holds nothing; then backward can only answer for the last forward."""
    return cache is None or (isinstance(cache, Mapping | tuple | list) and len(cache) == 0)


def _owner(kind: str, name: str) -> str:
    return f"the gradient of {name}" if kind == "gradient" else f"the {kind} {name}"


def _copied(gradients: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.array(gradient, copy=True) for name, gradient in gradients.items()}


# ---- point B: other numbers of the same shapes -----------------------------------------------------


def _other_point(params: Params, batch: Params) -> Point | None:
    """Move the parameters and give every example another one's data; None where nothing can be moved."""
    moved = {name: p if np.size(p) > PROBE_ENTRIES else _scaled(p) for name, p in params.items()}
    others = {name: _rolled(a, step) for step, (name, a) in enumerate(batch.items(), start=1)}
    before, after = [*params.values(), *batch.values()], [*moved.values(), *others.values()]
    pairs = [(a, b) for a, b in zip(after, before, strict=True) if a is not b]
    return (moved, others) if any(not equal(np.asarray(a), np.asarray(b)) for a, b in pairs) else None


def _scaled(array: Any) -> Any:
    is_float = isinstance(array, np.ndarray) and is_floating(array)
    return np.asanyarray(array * array.dtype.type(PROBE_FACTOR)) if is_float else array


def _rolled(array: Any, step: int) -> Any:
    """Move the rows on: one-hot rows, labels and masks stay what they are, and meet other examples."""
    if not isinstance(array, np.ndarray) or array.ndim == 0 or len(array) < 2:
        return _scaled(array)
    rolled = np.roll(array, step % len(array) or 1, axis=0)
    return _scaled(array) if np.array_equal(rolled, array) else rolled


def _alike(params: Params) -> tuple[str, str] | None:
    """Find two parameters of one shape and dtype."""
    arrays = [(n, p) for n, p in params.items() if isinstance(p, np.ndarray)]
    for i, (name, p) in enumerate(arrays):
        for other, q in arrays[i + 1 :]:
            if (p.shape, p.dtype) == (q.shape, q.dtype):
                return name, other
    return None
