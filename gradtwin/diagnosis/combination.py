"""A whole batch's gradient put together from its shards: which wrong way of putting them together gives the value?

With g_r the gradient of the loss on shard r alone, n_r of the N examples in it, R shards,

    L a mean over the examples   dL/dw = Σ_r n_r/N g_r
    L a sum over the examples    dL/dw = Σ_r g_r

Every other combination is a slip with a name. It is claimed where it meets all wrong gradients at once; the shards'
gradients come from the side that is not under suspicion.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gradtwin.core.verdicts import Blame, CauseId
from gradtwin.diagnosis.disagreement import Diagnosis
from gradtwin.diagnosis.fit import Cause, Context, Fit
from gradtwin.diagnosis.location import where
from manual_grads import Array, Params


@dataclass(frozen=True)
class Parts:
    """What a right side gives on each shard alone.

    Attributes:
        sizes: n_r, the examples of each shard.
        reduction: "mean" or "sum": what the loss is over the examples.
        values: for each shard its loss and its gradients, by name.
        by_row: the tensors with a row for each example, which are stacked where others are added.
    """

    sizes: tuple[int, ...]
    reduction: str
    values: tuple[Params, ...]
    by_row: frozenset[str] = frozenset()

    def combined(self, name: str, coefficients: Array) -> Array | None:
        """Put a loss or a gradient together as Σ_r c_r g_r, or as rows c_r g_r; None where a shard lacks it."""
        if any(name not in part for part in self.values):
            return None
        terms = [c * np.asarray(part[name], np.float64) for c, part in zip(coefficients, self.values, strict=True)]
        return np.concatenate(terms) if name in self.by_row else np.sum(terms, axis=0)


@dataclass(frozen=True)
class Combination:
    """A wrong way to put shards together: Σ_r c_r g_r, with the word and the sentence for it.

    `multiple` is the factor where it is no more than a multiple of the right value, as the sum over equal shards is:
    then the shards cannot tell it from a forgotten factor.
    """

    id: CauseId
    coefficients: Array
    text: str
    multiple: float | None = None


def combinations(sizes: tuple[int, ...], reduction: str) -> list[Combination]:
    """Give the ways in which the shards of a mean, or of a sum, are put together wrongly."""
    right = np.array(sizes) / sum(sizes) if reduction == "mean" else np.ones(len(sizes))
    found = []
    for id, coefficients, text in _slips(sizes, reduction):
        ratio = coefficients / right
        if np.ptp(ratio) > 1e-9:
            found.append(Combination(id, coefficients, text))
        elif abs(ratio[0] - 1) > 1e-9:
            also = f"{text}; or just {ratio[0]:g} times the right value"
            found.append(Combination(id, coefficients, also, float(ratio[0])))
    return found


def _slips(sizes: tuple[int, ...], reduction: str) -> Iterator[tuple[CauseId, Array, str]]:
    count, rows = len(sizes), sum(sizes)
    ones, shares = np.ones(count), np.array(sizes) / rows
    shards = f"{count} shards of {', '.join(map(str, sizes[:-1]))} and {sizes[-1]} examples"
    again = f"averaged over the {count} replicas"
    if reduction == "mean":
        text = f"summed over the replicas, not averaged: a plain sum of the means of {shards}; weight each by n_r/N"
        yield CauseId.SUMMED_OVER_REPLICAS, ones, text
        text = f"an unweighted mean of per-shard means ({shards}); weight each mean by n_r/N, not by 1/{count}"
        yield CauseId.MEAN_OF_MEANS, ones / count, text
        text = f"{again}, although each was divided by N = {rows} already; sum them"
        yield CauseId.AVERAGED_OVER_REPLICAS, shares / count, text
    else:
        text = f"{again}, {shards}, but the loss is a sum over the examples; sum them"
        yield CauseId.AVERAGED_OVER_REPLICAS, ones / count, text
        text = f"weighted by n_r/N over {shards}, but the loss is a sum over the examples; sum them"
        yield CauseId.AVERAGED_OVER_REPLICAS, shares, text
    for scale in (ones, shares if reduction == "mean" else ones):
        for r in range(count):
            text = f"shard {r + 1}'s alone of {shards}; the replicas are not reduced"
            yield CauseId.ONE_REPLICA, scale * np.eye(count)[r], text


def diagnose_combination(
    wrong: Mapping[str, Array],
    right: Mapping[str, Array],
    parts: Parts,
    candidates: Sequence[Combination],
    context: Context,
    side: Blame,
) -> Diagnosis | None:
    """Say that wrong values are a wrong combination of the shards' right ones, if all of them are.

    Args:
        wrong: the values under suspicion, by name in the report's order; "loss" is the loss.
        right: the right values, by the same names.
        parts: what the other side gives on each shard alone.
        candidates: the combinations that come into question.
        context: what else is known.
        side: whose values are wrong, "manual" or "reference".

    Returns:
        The diagnosis, None when no combination explains them. A wrong loss is explained for itself, since gradients
        below it prove nothing; a combination that explains both is preferred.
    """
    fits = {name: Fit(name, value, right[name], context) for name, value in wrong.items()}
    if not fits or not all(fit.manual.shape == fit.truth.shape and fit.is_decidable for fit in fits.values()):
        return None
    for names in (tuple(fits), ("loss",)):
        for combination in candidates if set(names) <= set(fits) else ():
            if all(_meets(fits[name], parts.combined(name, combination.coefficients)) for name in names):
                return _diagnosis(names, combination, tuple(wrong), side)
    return None


def _meets(fit: Fit, proposal: Array | None) -> bool:
    return proposal is not None and fit.is_met_by(proposal)


def _diagnosis(names: tuple[str, ...], combination: Combination, wrong: tuple[str, ...], side: Blame) -> Diagnosis:
    gradients = [name for name in names if name != "loss"]
    what = ["the loss"] * ("loss" in names) + [f"d{name}" for name in gradients[:3]] + ["others"] * (len(gradients) > 3)
    listed = f"{', '.join(what[:-1])} and {what[-1]} are" if len(what) > 1 else f"{what[0]} is"
    cause = Cause(combination.id, f"{listed} {combination.text}")
    return Diagnosis(wrong[0], wrong, cause, where(wrong[0]), blame=side)
