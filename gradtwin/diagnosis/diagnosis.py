"""A disagreement explained: the tensor whose own step is wrong first, and the likely cause."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.core.precision import is_floating
from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.cause import name_cause, name_loss_cause
from gradtwin.diagnosis.fit import Cause, Context, Fit
from gradtwin.diagnosis.location import first_wrong, follow
from gradtwin.diagnosis.operand_slips import is_foreign
from gradtwin.diagnosis.repair import repair
from manual_grads import Array, Cache, Params


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and why.

    Attributes:
        first_wrong: the first wrong tensor from the loss backwards, None when none is.
        wrong_tensors: all tensors whose own step is wrong.
        cause: the likely cause, None when no rule explains it.
        text: where, in a few words.
        blame: whose it is, where the cause shows that and the losses alone do not.
    """

    first_wrong: str | None
    wrong_tensors: tuple[str, ...]
    cause: Cause | None
    text: str
    blame: str | None = None


def diagnose(
    backward: Callable[[Params, Cache], Mapping[str, Any]],
    params: Params,
    cache: Cache,
    values: Mapping[str, Array],
    manual_gradients: Mapping[str, Array],
    reference_gradients: Mapping[str, Array],
    is_wrong: Callable[[str, Array, Array], bool],
    **known: Any,
) -> Diagnosis:
    """Say where a wrong gradient begins, and why.

    Args:
        backward: the hand-derived `backward(params, cache)`.
        params: its parameters.
        cache: what its forward pass left for it.
        values: forward intermediates and the batch's arrays by name, as far as they are known.
        manual_gradients: what the hand code returned.
        reference_gradients: the right gradients by name.
        is_wrong: `is_wrong(name, value, right value)`, the rule by which two values differ.
        **known: what else `Context` can hold: batch_size, learning_rate, stale, precision.

    Returns:
        The diagnosis. Its cost does not matter to a check that agrees: it is asked for after a failure.
    """
    context = Context(params, values, reference_gradients, manual=manual_gradients, **known)
    followed = follow(backward, params, cache, reference_gradients)
    plain = {name: np.asarray(gradient) for name, gradient in manual_gradients.items()}
    local = plain if followed is None else followed.local
    found = first_wrong(plain, reference_gradients, is_wrong)
    if found is None or found.name not in context.exchanged:
        found = first_wrong(local, reference_gradients, is_wrong)
    else:
        local = plain
    if found is None:
        return Diagnosis(None, (), None, "")
    operations = None if local is plain else followed

    def repaired(fit: Fit) -> Cause | None:
        return None if operations is None else repair(fit, operations)

    def stale(fit: Fit) -> Cause | None:
        foreign = operations is not None and is_foreign(fit, operations)
        if not foreign and (context.stale is False or not _ignores_its_cache(backward, params, cache, fit)):
            return None
        return Cause(CauseId.STALE_CACHE, f"{fit.label} uses numbers that are not in the cache of this forward pass")

    cause = name_cause(found.name, local[found.name], reference_gradients[found.name], context, repaired, stale)
    return Diagnosis(found.name, found.wrong, cause, found.text)


def _ignores_its_cache(backward: Any, params: Params, cache: Cache, fit: Fit) -> bool:
    """Whether a gradient of many numbers stays the same, bit by bit, when all that backward is given changes."""
    if np.unique(fit.manual).size < 3:
        return False
    try:
        with np.errstate(all="ignore"):
            here, there = (backward(*_moved((dict(params), cache), by))[fit.name] for by in (0.0, 0.25))
    except Exception:
        # The stranger's code may refuse changed numbers in any way it likes; nothing is known then.
        return False
    return bool(np.array_equal(here, there))


def _moved(thing: Any, by: float) -> Any:
    """Copy a nest of arrays with all numbers a little larger."""
    if isinstance(thing, np.ndarray):
        return thing * (1 + by) if is_floating(thing) else thing.copy()
    if isinstance(thing, dict):
        return {key: _moved(value, by) for key, value in thing.items()}
    return type(thing)(_moved(part, by) for part in thing) if type(thing) in (list, tuple) else thing


def diagnose_loss(
    manual: Array, reference: Array, params: Params, values: Mapping[str, Array], **known: Any
) -> Diagnosis:
    """Say why two losses differ, where one number tells: another reduction, a sign, a simple factor."""
    context = Context(params, values, {}, **known)
    cause = name_loss_cause(np.asarray(manual), np.asarray(reference), context)
    return Diagnosis("loss", ("loss",), cause, "first wrong: the loss")
