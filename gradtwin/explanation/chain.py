"""Both sides run on one example, and everything known of each tensor put beside its formula."""

import functools
import inspect
import linecache
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import ReferenceRun, resolve, slopes
from gradtwin.core.tolerance import ulps_apart
from gradtwin.diagnosis.location import Followed, follow
from gradtwin.explanation.example import Example
from gradtwin.explanation.formula_values import value_of
from gradtwin.explanation.formulas import Formula, PageFormulas, formulas_of, right_hand_side, without_prose
from gradtwin.explanation.local_gradient import split_off
from gradtwin.explanation.steps import Entry, Local, Step
from gradtwin.referee import witnesses
from gradtwin.referee.evidence import Evidence, ManualRun
from gradtwin.referee.intermediates import witness_inside
from gradtwin.referee.judge import judge
from gradtwin.twins.twin import Twin
from manual_grads import Array, Params

WHOLE = 8  # entries up to which a tensor is shown whole


class Chain:
    """Both sides run at one point, and everything known of each tensor."""

    def __init__(self, twin: Twin, example: Example) -> None:
        self.twin, self.example = twin, example
        self.params, self.batch = example.params, example.batch
        loss, self.cache = twin.manual.forward(self.params, *self.batch.values())
        self.manual = ManualRun(loss, twin.manual.backward(self.params, self.cache), self.cache)
        self.names = tuple(self.manual.gradients)
        self.evidence = Evidence(
            self._run, lambda p, *b: twin.manual.forward(p, *b)[0], resolve(twin.reference), self.params, self.batch,
            "float64", "tape", self.names,
        )  # fmt: skip
        self.reference: ReferenceRun = self.evidence.reference_at(self.evidence.point)
        self.right = {name: _or_zeros(g, self.manual.gradients[name]) for name, g in self.reference.gradients.items()}
        self.followed: Followed | None = follow(twin.manual.backward, self.params, self.cache, self.right)
        rulings = judge(self.evidence, self.manual, self.reference)
        self.verdicts = {ruling.row.name: ruling.row.verdict for ruling in rulings}
        self.page: PageFormulas = formulas_of(twin.manual, self.params)
        loss_formula = self.page.loss(self.values())
        self.loss_formula = loss_formula or Formula("L", twin.loss)
        self.loss_name = self.loss_formula.name

    def _run(self, params: Params, *batch: Array) -> ManualRun:
        loss, cache = self.twin.manual.forward(params, *batch)
        return ManualRun(loss, self.twin.manual.backward(params, cache), cache)

    def values(self) -> Params:
        """Name the intermediates: what the cache holds besides the batch and second names of the same array."""
        given = {id(array) for array in (*self.batch.values(), *self.params.values())}
        found = {}
        for name, value in self.cache.items():
            if isinstance(value, np.ndarray | np.generic) and name not in self.batch and id(value) not in given:
                found[name] = np.asarray(value)
        return found

    @functools.cached_property
    def known(self) -> dict[str, Any]:
        """Give every name a formula may use: tensors, gradients, counts, and what the page defines by them."""
        return self.page.completed(self._tensors)

    @functools.cached_property
    def _tensors(self) -> dict[str, Any]:
        node = getattr(self.twin.manual, "node", None)
        arguments = inspect.signature(node.forward).parameters.values() if node is not None else ()
        tensors = {argument.name: argument.default for argument in arguments if argument.default is not argument.empty}
        tensors |= {f"m{name[4:]}": mask for name, mask in self.batch.items() if name.startswith("mask")}
        kept = self.cache | self.cache.get("node", {}) if node is not None else self.cache
        tensors |= {name: value for name, value in kept.items() if not isinstance(value, Mapping)}
        tensors |= self.batch | self.params
        tensors |= {f"d{name}": gradient for name, gradient in self.manual.gradients.items()}
        return self._natural_counts() | self.page.counts(tensors) | tensors

    def _natural_counts(self) -> dict[str, float]:
        """Give the counts that need no shape on the page: B rows, K columns of targets, M entries of x."""
        first, *others = self.batch.values()
        counts = {"B": float(len(first)) if first.ndim else 1.0}
        counts |= {"K": float(others[0].shape[1])} if others and np.ndim(others[0]) == 2 else {}
        x = (self.batch | self.params).get("x")
        return counts if x is None else counts | {"M": float(np.size(x))}

    # ---- forward ----

    def inputs(self) -> tuple[Step, ...]:
        """Show what both sides are given."""
        return tuple(self._plain(name, array) for name, array in (self.batch | self.params).items())

    def _plain(self, name: str, array: Array) -> Step:
        array = np.asarray(array)
        whole = array.size <= WHOLE
        shown = [Entry(index, float(array[index])) for index in np.ndindex(array.shape)] if whole else []
        return Step(name, name, "", array.shape, whole, tuple(shown), None)

    def forward(self) -> tuple[Step, ...]:
        """Show every value, the loss last."""
        steps = [self._value(name, value) for name, value in self.values().items()]
        if self.loss_formula.text not in self.values():  # L = f: the last value is the loss
            loss = np.asarray(self.manual.loss)
            formula = self.loss_formula
            page = value_of(without_prose(formula.text), self.known)
            total = None if page is None else page.sum()
            step = _step("loss", formula.name, formula.text, loss, self.reference.loss, _says(total, loss))
            steps.append(replace(step, verdict=self.verdicts["loss"]))
        return tuple(steps)

    def _value(self, name: str, value: Array) -> Step:
        formula = self.page.value(name)
        theirs = self.reference.values.get(name)
        if theirs is not None and theirs.shape != value.shape:
            theirs = None
        text = formula.text if formula else ""
        page = value_of(formula.expressions[-1], self.known, value.shape) if formula else None
        return _step(name, name, text, value, theirs, _says(page, value))

    # ---- backward ----

    def backward(self) -> tuple[Step, ...]:
        """Show every gradient, from the loss backwards."""
        order = self.names if self.followed is None else tuple(self.followed.local)
        return tuple(self._gradient(name) for name in order)

    def _gradient(self, name: str) -> Step:
        hand, right = np.asarray(self.manual.gradients[name]), self.right.get(name)
        formula = self.page.gradient(name)
        line, place = self._line(name)
        local, values = self._local(name, formula)
        step = _step(
            name, f"d{name}", formula.text if formula else right_hand_side(line, name), hand, right,
            lambda index: self._testify(name, index), local=values,
        )  # fmt: skip
        return replace(
            step, local=local, line=line, place=place, forward=self._forward_of(local),
            own_error_ulps=self._own_error(name), verdict=self.verdicts.get(name, ""),
        )  # fmt: skip

    def _line(self, name: str) -> tuple[str, str]:
        found = None if self.followed is None else self.followed.line_of(name)
        if found is None:
            return "", ""
        code = linecache.getline(*found).partition("  #")[0].strip()
        return code, f"{Path(found[0]).name}:{found[1]}" if code else ""

    def _own_error(self, name: str) -> float | None:
        if self.followed is None or name not in self.right:
            return None
        own, right = self.followed.local[name], self.right[name]
        return float(ulps_apart(own, right, "float64").max()) if own.shape == right.shape else float("inf")

    def _testify(self, name: str, index: tuple[int, ...]) -> float | None:
        if name in self.evidence.point:
            testimony = self.evidence.testify(name, index)
        else:
            testimony = witness_inside(self.twin.manual.forward, self.params, self.batch, name, index)
            testimony = testimony or self._testify_by_formula(name, index)
        return None if testimony is None else testimony.value

    def _testify_by_formula(self, name: str, index: tuple[int, ...]) -> witnesses.Testimony | None:
        """Differentiate the loss as the page writes it, in a tensor that the computed loss passes by."""
        named = re.search(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z0-9])", self.loss_formula.text)
        if name not in self.cache or named is None:
            return None

        def loss(point: Mapping[str, Array]) -> Any:
            value = value_of(without_prose(self.loss_formula.text), self.page.completed({**self._tensors, **point}))
            return np.nan if value is None else value.sum()

        direction = np.zeros(np.shape(self.cache[name]))
        direction[index] = 1.0
        return witnesses.testify(loss, {name: np.asarray(self.cache[name])}, name, direction)

    # ---- local gradients ----

    def _local(self, name: str, formula: Formula | None) -> tuple[Local | None, Array | None]:
        """Find what a step multiplies its upstream gradient with, and its value where it is taken entry by entry."""
        found = split_off(formula, self.names, hasattr(self.twin.manual, "node")) if formula else None
        if found is None:
            return None, None
        of, text = found
        local = Local(of, name, text)
        value = self._entrywise(of, name, text)
        if value is None or value.size > 1:
            return local, value
        theirs = slopes(self.evidence.reference, self.params, self.batch, [(of, name)]).get((of, name))
        return replace(local, manual=float(value.item()), tensorflow=_only(theirs)), value

    def _entrywise(self, of: str, name: str, text: str) -> Array | None:
        """Compute a local gradient that multiplies entry by entry; None for a matrix, or what cannot be computed."""
        value, upstream, right = value_of(text, self.known), self.right.get(of), self.right.get(name)
        if value is None or upstream is None or right is None or upstream.size != right.size:
            return None
        if value.size not in (1, right.size):
            return None
        value = np.broadcast_to(value.reshape(right.shape) if value.size > 1 else value.reshape(()), right.shape)
        return value if np.allclose(value * upstream.reshape(right.shape), right, rtol=1e-6) else None

    def _forward_of(self, local: Local | None) -> str:
        formula = None if local is None else self.page.value(local.of)
        return "" if formula is None else str(formula)

    # ---- after it ----

    def updates(self) -> tuple[Step, ...]:
        """Show every parameter after the update."""
        rate, adam = self.example.rule.rpartition(" ")[2], self.example.rule.startswith("Adam")
        steps = []
        for name in self.params:
            ours, theirs = self.example.after_manual[name], self.example.after_tensorflow[name]
            formula = "Adam's step" if adam else f"{name} - {rate} d{name}"
            steps.append(_step(name, name, formula, np.asarray(ours), theirs, _nobody))
        return tuple(steps)


def _nobody(index: tuple[int, ...]) -> None:
    return None


def _says(values: Array | None, like: Array) -> Callable[[tuple[int, ...]], float | None]:
    """Let a computed formula testify, entry by entry, where it has the tensor's shape."""
    if values is None or np.shape(values) != np.shape(like):
        return _nobody
    return lambda index: float(values[index])


def _or_zeros(gradient: Array | None, like: Array) -> Array:
    return np.zeros_like(like) if gradient is None else gradient


def _only(array: Array | None) -> float | None:
    return None if array is None or array.size != 1 else float(array.item())


def _step(
    name: str, label: str, formula: str, ours: Array, theirs: Array | None,
    testify: Callable[[tuple[int, ...]], float | None], local: Array | None = None,
) -> Step:  # fmt: skip
    """Put a tensor's values beside each other: all of a small one, the worst entry of a large one."""
    whole = ours.size <= WHOLE
    errors = None if theirs is None else ulps_apart(ours, theirs, "float64")
    indices = list(np.ndindex(ours.shape)) if whole else [_worst(ours, errors)]
    entries = [
        Entry(
            index=tuple(int(i) for i in index),
            manual=float(ours[index]),
            tensorflow=None if theirs is None else float(theirs[index]),
            witness=testify(index),
            local=None if local is None else float(local[index]),
        )
        for index in indices
    ]
    error = None if errors is None else float(errors.max(initial=0.0))
    return Step(name, label, formula, ours.shape, whole, tuple(entries), error)


def _worst(ours: Array, errors: Array | None) -> tuple[int, ...]:
    """Find the entry with the largest error; where no entry has one, the largest entry."""
    by = np.abs(ours) if errors is None or not errors.any() else errors
    return tuple(int(i) for i in np.unravel_index(np.argmax(by), by.shape))
