"""Which matrix product a gradient is, and which it should be, among the arrays at hand."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.arrays_at_hand import NamedArray
from gradtwin.diagnosis.fit import Cause, Fit
from manual_grads import Array

LARGEST_SEARCH = 200_000_000  # multiplications the search for a product may cost


def other_product(fit: Fit) -> Cause | None:
    """The right gradient is a matrix product; the value is a product of other arrays, or of other sides."""
    g = fit.truth
    if g.ndim != 2:
        return None
    right = [p for p in _products_like(fit, g, 1e-9) if fit.is_truth(p.value())]
    for product in right:
        if (row := product.only_row(fit)) is not None:
            text = f"{fit.label} is {product.text} of example {row} only; sum over the batch"
            return Cause(CauseId.MISSING_SUM, text)
    wrong = [p for p in _products_like(fit, fit.manual, 1e-5) if fit.is_met_by(p.value())] if right else []
    pairs = sorted(itertools.product(right, wrong), key=lambda pair: -pair[0].in_common(pair[1]))
    if not pairs or pairs[0][0].in_common(pairs[0][1]) == 0:
        return None
    return Cause(*_told(fit, *pairs[0]))


def _products_like(fit: Fit, array: Array, within: float) -> list["Product"]:
    """Find the products that give an array's image of one random direction: few numbers stand for many."""
    probe = np.asarray(np.random.default_rng(0).standard_normal(array.shape[1]))
    image = array @ probe
    within = max(within, 1000 * fit.context.precision)
    products = itertools.takewhile(_within_effort(), _products(fit, array.shape, probe))
    return [product for product in products if _near(product.probed, image, within)]


def _within_effort() -> Callable[["Product"], bool]:
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

    def only_row(self, fit: Fit) -> int | None:
        """Find the single example whose part of the product the wrong value is."""
        if self.turned != (True, False) or fit.manual.shape != fit.truth.shape:
            return None
        probe = np.asarray(np.random.default_rng(0).standard_normal(fit.manual.shape[1]))
        image = fit.manual @ probe
        for n, (a, b) in enumerate(zip(self.left.value, self.right.value, strict=True)):
            if _near(a * (b @ probe), image, 1e-5) and fit.is_met_by(np.outer(a, b)):
                return n
        return None

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


def _told(fit: Fit, right: Product, wrong: Product) -> tuple[CauseId, str]:
    says = f"{fit.label} is {wrong.text}; {right.text} is right"
    if {right.left.name, right.right.name} == {wrong.left.name, wrong.right.name}:
        return CauseId.TRANSPOSE, says
    mine = {wrong.left.name: wrong.left, wrong.right.name: wrong.right}
    theirs = {right.left.name: right.left, right.right.name: right.right}
    used = [a for n, a in mine.items() if n not in theirs]
    wanted = [a for n, a in theirs.items() if n not in mine]
    reason = f" (it uses {used[0].name} instead of {wanted[0].name})" if used and wanted else ""
    return CauseId.WRONG_OPERAND, says + reason
