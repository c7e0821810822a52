"""The hand's own step, repaired: the one small change that makes it right is what is wrong with it.

The operations of a wrong step are known from following the code. They are done again, each time with one
change that undoes a usual slip: plus for minus, another axis, a transpose, another array. The change that
gives the right gradient names the slip.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradtwin.core.precision import is_floating
from gradtwin.core.trees import mapped
from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.fit import Cause, Fit
from gradtwin.diagnosis.location import Code, Followed
from gradtwin.diagnosis.operand_slips import foreign_arrays, is_foreign, other_derivatives, other_operands
from gradtwin.diagnosis.slips import SLIPS
from gradtwin.diagnosis.step import MOST_OPERATIONS, Change, Step

LOOP = 40  # a step longer than this is looked through for the same line done again and again
LARGEST_EFFORT = 6e7  # entries read and written by all trials of one repair
MOST_TRIALS = 1500


def repair(fit: Fit) -> Cause | None:
    """Name the cause of a wrong gradient by the change that makes its step right.

    Args:
        fit: the gradient, wrong and right, with what is known around it and the code it comes from.

    Returns:
        The cause, or None when no single change makes the step right.
    """
    step = None if fit.code is None or fit.code.followed is None else _step(fit, fit.code.followed)
    return None if step is None else _first_repair(fit, step)


def stale(fit: Fit) -> Cause | None:
    """The step reads numbers that are not in this forward pass's cache, or does not change when the cache does."""
    if fit.code is None:
        return None
    foreign = fit.code.followed is not None and is_foreign(fit, fit.code.followed)
    if not foreign and (fit.context.stale is False or not _ignores_its_cache(fit, fit.code)):
        return None
    return Cause(
        CauseId.STALE_CACHE,
        f"{fit.label} uses numbers that are not in the cache of this forward pass",
    )


def _ignores_its_cache(fit: Fit, code: Code) -> bool:
    """Whether a gradient of many numbers stays the same, bit by bit, when all that backward is given changes."""
    if np.unique(fit.manual).size < 3:
        return False
    try:
        here, there = (code.backward(*_moved(code, by))[fit.name] for by in (0.0, 0.25))
    except Exception:
        # The stranger's code may refuse changed numbers in any way it likes; nothing is known then.
        return False
    return bool(np.array_equal(here, there))


def _moved(code: Code, by: float) -> Any:
    """Copy what backward is given, with all numbers a little larger."""

    def moved(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        return leaf * (1 + by) if is_floating(leaf) else leaf.copy()

    return mapped((code.params, code.cache), moved)


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
    trials = min(MOST_TRIALS, int(LARGEST_EFFORT / step.effort))
    for change in itertools.islice(_changes(fit, step), trials):
        result = step.result(change.operations)
        if result is not None and result.shape == fit.truth.shape and fit.is_right(np.asarray(result, np.float64)):
            return Cause(change.id, f"{fit.label} {change.text}")
    return None


def _changes(fit: Fit, step: Step) -> Iterator[Change]:
    yield from foreign_arrays(fit, step)
    for kind in SLIPS:
        if not fit.is_one_number or kind is SLIPS[0]:
            changes = [(n, list(kind(fit, step, n, step.operations[n]))) for n in step.order]
            yield from (change for _, of_one in changes for change in of_one)
            if len(step.order) > LOOP:
                yield from _in_every_round(step, changes)
    yield from other_operands(fit, step)
    if fit.name in fit.context.params:
        yield from other_derivatives(step)


def _in_every_round(step: Step, changes: list[tuple[int, list[Change]]]) -> Iterator[Change]:
    """Make one change at all operations of one line: a loop does them again and again."""
    alike: dict[Any, list[Change]] = {}
    for number, of_one in changes:
        operation = step.operations[number]
        for kind, change in enumerate(of_one):
            alike.setdefault((operation.line, operation.label, kind), []).append(change)
    for group in alike.values():
        if len(group) > 1:
            merged = {number: operation for change in group for number, operation in change.operations.items()}
            yield Change(merged, group[0].id, group[0].text)
