"""A disagreement explained: the tensor whose own step is wrong first, and the likely cause."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradtwin.core.comparison import compare
from gradtwin.core.verdicts import Blame
from gradtwin.diagnosis.cause import Subject, first_answer, name_cause
from gradtwin.diagnosis.disagreement import Diagnosis, Disagreement
from gradtwin.diagnosis.fit import Context
from gradtwin.diagnosis.location import Code, first_wrong, follow, where
from manual_grads import Array, Cache, Params


def diagnose(asked: Disagreement) -> Diagnosis | None:
    """Say where two sides part, and why; None where nothing is wrong that could be the manual side's.

    Its cost does not matter to a check that agrees: it is asked for after a failure.
    """
    combined: Diagnosis | None = first_answer(Subject.WHOLE, asked)
    wrong = asked.wrong(Blame.MANUAL)
    if combined is not None or not wrong:
        return combined
    if "loss" in wrong:
        return diagnose_loss(asked.manual.loss, asked.reference.loss, asked.context)

    def is_wrong(name: str, ours: Array, theirs: Array) -> bool:
        return name in wrong and compare(ours, theirs, asked.dtype).beyond > 0

    return diagnose_gradients(asked.backward, asked.manual.cache or asked.batch, asked.context, is_wrong)


def diagnose_loss(manual: Array, reference: Array, context: Context) -> Diagnosis:
    """Say why two losses differ, where one number tells: another reduction, a sign, a simple factor."""
    return Diagnosis("loss", ("loss",), name_cause("loss", manual, reference, context), where("loss"))


def diagnose_gradients(
    backward: Callable[[Params, Cache], Mapping[str, Any]],
    cache: Cache,
    context: Context,
    is_wrong: Callable[[str, Array, Array], bool],
) -> Diagnosis:
    """Say where a wrong gradient begins, and why.

    Args:
        backward: the hand-derived `backward(params, cache)`.
        cache: what its forward pass left for it.
        context: the point, what the manual side returned, and what is right.
        is_wrong: `is_wrong(name, value, right value)`, the rule by which two values differ.
    """
    params, right = dict(context.params), context.gradients
    followed = follow(backward, params, cache, right)
    code: Code | None = Code(backward, params, cache, followed)
    plain = {name: np.asarray(gradient) for name, gradient in context.manual.items()}
    local = plain if followed is None else followed.local
    found = first_wrong(plain, right, is_wrong)
    if found is None or found.name not in context.exchanged:
        found = first_wrong(local, right, is_wrong)
    else:  # right values under the wrong names are no step's fault
        local, code = plain, None
    if found is None:
        return Diagnosis(None, (), None, "")
    cause = name_cause(found.name, local[found.name], right[found.name], context, code)
    return Diagnosis(found.name, found.wrong, cause, found.text)
