"""Why a gradient is wrong: the wrong value fitted by what people usually get wrong.

Every rule proposes what the value would be if one particular slip had been made, and answers only where that
proposal meets the value far more closely than the right gradient does: the residual must be a billionth of
the difference to be explained, so that a difference in the tenth digit is explained as strictly as a gross
one. Rules stand from the special to the general; what no rule explains stays unexplained.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from gradtwin.referee.arrays_at_hand import NamedArray, at_hand
from manual_grads import Array

FITS = 1e-9  # the largest residual, relative to the difference that is explained
ROUNDINGS = 64.0  # what rounding alone may add to it, in units of the precision
LARGEST_SEARCH = 200_000_000  # multiplications the search for a product may cost


@dataclass(frozen=True)
class Cause:
    """Why a gradient is wrong: a word of the referee's vocabulary, and a line for the reader.

    `id` is "unknown" where the text says what the value is, but no slip of the vocabulary makes it.
    """

    id: str
    text: str


@dataclass(frozen=True)
class Context:
    """What is known around a wrong gradient.

    Attributes:
        params: the parameters, by name.
        values: forward intermediates and the batch's arrays, by name, as far as they are known.
        gradients: the right gradients, by name.
        batch_size: the number N of examples, None where there is no batch.
        manual: the hand's own gradients as it returned them, to recognize an exchanged pair.
        learning_rate: the step size of the training, where there is one.
        stale: whether the hand code was seen to answer from an earlier forward pass; None where nobody looked.
        precision: the spacing of numbers at 1 in the precision of the check.
    """

    params: Mapping[str, Array]
    values: Mapping[str, Array]
    gradients: Mapping[str, Array]
    batch_size: int | None = None
    manual: Mapping[str, Array] = field(default_factory=dict)
    learning_rate: float | None = None
    stale: bool | None = None
    precision: float = float(np.finfo(np.float64).eps)


def name_cause(
    name: str,
    manual: Array,
    truth: Array,
    context: Context,
    repair: "Callable[[Fit], Cause | None] | None" = None,
    stale: "Callable[[Fit], Cause | None] | None" = None,
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
        return _wrong_shape(fit)
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
    named = _zero(fit) or _named_factor(fit)
    named = named or _crossed_loss(fit)
    ratio = Fraction(float(manual / truth)).limit_denominator(1000)
    if named is not None or ratio == 0 or not fit.is_met_by(np.asarray(float(ratio)) * fit.truth):
        return named
    return Cause("factor", f"{fit.label} is {ratio} times the right one: a mean over another number of entries")


def _crossed_loss(fit: "Fit") -> Cause | None:
    """Every example scored against every target: off by the covariance of logits and targets."""
    arrays = [(n, np.asarray(v, np.float64)) for n, v in fit.context.values.items() if np.ndim(v) == 2]
    rows = fit.context.batch_size or 1
    for (one, z), (other, t) in itertools.combinations(arrays, 2):
        if z.shape != t.shape or len(z) != rows or rows < 2:
            continue
        covariance = float(((z * t).mean(axis=0) - z.mean(axis=0) * t.mean(axis=0)).sum())
        for count in (1, rows, 1 / z.shape[1], rows**2):
            if covariance and fit.is_met_by(fit.truth + count * covariance):
                text = f"the loss scores every row of {one} against every row of {other}: they were broadcast to N x N"
                return Cause("broadcast_nxn", text)
    return None


class Fit:
    """One wrong gradient beside the right one, and how closely a proposal must meet it."""

    def __init__(self, name: str, manual: Array, truth: Array, context: Context) -> None:
        self.name, self.manual, self.truth, self.context = name, manual, truth, context
        with np.errstate(all="ignore"):
            self.difference = manual - truth if manual.shape == truth.shape else np.array(manual)
            size = float(np.abs(self.difference).max(initial=0.0))
            scale = max(float(np.abs(a).max(initial=0.0)) for a in (manual, truth))
        self.rounding = ROUNDINGS * context.precision * scale
        self.tolerance = FITS * size + self.rounding
        self.is_decidable = self.tolerance < 0.01 * size

    @functools.cached_property
    def at_hand(self) -> list[NamedArray]:
        """The arrays the gradient may have been made of."""
        return at_hand(self.context)

    @property
    def label(self) -> str:
        """The gradient as the page writes it."""
        return "the loss" if self.name == "loss" else f"d{self.name}"

    def is_met_by(self, proposal: Array) -> bool:
        """Whether the wrong value is this one."""
        return proposal.shape == self.manual.shape and self._is_close(self.manual - proposal, self.tolerance)

    def _is_close(self, residual: Array, tolerance: float) -> bool:
        """Whether a residual is small, where the difference is largest and in the middle of the entries too."""
        size = np.abs(residual)
        middle = FITS * np.median(np.abs(self.difference)) + self.rounding
        return bool(np.all(size <= tolerance) and (np.median(size) <= max(middle, 0)))

    def is_truth(self, proposal: Array) -> bool:
        """Whether the right value is this one: to rounding, whatever the fault's size."""
        scale = float(np.abs(self.truth).max(initial=0.0))
        close = 1e-10 * scale if self.context.precision < 1e-10 else self.rounding * 4
        return proposal.shape == self.truth.shape and bool(np.all(np.abs(self.truth - proposal) <= close))

    def is_right(self, proposal: Array) -> bool:
        """Whether a proposal is the right value, as nearly as the difference to be explained asks."""
        if proposal.shape != self.truth.shape:
            return False
        scale = float(np.abs(self.truth).max(initial=0.0))
        tolerance = min(self.tolerance, FITS * scale) + ROUNDINGS * self.context.precision * scale
        return self._is_close(self.truth - proposal, tolerance)

    def is_same_step(self, one: Array, other: Array) -> bool:
        """Whether two step functions agree wherever the right gradient is not 0 and wherever it is wrong."""
        matters = (self.truth != 0) | (self.difference != 0)
        return bool(np.array_equal(one[matters], other[matters]))

    @property
    def is_one_number(self) -> bool:
        """Whether the right gradient holds a single value, so that any other is a multiple of it."""
        nonzero = self.truth[self.truth != 0]
        return nonzero.size < 2 or bool(np.ptp(nonzero) <= self.rounding)


# ---- what the value alone tells ---------------------------------------------------------------------


def _wrong_shape(fit: Fit) -> Cause | None:
    manual, right = fit.manual.shape, fit.truth.shape
    says = f"{fit.label} has shape {list(manual)} where {list(right)} is right"
    batch = fit.context.batch_size
    if len(manual) == 2 and manual == right[::-1]:
        return Cause("transpose", f"{says}: transpose it")
    if len(right) == 1 and len(manual) == 2 and manual[0] == batch and manual[1] == right[0]:
        return Cause("missing_sum", f"{says}: it is not summed over the batch (axis 0)")
    if right != () and manual == ():
        return Cause("all_axes", f"{says}: the sum runs over all axes; sum over the batch only (axis 0)")
    if len(right) == 1 and manual == (batch,):
        return Cause("wrong_axis", f"{says}: the sum runs over axis 1; sum over the batch (axis 0)")
    if len(manual) == 2 and manual == (batch, batch) and right[:1] == (batch,):
        return Cause("broadcast_nxn", f"{says}: a column and a row of the batch were broadcast against each other")
    if len(manual) == 2 and manual == (batch, batch):
        return Cause("transpose", f"{says}: the factors of a product are exchanged, or not transposed")
    return None if fit.manual.ndim != 2 else _product(fit)


def _zero(fit: Fit) -> Cause | None:
    return None if fit.manual.any() else Cause("zero", f"{fit.label} is zero everywhere: it is never computed")


def _swapped(fit: Fit) -> Cause | None:
    """Two gradients returned under each other's name."""
    other = exchanged(fit.context).get(fit.name)
    return None if other is None else Cause("swapped", f"{fit.label} and d{other} are exchanged")


def exchanged(context: Context) -> dict[str, str]:
    """Find the pairs of gradients that the hand returned under each other's name; each name gives the other."""
    pairs: dict[str, str] = {}
    names = [name for name in context.manual if context.gradients.get(name) is not None]
    for one, other in itertools.combinations(names, 2):
        a, b = (Fit(n, np.asarray(context.manual[n]), context.gradients[n], context) for n in (one, other))
        if a.manual.shape != b.truth.shape or a.truth.shape != a.manual.shape or b.truth.shape != b.manual.shape:
            continue
        if a.is_decidable and b.is_decidable and a.is_met_by(b.truth) and b.is_met_by(a.truth):
            pairs |= {one: other, other: one}
    return pairs


def _named_factor(fit: Fit) -> Cause | None:
    """A multiple of the right gradient by a number with a name."""
    named = [(id, text) for number, id, text in _named_numbers(fit) if fit.is_met_by(number * fit.truth)]
    if not named:
        return None
    others = "".join(f"; or {text}" for _, text in named[1:])
    return Cause(named[0][0], f"{fit.label} is {named[0][1]}{others}")


def _factor(fit: Fit) -> Cause | None:
    """A multiple of the right gradient by any number."""
    size = float((fit.truth * fit.truth).sum())
    if size == 0 or fit.is_one_number:
        return None
    ratio = float((fit.manual * fit.truth).sum()) / size
    if abs(ratio) < 1e-9 or not fit.is_met_by(ratio * fit.truth):
        return None
    return Cause("factor", f"{fit.label} is {_number(ratio)} times the right gradient")


def _named_numbers(fit: Fit) -> Iterator[tuple[float, str, str]]:
    rows, columns = fit.context.batch_size or 1, fit.truth.shape[-1] if fit.truth.ndim else 1
    yield -1.0, "sign", "the right one with the opposite sign"
    if rows > 1:
        yield rows, "reduction", f"N = {rows} times too large: a sum where the loss has a mean"
        yield 1 / rows, "reduction", f"N = {rows} times too small: a mean where the loss has a sum"
    yield 2.0, "factor", "twice the right one"
    yield 0.5, "factor", "half the right one"
    for rate in [fit.context.learning_rate] if fit.context.learning_rate else []:
        yield rate, "factor", f"the right gradient times the learning rate {rate:g}, which belongs in the update"
        yield -rate, "factor", f"the update and not the gradient: times minus the learning rate {rate:g}"
    for keep in _keeps(fit):
        yield 1 / keep, "factor", f"1/{keep:g} times the right gradient: the mask is scaled twice"
        yield keep, "factor", f"{keep:g} times the right gradient: the mask's 1/keep is missing"
    for number in (10.0, 0.1, 0.01):
        yield number, "factor", f"{_number(number)} times the right gradient"
    if columns > 1:
        yield columns, "factor", f"C = {columns} times the right gradient, its number of columns"
        text = f"C = {columns} times too small: a mean over the columns too"
        yield 1 / columns, "reduction", text
    for count in {rows * columns, fit.truth.size, *_sizes(fit)} - {1, rows, columns}:
        yield count, "reduction", f"{count} times too large: a sum where the loss has a mean over {count} entries"
        yield 1 / count, "reduction", f"{count} times too small: a mean over {count} entries where the loss has a sum"


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


def is_mask(array: Array) -> bool:
    """Whether an array holds zeros and one other positive number."""
    array = np.asarray(array)
    if array.size < 2 or array.dtype.kind not in "fb":
        return False
    high = array.max()
    return bool(high > 0 and array.min() == 0 and np.all((array == 0) | (array == high)))


def _power(fit: Fit) -> Cause | None:
    """Another function of the right gradient, entry by entry: no slip with a name, but good to know."""
    if fit.truth.size < 2:
        return None
    if fit.is_met_by(np.abs(fit.truth)):
        return Cause("unknown", f"{fit.label} is the right gradient without its signs: an absolute value")
    if fit.is_met_by(fit.truth**2):
        return Cause("unknown", f"{fit.label} is the right gradient squared, entry by entry")
    return None


def _transpose(fit: Fit) -> Cause | None:
    g = fit.truth
    if g.ndim != 2 or min(g.shape) < 2:
        return None
    if fit.is_met_by(g.T):
        return Cause("transpose", f"{fit.label} is transposed")
    if fit.is_met_by(g.T.reshape(g.shape)) or fit.is_met_by(g.reshape(g.shape[::-1]).T):
        return Cause("transpose", f"{fit.label} is reshaped where it should be transposed")
    return None


def _permutation(fit: Fit) -> Cause | None:
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
                return Cause("permutation", f"the {what} of {fit.label} are {how}")
        order = _order(along.reshape(len(along), -1), mine.reshape(len(mine), -1))
        if order is not None and fit.is_met_by(np.moveaxis(along[order], 0, axis)):
            return Cause("permutation", f"the {what} of {fit.label} stand in another order: {_shortened(order)}")
    if g.ndim == 2 and fit.is_met_by(g[::-1, ::-1]):
        return Cause("permutation", f"the rows and the columns of {fit.label} are reversed")
    return None


def _order(rows: Array, moved: Array) -> Array | None:
    """Find the order of `rows` that gives `moved`, by sorting both along a random direction."""
    weights = np.random.default_rng(0).standard_normal(rows.shape[1])
    order = np.empty(len(rows), int)
    order[np.argsort(moved @ weights, kind="stable")] = np.argsort(rows @ weights, kind="stable")
    return None if np.array_equal(order, np.arange(len(rows))) else order


def _shortened(order: Array) -> str:
    return str([int(i) for i in order]) if len(order) <= 12 else f"{[int(i) for i in order[:12]]} …"


def _all_axes(fit: Fit) -> Cause | None:
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
                "all_axes",
                f"{fit.label} is one number in every entry: the {what} over all axes; sum over the batch only (axis 0)",
            )
    return None


def part(fit: Fit) -> Cause | None:
    """Right everywhere but in one row, one column or one entry."""
    d, g = np.abs(fit.difference), fit.truth
    if g.size < 2 or g.ndim not in (1, 2):
        return None
    wrong = d > max(fit.rounding, FITS * d.max())
    if not (g[~wrong] != 0).any():
        return None
    where = np.argwhere(wrong)
    if len(where) == 1:
        return Cause("one_entry", f"{fit.label} is wrong in the entry {[int(i) for i in where[0]]} only")
    for axis, what in enumerate(("row", "column")) if g.ndim == 2 else ():
        if len(np.unique(where[:, axis])) == 1 and g.shape[axis] > 1:
            return Cause(f"one_{what}", f"{fit.label} is wrong in {what} {int(where[0, axis])} only")
    return None


def _regulariser(fit: Fit) -> Cause | None:
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
        "regulariser",
        f"{fit.label} is off by {_number(strength)} times {fit.name}: a regulariser is {verb} the gradient",
    )


# ---- what the arrays at hand tell -------------------------------------------------------------------


def _one_of_them(fit: Fit) -> Cause | None:
    """The value is an array that is at hand, and the right gradient is that array times something."""
    for array in fit.at_hand:
        if array.of != fit.name and array.value.any() and fit.is_met_by(array.value):
            return _taken_for(fit, array)
    return None


def _taken_for(fit: Fit, array: NamedArray) -> Cause:
    factor = _elementwise_factor(fit, array)
    if array.is_gradient and factor is not None:
        return _kink(fit, factor) or Cause(*_missing(factor, f"{fit.label} is {array.name}"))
    for up in (a for a in fit.at_hand if a.is_gradient and a.value.shape == fit.truth.shape):
        if up.of != fit.name and fit.is_truth(up.value * array.value):
            return Cause("unknown", f"{fit.label} is {array.name} itself: the factor {up.name} is missing")
    return Cause("wrong_operand", f"{fit.label} is {array.name} itself")


def _missing(factor: NamedArray, says: str) -> tuple[str, str]:
    if is_mask(factor.value) and factor.kind == "value":
        return "mask_missing", f"{says}: the mask {factor.name} is not applied"
    return "missing_activation_derivative", f"{says}: the factor {factor.name} is missing"


def _elementwise_factor(fit: Fit, upstream: NamedArray) -> NamedArray | None:
    """Find what the upstream gradient must be multiplied with, entry by entry, to give the right one."""
    return next((f for f in _factors(fit) if fit.is_truth(upstream.value * f.value)), None)


def _factor_too_many(fit: Fit) -> Cause | None:
    """The right gradient times an array at hand."""
    for array in fit.at_hand:
        if array.is_gradient or array.value.ndim == 0 or not array.value.any():
            continue
        if (array.value.size == 1 and fit.is_met_by(fit.truth * array.value.item())) or (
            array.value.shape == fit.truth.shape and fit.is_met_by(fit.truth * array.value)
        ):
            return Cause("wrong_operand", f"{fit.label} is multiplied by {array.name}, which has no place in it")
    return None


def _factors(fit: Fit) -> Iterator[NamedArray]:
    """Give masks and derivatives of activations, of every forward value of the gradient's shape."""
    for array in fit.at_hand:
        if array.is_gradient or array.value.shape != fit.truth.shape:
            continue
        v, n = array.value, array.name
        if is_mask(v):
            yield NamedArray(v, n, "value", array.of)
        sigmoid = 1 / (1 + np.exp(-v))
        yield NamedArray((v > 0) * 1.0, f"1[{n} > 0]", "step", array.of)
        yield NamedArray((v >= 0) * 1.0, f"1[{n} ≥ 0]", "step at zero", array.of)
        yield NamedArray(sigmoid * (1 - sigmoid), f"σ'({n})", "derivative", array.of)
        yield NamedArray(v * (1 - v), f"{n} (1 - {n})", "derivative", array.of)
        yield NamedArray(1 - v * v, f"1 - {n}²", "derivative", array.of)


def _activation(fit: Fit) -> Cause | None:
    """The upstream gradient times a derivative or a mask, but not the right one."""
    upstream = [a for a in fit.at_hand if a.is_gradient and a.value.shape == fit.truth.shape]
    for up in (a for a in upstream if a.of != fit.name):
        right = _elementwise_factor(fit, up)
        if right is None:
            continue
        wrong = [f for f in _factors(fit) if fit.is_met_by(up.value * f.value)]
        if (kink := _kink(fit, right)) is not None:
            return kink
        if wrong:
            return Cause(*_another(fit, right, wrong[0], up))
        if is_mask(right.value) and right.kind == "value":
            return _unknown_mask(fit, right, up)
    return None


def _kink(fit: Fit, right: NamedArray) -> Cause | None:
    """A difference only where what the step function is taken of is exactly 0."""
    if not right.kind.startswith("step"):
        return None
    wrong = np.abs(fit.difference) > fit.rounding
    alike = [f for f in _factors(fit) if f.kind == "step" and fit.is_same_step(f.value, right.value)]
    known = {**fit.context.params, **fit.context.values}
    taken_of = [known[f.of] for f in alike]
    if not taken_of or any((v[wrong] != 0).any() for v in taken_of):
        return None
    names = " or ".join(f.of for f in alike)
    return Cause(
        "kink_convention", f"{fit.label} differs only where {names} is exactly 0: another derivative at the kink"
    )


def _another(fit: Fit, right: NamedArray, wrong: NamedArray, up: NamedArray) -> tuple[str, str]:
    says = f"{fit.label} is {up.name} ∘ {wrong.name} where {up.name} ∘ {right.name} is right"
    if right.kind == "value":
        return "mask_other", f"{says}: the mask is not the forward's"
    return "wrong_activation_point", f"{says}: the derivative is taken at the wrong quantity"


def _unknown_mask(fit: Fit, right: NamedArray, up: NamedArray) -> Cause | None:
    """The upstream gradient under zeros and ones that are not the forward's, in more than a row or a column."""
    if part(fit) is not None:
        return None
    used = np.where(up.value != 0, fit.manual / np.where(up.value == 0, 1, up.value), 0)
    used = np.where(np.abs(used) < 1e-9, 0, used)
    high = used.max()
    if high > 0 and np.all((used == 0) | (np.abs(used - high) <= 1e-9 * high)):
        return Cause("mask_other", f"{fit.label} is {up.name} under another mask than the forward's {right.name}")
    return None


def _sum(fit: Fit) -> Cause | None:
    """The right gradient is a sum over the batch; the value is another sum, or no sum."""
    g = fit.truth
    if g.ndim != 1:
        return None
    tall = [a for a in fit.at_hand if a.value.ndim == 2 and a.value.shape[1] == len(g)]
    summed = next((a for a in tall if a.is_gradient and fit.is_truth(a.value.sum(axis=0))), None)
    if summed is None:
        return None
    right = f"the sum of {summed.name} over the batch (axis 0)"
    for row, values in enumerate(summed.value):
        if fit.is_met_by(values):
            return Cause("missing_sum", f"{fit.label} is row {row} of {summed.name}: {right} is missing")
    if fit.is_met_by(summed.value.sum(axis=1)):
        return Cause("wrong_axis", f"{fit.label} is the sum of {summed.name} over axis 1 where {right} is right")
    for other in tall:
        if fit.is_met_by(other.value.sum(axis=0)):
            return Cause("wrong_operand", f"{fit.label} is the sum of {other.name} where {right} is right")
    return None


def _product(fit: Fit) -> Cause | None:
    """The right gradient is a matrix product; the value is a product of other arrays, or of other sides."""
    g = fit.truth
    if g.ndim != 2:
        return None
    right = [p for p in _products_like(fit, g, 1e-9) if fit.is_truth(p.value())]
    wrong = [p for p in _products_like(fit, fit.manual, 1e-5) if fit.is_met_by(p.value())] if right else []
    pairs = sorted(itertools.product(right, wrong), key=lambda pair: -pair[0].in_common(pair[1]))
    if not pairs or pairs[0][0].in_common(pairs[0][1]) == 0:
        return None
    return Cause(*_other_product(fit, *pairs[0]))


def _products_like(fit: Fit, array: Array, within: float) -> "list[Product]":
    """Find the products that give an array's image of one random direction: few numbers stand for many."""
    probe = np.asarray(np.random.default_rng(0).standard_normal(array.shape[1]))
    image = array @ probe
    products = itertools.takewhile(_within_effort(), _products(fit, array.shape, probe))
    return [product for product in products if _near(product.probed, image, within)]


def _within_effort() -> "Callable[[Product], bool]":
    spent = 0

    def is_affordable(product: Product) -> bool:
        nonlocal spent
        spent += 2 * (product.left.value.size + product.right.value.size)
        return spent <= LARGEST_SEARCH

    return is_affordable


def _near(a: Array, b: Array, within: float) -> bool:
    return bool(np.abs(a - b).max(initial=0.0) <= within * np.abs(b).max(initial=0.0))


@dataclass(frozen=True)
class Product:
    """A product of two arrays at hand, either of them transposed or not, probed along one direction."""

    left: NamedArray
    right: NamedArray
    turned: tuple[bool, bool]
    probed: Array

    @property
    def text(self) -> str:
        return " ".join(a.name + "ᵀ" * turned for a, turned in zip((self.left, self.right), self.turned, strict=True))

    def value(self) -> Array:
        a, b = self.left.value, self.right.value
        return (a.T if self.turned[0] else a) @ (b.T if self.turned[1] else b)

    def in_common(self, other: "Product") -> int:
        """Count the factors two products share."""
        return len({self.left.name, self.right.name} & {other.left.name, other.right.name})


def _products(fit: Fit, shape: tuple[int, ...], probe: Array) -> Iterator[Product]:
    rows, columns = shape
    arrays = [a for a in fit.at_hand if a.value.ndim == 2 and a.of != fit.name]
    for b, b_turned in itertools.product(arrays, (False, True)):
        right = b.value.T if b_turned else b.value
        if right.shape[1] != columns:
            continue
        inner = right @ probe
        for a, a_turned in itertools.product(arrays, (False, True)):
            left = a.value.T if a_turned else a.value
            if left.shape == (rows, right.shape[0]):
                yield Product(a, b, (a_turned, b_turned), left @ inner)


def _other_product(fit: Fit, right: Product, wrong: Product) -> tuple[str, str]:
    says = f"{fit.label} is {wrong.text} where {right.text} is right"
    if {right.left.name, right.right.name} == {wrong.left.name, wrong.right.name}:
        return "transpose", says
    mine = {wrong.left.name: wrong.left, wrong.right.name: wrong.right}
    theirs = {right.left.name: right.left, right.right.name: right.right}
    used = [a for n, a in mine.items() if n not in theirs]
    wanted = [a for n, a in theirs.items() if n not in mine]
    reason = f": {used[0].name} in the place of {wanted[0].name}" if used and wanted else ""
    return "wrong_operand", says + reason


def _softmax(fit: Fit) -> Cause | None:
    """The right gradient goes through a softmax; the value leaves terms of its Jacobian out."""
    for p in (a for a in fit.at_hand if a.value.shape == fit.truth.shape and _are_probabilities(a.value)):
        for up in fit.at_hand:
            if up.value.shape == p.value.shape and (cause := _softmax_with(fit, p, up)) is not None:
                return cause
    return None


def _softmax_with(fit: Fit, p: NamedArray, up: NamedArray) -> Cause | None:
    y, g = p.value, up.value
    inner = (g * y).sum(axis=1, keepdims=True)
    says = f"{fit.label} lacks the term -{p.name} {p.name}ᵀ of the softmax's Jacobian"
    if fit.is_truth(y * (g - inner)):
        if fit.is_met_by(y * g):
            return Cause("missing_ppt", f"{says}: it is {p.name} ∘ {up.name}")
        if fit.is_met_by(y * (1 - y) * g):
            return Cause("missing_ppt", f"{says} off the diagonal: it is {p.name} (1 - {p.name}) ∘ {up.name}")
        if fit.is_met_by(y * (g - (g * y).sum(axis=0))):
            return Cause("wrong_axis", f"{fit.label} sums {up.name} ∘ {p.name} over axis 0; each row has its own sum")
        if fit.is_met_by(y * (g - inner.sum())):
            return Cause("all_axes", f"{fit.label} sums {up.name} ∘ {p.name} over all axes; each row has its own sum")
        return None
    scale = _scale(fit.truth, y - g)
    if up.kind == "value" and scale is not None and fit.is_truth(scale * (y - g)):
        if fit.is_met_by(-scale * g):
            return Cause("missing_ppt", f"{says}: it is -{up.name}, without {p.name}")
        if fit.is_met_by(-scale * g * (1 - y)):
            return Cause("missing_ppt", f"{says} off the diagonal: it is -{up.name} (1 - {p.name})")
    return None


def _are_probabilities(v: Array) -> bool:
    """Whether rows are what a softmax gives: they add up to 1, and are not one-hot."""
    return (
        v.ndim == 2
        and not np.isin(v, (0, 1)).all()
        and v.shape[1] > 1
        and bool(v.min() >= 0 and np.abs(v.sum(axis=1) - 1).max() < 1e-5)
    )


def _scale(whole: Array, part: Array) -> Array | None:
    """Give the number, or the number of each row, that the right gradient is of p - t."""
    size = (part * part).sum(axis=-1, keepdims=True)
    return None if not size.all() else (whole * part).sum(axis=-1, keepdims=True) / size


def _broadcast(fit: Fit) -> Cause | None:
    """Column against row: every example was compared with every target."""
    shaped = [a for a in fit.at_hand if a.kind == "value" and a.value.shape == fit.truth.shape]
    rows = fit.context.batch_size or 1
    if fit.truth.ndim != 2 or rows < 2 or fit.truth.shape[0] != rows:
        return None
    for p, t in itertools.permutations(shaped, 2):
        scale = _scale(fit.truth.ravel(), (p.value - t.value).ravel())
        if scale is None or not fit.is_truth(scale * (p.value - t.value)):
            continue
        for count, how in ((1, "averaged"), (rows, "summed")):
            if fit.is_met_by(count * scale * (p.value - t.value.mean(axis=0))) or fit.is_met_by(
                count * scale * (p.value.mean(axis=0) - t.value)
            ):
                return Cause(
                    "broadcast_nxn",
                    f"{fit.label} compares every {p.name} with every {t.name}, {how}: they were broadcast to N x N",
                )
    return None


def _epsilon(fit: Fit) -> Cause | None:
    """A small number added to a denominator: the right gradient is smaller by q / (q + epsilon)."""
    seen = np.abs(fit.difference) > 1e4 * fit.rounding / ROUNDINGS
    if seen.sum() < 3 or np.abs(fit.difference).max() > np.abs(fit.truth).max():
        return None
    excess = (fit.truth / fit.manual - 1)[seen]
    blur = 1e3 * fit.context.precision * np.abs(fit.truth).max() / np.abs(fit.difference[seen]).min()
    for array in fit.at_hand:
        if array.kind != "value" or array.value.shape != fit.truth.shape:
            continue
        v, n = array.value[seen], array.name
        for q, text in ((v * (1 - v), f"{n} (1 - {n})"), (v, n), (1 - v, f"1 - {n}")):
            epsilon = excess * q
            middle = float(np.median(epsilon))
            if 0 < middle < 0.01 and np.ptp(epsilon) <= max(1e-6, blur) * middle and np.ptp(q) > 1e-3 * np.abs(q).max():
                return Cause("epsilon", f"{fit.label} has {middle:.3g} added to the denominator {text}")
    return None


Rule = Callable[[Fit], Cause | None]
SPECIAL_RULES: tuple[Rule, ...] = (
    _zero, _swapped, _named_factor, _transpose, _permutation, _all_axes, _power, _regulariser,
    _one_of_them, _activation, _sum, _softmax, _broadcast, _product,
)  # fmt: skip
VAGUE_RULES: tuple[Rule, ...] = (_factor_too_many, _factor, _epsilon, part)
