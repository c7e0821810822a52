"""Why a gradient is wrong: the wrong value fitted by what people usually get wrong.

Every rule proposes what the value would be if one particular slip had been made, and answers only where that
proposal meets the value far more closely than the right gradient does: the residual must be a billionth of
the difference to be explained, so that a difference in the tenth digit is explained as strictly as a gross
one. Rules stand from the special to the general; what no rule explains stays unexplained.
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis import array_rules, value_rules
from gradtwin.diagnosis.fit import Cause, Context, Fit
from gradtwin.diagnosis.product_rule import other_product
from manual_grads import Array

__all__ = ["Cause", "Context", "Fit", "name_cause", "name_loss_cause"]

Rule = Callable[[Fit], Cause | None]

SPECIAL_RULES: tuple[Rule, ...] = (
    value_rules.zero,
    value_rules.swapped,
    value_rules.named_factor,
    value_rules.transposed,
    value_rules.permuted,
    value_rules.all_axes,
    value_rules.other_function,
    value_rules.regulariser,
    array_rules.one_of_the_arrays,
    array_rules.activation,
    array_rules.summed,
    array_rules.softmax,
    array_rules.broadcast,
    other_product,
)
VAGUE_RULES: tuple[Rule, ...] = (
    array_rules.factor_too_many,
    value_rules.any_factor,
    array_rules.epsilon,
    value_rules.one_part,
)


def name_cause(
    name: str,
    manual: Array,
    truth: Array,
    context: Context,
    repair: Callable[[Fit], Cause | None] | None = None,
    stale: Callable[[Fit], Cause | None] | None = None,
) -> Cause | None:
    """Name the likely cause of one wrong gradient.

    Args:
        name: the tensor's name.
        manual: what the hand's step gives for it, fed with the right upstream gradients where possible.
        truth: the right gradient.
        context: what else is known.
        repair: one more rule, asked before the vague ones: what could be made of the hand's own operations.
        stale: one more rule, asked last: whether the hand code reads what no forward pass of now gave it.

    Returns:
        The cause, or None when no rule explains the value.
    """
    rules = (*SPECIAL_RULES, *([repair] if repair else []), *VAGUE_RULES, *([stale] if stale else []))
    fit = Fit(name, np.asarray(manual, np.float64), np.asarray(truth, np.float64), context)
    if fit.manual.shape != fit.truth.shape:
        return value_rules.wrong_shape(fit)
    if not np.isfinite(fit.manual).all() or not np.isfinite(fit.truth).all() or not fit.is_decidable:
        return None
    with np.errstate(all="ignore"):
        return next((cause for rule in rules if (cause := rule(fit)) is not None), None)


def name_loss_cause(manual: Array, truth: Array, context: Context) -> Cause | None:
    """Name the likely cause of a wrong loss: of one number only a named factor or a simple fraction can be told.

    Args:
        manual: the hand's loss.
        truth: the right one.
        context: what else is known; the batch size counts most.

    Returns:
        The cause, or None.
    """
    fit = Fit("loss", np.asarray(manual, np.float64), np.asarray(truth, np.float64), context)
    if manual.shape != truth.shape or not np.isfinite([manual, truth]).all() or not fit.is_decidable or not truth:
        return None
    named = value_rules.zero(fit) or value_rules.named_factor(fit)
    named = named or value_rules.crossed_loss(fit)
    ratio = Fraction(float(manual / truth)).limit_denominator(1000)
    if named is not None or ratio == 0 or not fit.is_met_by(np.asarray(float(ratio)) * fit.truth):
        return named
    text = f"{fit.label} is {ratio} times the right value, as if averaged over the wrong number of entries"
    return Cause(CauseId.FACTOR, text)
