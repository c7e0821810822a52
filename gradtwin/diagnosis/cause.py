"""Why a gradient is wrong: the wrong value fitted by what people usually get wrong.

Every rule proposes what the value would be if one particular slip had been made, and answers only where that
proposal meets the value far more closely than the right gradient does: the residual must be a billionth of
the difference to be explained, so that a difference in the tenth digit is explained as strictly as a gross
one. `ORDER` is the whole order of asking; what no rule explains stays unexplained.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any

import numpy as np

from gradtwin.diagnosis import array_rules, value_rules
from gradtwin.diagnosis.fit import Cause, Context, Fit
from gradtwin.diagnosis.location import Code
from gradtwin.diagnosis.product_rule import other_product
from gradtwin.diagnosis.repair import repair, stale
from gradtwin.diagnosis.shards import combined_wrongly
from manual_grads import Array

__all__ = ["Cause", "Context", "Fit", "name_cause"]


class Subject(Flag):
    """What a rule is asked about."""

    WHOLE = auto()  # all wrong values at once
    LOSS = auto()
    SHAPE = auto()  # a gradient of a wrong shape
    STEP = auto()  # a gradient as its own step makes it, from right upstream gradients where possible


@dataclass(frozen=True)
class Row:
    """A rule, what it is asked about, and why it stands where it stands."""

    asked_about: Subject
    rule: Callable[[Any], Any]
    why: str


WHOLE, LOSS, SHAPE, STEP = Subject.WHOLE, Subject.LOSS, Subject.SHAPE, Subject.STEP
ORDER = (
    Row(WHOLE, combined_wrongly, "explains every wrong value at once; each alone would pass for a factor"),
    Row(SHAPE, value_rules.wrong_shape, "nothing else can be fitted to a value of another shape"),
    Row(LOSS | STEP, value_rules.zero, "zero is also 0 times every array, so it comes before all that multiplies"),
    Row(STEP, value_rules.swapped, "both values are right, under the wrong names: no step has to be looked at"),
    Row(LOSS | STEP, value_rules.named_factor, "a number with a name needs no array, and says what it stands for"),
    Row(LOSS, value_rules.crossed_loss, "more special than a fraction, which fits by chance more easily"),
    Row(LOSS, value_rules.fraction, "last of the loss: of one number any fraction can be made"),
    Row(STEP, value_rules.transposed, "one way to turn an array, before the many ways to reorder it"),
    Row(STEP, value_rules.permuted, "the right numbers elsewhere: no other array is needed"),
    Row(STEP, value_rules.all_axes, "one number in every entry, before one array is taken for it"),
    Row(STEP, value_rules.other_function, "a function of the right value alone"),
    Row(STEP, value_rules.regulariser, "the parameter itself, before all other arrays"),
    Row(STEP, array_rules.one_of_the_arrays, "one array at hand, before two are combined"),
    Row(STEP, array_rules.activation, "an upstream gradient times a known derivative or mask"),
    Row(STEP, array_rules.summed, "a sum of one array over the batch"),
    Row(STEP, array_rules.softmax, "two arrays, of which one holds probabilities"),
    Row(STEP, array_rules.broadcast, "two arrays of one shape, in every order"),
    Row(STEP, other_product, "searches all pairs of arrays: the dearest of what the arrays tell"),
    Row(STEP, repair, "does the step again many times; names the line, so it comes before what is vague"),
    Row(STEP, array_rules.factor_too_many, "vague: that an array has no place says little of the slip"),
    Row(STEP, value_rules.any_factor, "vague: any number"),
    Row(STEP, array_rules.epsilon, "vague: any small number beside any array"),
    Row(STEP, value_rules.one_part, "vague: where, and not what"),
    Row(STEP, stale, "last: the numbers come from elsewhere, if they are nowhere at hand"),
)


def first_answer(subject: Subject, about: Any) -> Any:
    """Ask the rules of a subject in their order, and give the first answer; None where there is none."""
    rules = (row.rule for row in ORDER if subject in row.asked_about)
    with np.errstate(all="ignore"):
        return next((answer for rule in rules if (answer := rule(about)) is not None), None)


def name_cause(name: str, manual: Array, truth: Array, context: Context, code: Code | None = None) -> Cause | None:
    """Name the likely cause of one wrong gradient, or of a wrong loss.

    Args:
        name: the tensor's name, "loss" for the loss.
        manual: what its step gives on the manual side, fed with the right upstream gradients where possible.
        truth: the right value.
        context: what else is known.
        code: the backward pass it comes from, where that is known.

    Returns:
        The cause, or None when no rule explains the value.
    """
    fit = Fit(name, manual, truth, context, code)
    is_loss = name == "loss"
    if fit.manual.shape != fit.truth.shape:
        return None if is_loss else first_answer(SHAPE, fit)
    finite = np.isfinite(fit.manual).all() and np.isfinite(fit.truth).all()
    if not finite or not fit.is_decidable or (is_loss and not fit.truth.any()):
        return None
    return first_answer(LOSS if is_loss else STEP, fit)
