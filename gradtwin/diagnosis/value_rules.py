"""What a wrong value alone tells: a factor, a turn, one number everywhere, one spoilt row."""

import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.fit import FITS, Cause, Fit, is_mask
from gradtwin.diagnosis.product_rule import other_product
from manual_grads import Array


def wrong_shape(fit: Fit) -> Cause | None:
    """A value of another shape: what would have that shape?"""
    manual, right = fit.manual.shape, fit.truth.shape
    says = f"{fit.label} has shape {list(manual)}; {list(right)} is right"
    batch = fit.context.batch_size
    if len(manual) == 2 and manual == right[::-1]:
        return Cause(CauseId.TRANSPOSE, f"{says}. Transpose it")
    if len(right) == 1 and len(manual) == 2 and manual[0] == batch and manual[1] == right[0]:
        return Cause(CauseId.MISSING_SUM, f"{says}. Sum over the batch (axis 0)")
    if right != () and manual == ():
        return Cause(CauseId.ALL_AXES, f"{says}. It was summed over all axes; sum over the batch only (axis 0)")
    if len(right) == 1 and manual == (batch,):
        return Cause(CauseId.WRONG_AXIS, f"{says}. It was summed over axis 1; sum over the batch (axis 0)")
    if len(manual) == 2 and manual == (batch, batch) and right[:1] == (batch,):
        return Cause(CauseId.BROADCAST_NXN, f"{says}. An array [N, 1] and an array [N] were broadcast to N x N")
    if len(manual) == 2 and manual == (batch, batch):
        return Cause(CauseId.TRANSPOSE, f"{says}. The factors of a product are swapped, or a transpose is missing")
    return None if fit.manual.ndim != 2 else other_product(fit)


def zero(fit: Fit) -> Cause | None:
    """Nothing but zeros where the right gradient has others."""
    return None if fit.manual.any() else Cause(CauseId.ZERO, f"{fit.label} is zero everywhere; it is never computed")


def swapped(fit: Fit) -> Cause | None:
    """Two gradients returned under each other's name."""
    other = fit.context.exchanged.get(fit.name)
    return None if other is None else Cause(CauseId.SWAPPED, f"{fit.label} and d{other} are swapped")


def named_factor(fit: Fit) -> Cause | None:
    """A multiple of the right gradient by a number with a name."""
    named = [(id, text) for number, id, text in _named_numbers(fit) if fit.is_met_by(number * fit.truth)]
    if not named:
        return None
    others = "".join(f"; or it {text}" for _, text in named[1:])
    return Cause(named[0][0], f"{fit.label} {named[0][1]}{others}")


def any_factor(fit: Fit) -> Cause | None:
    """A multiple of the right gradient by any number."""
    size = float((fit.truth * fit.truth).sum())
    if size == 0 or fit.is_one_number:
        return None
    ratio = float((fit.manual * fit.truth).sum()) / size
    if abs(ratio) < 1e-9 or not fit.is_met_by(ratio * fit.truth):
        return None
    return Cause(CauseId.FACTOR, f"{fit.label} is {_number(ratio)} times the right gradient")


def _named_numbers(fit: Fit) -> Iterator[tuple[float, CauseId, str]]:
    rows, columns = fit.context.batch_size or 1, fit.truth.shape[-1] if fit.truth.ndim else 1
    yield -1.0, CauseId.SIGN, "is the right gradient with the opposite sign"
    if rows > 1:
        yield from _reductions(fit, rows, f"the {rows} examples")
    yield 2.0, CauseId.FACTOR, "is twice the right gradient"
    yield 0.5, CauseId.FACTOR, "is half the right gradient"
    for rate in [fit.context.learning_rate] if fit.context.learning_rate else []:
        yield rate, CauseId.FACTOR, f"is the right gradient times the learning rate {rate:g}; it belongs in the update"
        yield -rate, CauseId.FACTOR, f"is the update, not the gradient: it has the factor -{rate:g}"
    for keep in _keeps(fit):
        yield 1 / keep, CauseId.FACTOR, f"is 1/{keep:g} times the right gradient; the mask is scaled twice"
        yield keep, CauseId.FACTOR, f"is {keep:g} times the right gradient; the mask's 1/keep is missing"
    for number in (10.0, 0.1, 0.01):
        yield number, CauseId.FACTOR, f"is {_number(number)} times the right gradient"
    if columns > 1:
        yield columns, CauseId.FACTOR, f"is {columns} times the right gradient, its number of columns"
        text = f"was averaged over the {columns} columns too; it must not be"
        yield 1 / columns, CauseId.REDUCTION, text
    for count in {rows * columns, fit.truth.size, *_sizes(fit)} - {1, rows, columns}:
        yield from _reductions(fit, count, f"{count} entries")


def _reductions(fit: Fit, count: int, entries: str) -> Iterator[tuple[float, CauseId, str]]:
    if fit.name == "loss":  # which of the two losses is meant is the user's to say
        yield count, CauseId.REDUCTION, f"is summed over {entries}; the reference averages"
        yield 1 / count, CauseId.REDUCTION, f"is averaged over {entries}; the reference sums"
        return
    yield count, CauseId.REDUCTION, f"was summed over {entries}; it must be averaged"
    yield 1 / count, CauseId.REDUCTION, f"was averaged over {entries}; it must be summed"


def _sizes(fit: Fit) -> set[int]:
    return {v.size for v in fit.context.values.values() if v.ndim == 2 and v.shape[0] == fit.context.batch_size}


def _keeps(fit: Fit) -> set[float]:
    masks = (v for v in fit.context.values.values() if is_mask(v) and v.max() > 1)
    return {round(1 / float(mask.max()), 12) for mask in masks}


def _number(value: float) -> str:
    """Write a number as a small fraction where it is one."""
    fraction = Fraction(value).limit_denominator(1000)
    if abs(float(fraction) - value) <= 1e-9 * abs(value) and fraction.denominator > 1 and abs(fraction.numerator) < 100:
        return str(fraction)
    return f"{value:.6g}"


def transposed(fit: Fit) -> Cause | None:
    """The right gradient transposed, or its numbers in the order of its transpose."""
    g = fit.truth
    if g.ndim != 2 or min(g.shape) < 2:
        return None
    if fit.is_met_by(g.T):
        return Cause(CauseId.TRANSPOSE, f"{fit.label} is transposed")
    if fit.is_met_by(g.T.reshape(g.shape)) or fit.is_met_by(g.reshape(g.shape[::-1]).T):
        return Cause(CauseId.TRANSPOSE, f"{fit.label} is reshaped; it must be transposed")
    return None


def permuted(fit: Fit) -> Cause | None:
    """The right gradient with its rows, its columns or both in another order."""
    g = fit.truth
    if g.size < 2 or g.ndim not in (1, 2):
        return None
    turned = [("reversed", np.flip)] + [(f"rolled by {k}", lambda a, k=k: np.roll(a, k, axis=0)) for k in (1, -1)]
    for axis, what in enumerate(["rows", "columns"][: g.ndim] if g.ndim == 2 else ["entries"]):
        along, mine = np.moveaxis(g, axis, 0), np.moveaxis(fit.manual, axis, 0)
        if len(along) < 2:
            continue
        for how, turn in turned:
            if fit.is_met_by(np.moveaxis(turn(along) if how != "reversed" else along[::-1], 0, axis)):
                return Cause(CauseId.PERMUTATION, f"the {what} of {fit.label} are {how}")
        order = _order(along.reshape(len(along), -1), mine.reshape(len(mine), -1))
        if order is not None and fit.is_met_by(np.moveaxis(along[order], 0, axis)):
            return Cause(CauseId.PERMUTATION, f"the {what} of {fit.label} are in the wrong order: {_shortened(order)}")
    if g.ndim == 2 and fit.is_met_by(g[::-1, ::-1]):
        return Cause(CauseId.PERMUTATION, f"the rows and the columns of {fit.label} are reversed")
    return None


def _order(rows: Array, moved: Array) -> Array | None:
    """Find the order of `rows` that gives `moved`, by sorting both along a random direction."""
    weights = np.random.default_rng(0).standard_normal(rows.shape[1])
    order = np.empty(len(rows), int)
    order[np.argsort(moved @ weights, kind="stable")] = np.argsort(rows @ weights, kind="stable")
    return None if np.array_equal(order, np.arange(len(rows))) else order


def _shortened(order: Array) -> str:
    return str([int(i) for i in order]) if len(order) <= 12 else f"{[int(i) for i in order[:12]]} …"


def all_axes(fit: Fit) -> Cause | None:
    """One number in every entry: the sum, or the mean, over all axes."""
    m, g = fit.manual, fit.truth
    if g.size < 2 or np.ptp(m) > fit.rounding or np.ptp(g) <= fit.tolerance:
        return None
    number, total, rows = float(m.flat[0]), float(g.sum()), fit.context.batch_size or 1
    if abs(number) <= fit.rounding and np.ptp(m) > 0:
        return None
    for count, what in ((1, "sum"), (rows * g.size, "mean"), (g.size, "mean"), (rows, "mean")):
        if abs(number - total / count) <= fit.tolerance:
            return Cause(
                CauseId.ALL_AXES,
                f"{fit.label} is one number in every entry, the {what} over all axes; sum over the batch only (axis 0)",
            )
    return None


def other_function(fit: Fit) -> Cause | None:
    """Another function of the right gradient, entry by entry: no slip with a name, but good to know."""
    if fit.truth.size < 2:
        return None
    if fit.is_met_by(np.abs(fit.truth)):
        return Cause(CauseId.UNKNOWN, f"{fit.label} is the absolute value of the right gradient")
    if fit.is_met_by(fit.truth**2):
        return Cause(CauseId.UNKNOWN, f"{fit.label} is the right gradient squared, entry by entry")
    return None


def regulariser(fit: Fit) -> Cause | None:
    """A difference proportional to the parameter itself."""
    p = fit.context.params.get(fit.name)
    if p is None or p.shape != fit.truth.shape or not p.any():
        return None
    strength = float((fit.difference * p).sum() / (p * p).sum())
    if not fit.is_met_by(fit.truth + strength * p):
        return None
    usual = {digit * 10.0**-k for digit in (1, 2, 5) for k in range(1, 7)}
    if np.unique(p[p != 0]).size < 2 and not any(abs(abs(strength) - s) <= 1e-9 * s for s in usual):
        return None
    verb = "missing from" if strength < 0 else "added to, or doubled in,"
    return Cause(
        CauseId.REGULARISER,
        f"{fit.label} is off by {_number(strength)} times {fit.name}; a regulariser is {verb} the gradient",
    )


def one_part(fit: Fit) -> Cause | None:
    """Right everywhere but in one row, one column or one entry."""
    d, g = np.abs(fit.difference), fit.truth
    if g.size < 2 or g.ndim not in (1, 2):
        return None
    wrong = d > max(fit.rounding, FITS * d.max())
    if not (g[~wrong] != 0).any():
        return None
    where = np.argwhere(wrong)
    if len(where) == 1:
        return Cause(CauseId.ONE_ENTRY, f"{fit.label} is wrong only in entry {[int(i) for i in where[0]]}")
    for axis, what in enumerate(("row", "column")) if g.ndim == 2 else ():
        if len(np.unique(where[:, axis])) == 1 and g.shape[axis] > 1:
            return Cause(CauseId(f"one_{what}"), f"{fit.label} is wrong only in {what} {int(where[0, axis])}")
    return None


def crossed_loss(fit: Fit) -> Cause | None:
    """Every example scored against every target: off by the covariance of logits and targets."""
    arrays = [(n, np.asarray(v, np.float64)) for n, v in fit.context.values.items() if np.ndim(v) == 2]
    rows = fit.context.batch_size or 1
    for (one, z), (other, t) in itertools.combinations(arrays, 2):
        if z.shape != t.shape or len(z) != rows or rows < 2:
            continue
        covariance = float(((z * t).mean(axis=0) - z.mean(axis=0) * t.mean(axis=0)).sum())
        for count in (1, rows, 1 / z.shape[1], rows**2):
            if covariance and fit.is_met_by(fit.truth + count * covariance):
                text = f"the loss scores every row of {one} against every row of {other}; they were broadcast to N x N"
                return Cause(CauseId.BROADCAST_NXN, text)
    return None


def fraction(fit: Fit) -> Cause | None:
    """A wrong loss that is a simple fraction of the right one."""
    ratio = Fraction(float(fit.manual / fit.truth)).limit_denominator(1000)
    if ratio == 0 or not fit.is_met_by(np.asarray(float(ratio)) * fit.truth):
        return None
    text = f"{fit.label} is {ratio} times the right value, as if averaged over the wrong number of entries"
    return Cause(CauseId.FACTOR, text)
