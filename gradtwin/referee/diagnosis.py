"""A disagreement explained: the tensor whose own step is wrong first, and the likely cause."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.referee.cause import Cause, Context, exchanged, name_cause
from gradtwin.referee.location import first_wrong, follow
from gradtwin.referee.repair import repair
from manual_grads import Array, Cache, Params


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and why.

    Attributes:
        first_wrong: the first wrong tensor from the loss backwards, None when none is.
        wrong_tensors: all tensors whose own step is wrong.
        cause: the likely cause, None when no rule explains it.
        text: where and why, in one line.
    """

    first_wrong: str | None
    wrong_tensors: tuple[str, ...]
    cause: Cause | None
    text: str


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
        backward, params, cache: the hand-derived backward pass, and what it is given.
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
    if found is None or found.name not in exchanged(context):
        found = first_wrong(local, reference_gradients, is_wrong)
    else:
        local = plain
    if found is None:
        return Diagnosis(None, (), None, "")
    rule = None if followed is None or local is plain else lambda fit: repair(fit, followed)
    cause = name_cause(found.name, local[found.name], reference_gradients[found.name], context, rule)
    text = found.text if cause is None else f"{found.text}; {cause.text}"
    return Diagnosis(found.name, found.wrong, cause, text)
