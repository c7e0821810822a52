"""Check a function of `tf.custom_gradient`: TensorFlow uses whatever gradient its author returns.

    report = gradtwin.check_custom_gradient(log1pexp, x, plain=lambda x: tf.math.softplus(x))

The function is run eagerly and inside `tf.function`, under a random upstream gradient, and once more for its
second derivatives. Each gradient is compared with TensorFlow's gradient of the plain function, by the referee's rule.
Without a plain function it is compared with the derivative of the function's values: by the complex step where
TensorFlow computes the function with complex numbers, else by Ridders' finite differences.

`custom_gradient_traps` lists what is named as a cause beside the referee's own causes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtwin.checking.custom_gradient_orders import FirstOrder, Order, SecondOrder
from gradtwin.checking.custom_gradient_runs import MODES, TapeRun, arguments_of, run
from gradtwin.checking.custom_gradient_traps import cause_of, cause_of_error
from gradtwin.checking.remarks import method_of
from gradtwin.core.errors import InputError
from gradtwin.core.plain import listed
from gradtwin.core.precision import cast
from gradtwin.core.report import Report, TensorReport, Worst
from gradtwin.core.tolerance import AGREE_ULPS
from gradtwin.core.user_code import told_as_theirs
from gradtwin.core.verdicts import Blame, CauseId, Note, Verdict, gravest
from gradtwin.diagnosis.fit import Cause
from gradtwin.referee import witnesses
from gradtwin.referee.evidence import Evidence, ManualRun
from gradtwin.referee.judge import judge
from gradtwin.referee.probes import judge_by_probes, testify
from manual_grads import Array, Params

VALUE = "<value>"  # no argument has this name


def check_custom_gradient(
    fn: Callable[..., Any],
    *args: Any,
    plain: Callable[..., Any] | None = None,
    order: int = 2,
    seed: int = 0,
    **keywords: Any,
) -> "CustomGradientReport":
    """Check the gradient of a function decorated by `tf.custom_gradient`.

    Example:
        >>> @tf.custom_gradient
        ... def cube(x):
        ...     return x**3, lambda upstream: 3 * x**2  # the upstream gradient is missing
        >>> report = gradtwin.check_custom_gradient(cube, [1.0, 2.0], plain=lambda x: x**3)
        >>> report.verdict, report.cause_id
        ('disagree', 'upstream_ignored')

    Args:
        fn: the function; its outputs may be nested.
        *args: its arguments. Float arrays, tensors and numbers are differentiated; the rest is passed on.
        plain: the same function without a custom gradient, for TensorFlow to differentiate; without it the values
            are differentiated numerically.
        order: 1 leaves the second derivatives out, for a function that has none.
        seed: draws the upstream gradients.
        **keywords: keyword arguments of `fn`; float arrays and tensors among them should have a gradient too.

    Returns:
        The report: a row for each argument eagerly, in a graph, and for both the second derivatives. Its
        `cause_id` is a trap (`gradtwin.checking.custom_gradient_traps`) or one of the referee's causes.

    Raises:
        InputError: no float argument, several float dtypes, an order other than 1 or 2, values that change from
            call to call, or an exception raised by the function.
    """
    if order not in (1, 2):
        raise InputError(f"order: expected 1 or 2, got {order!r}.")
    arguments = arguments_of(fn, args, keywords)
    with told_as_theirs("The function", always=True):
        first = FirstOrder(fn, plain, arguments, seed)
        first.require_repeatable()
    found = _examine(first)
    if order == 2 and found.agrees:
        found = found.and_also(_examine(SecondOrder(fn, plain, arguments, seed)))
    elif order == 2:
        text = "Second derivatives not checked: the first derivatives disagree."
        found = found.and_also(Findings(notes=(Note("first_order_only", text),)))
    return found.report(str(getattr(fn, "__name__", "fn")), first.dtype, seed)


@dataclass(frozen=True)
class CustomGradientReport(Report):
    """The outcome; its rows have the names of the arguments: `x`, `x (graph)`, `x (second order)`, ..."""

    compared_with: str = "plain"

    def _at_worst(self, worst: Worst) -> str:
        other = "" if np.isnan(worst.reference) else f", {self.compared_with} {worst.reference!r}"
        return f"custom gradient {worst.manual!r}{other}"


# ---- what is examined ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Findings:
    """What the runs of one or both orders showed."""

    rows: tuple[TensorReport, ...] = ()
    cause: Cause | None = None
    blame: Blame | None = None
    notes: tuple[Note, ...] = ()
    plain: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the next order can be examined."""
        return self.cause is None and all(row.verdict in (Verdict.AGREE, Verdict.ROUNDING) for row in self.rows)

    def and_also(self, other: "Findings") -> "Findings":
        """Add what other runs showed."""
        notes = tuple(dict.fromkeys(self.notes + other.notes))
        return Findings(
            self.rows + other.rows, self.cause or other.cause, self.blame or other.blame, notes, self.plain
        )

    def report(self, name: str, dtype: str, seed: int) -> CustomGradientReport:
        """Put it all into a report."""
        verdict = gravest([*(row.verdict for row in self.rows), Verdict.DISAGREE if self.cause else Verdict.AGREE])
        return CustomGradientReport(
            twin=name,
            dtype=dtype,
            route="eager, graph",
            seed=seed,
            verdict=verdict,
            tensors=self.rows,
            blame=Blame.MANUAL if verdict == Verdict.DISAGREE and self.blame is None else self.blame,
            cause=self.cause.text if self.cause else None,
            cause_id=CauseId(self.cause.id) if self.cause else None,
            notes=self.notes,
            compared_with="plain function" if self.plain else "numeric",
        )


def _examine(order: Order) -> Findings:
    """Run an order eagerly and in a graph, and judge every gradient of both."""
    found = Findings(plain=order.plain is not None)
    eager: TapeRun | None = None
    for mode in MODES:
        try:
            with told_as_theirs("The function", always=True):
                done = order.run(mode)
        except InputError as error:
            return found.and_also(Findings(cause=cause_of_error(order, error, mode)))
        found = found.and_also(_judge_run(order, done, eager, mode))
        eager = eager or done
    return found


def _judge_run(order: Order, done: TapeRun, eager: TapeRun | None, mode: str) -> Findings:
    suffix = ", ".join(part for part in (order.suffix, "graph" if mode == "graph" else "") if part)
    fitting = {n: _filled(g, order.point[n]) for n, g in done.gradients.items() if _fits(g, order.point[n])}
    rows, blames, notes = (_by_witness if order.plain is None else _by_plain)(order, fitting, mode)
    rows |= {n: _misfit(n, g, order.dtype) for n, g in done.gradients.items() if g is not None and n not in fitting}
    if VALUE in rows:  # the two functions compute other things; their gradients are not comparable
        row = replace(rows[VALUE], name=_named(VALUE, suffix))
        return Findings((row,), OTHER_VALUE, Blame.FORWARD, tuple(notes))
    wrong = [n for n, row in rows.items() if row.verdict == Verdict.DISAGREE and blames.get(n) != Blame.REFERENCE]
    cause = cause_of(order, done, eager, wrong[0], mode) if wrong else None
    if done.variables:
        text = f"Reads the variables {listed(done.variables)}; the gradients with respect to them are not checked."
        notes.append(Note("reads_variables", text))
    named = tuple(replace(row, name=_named(n, suffix)) for n, row in rows.items())
    blame = next((blames[n] for n in rows if rows[n].verdict != Verdict.AGREE and blames.get(n)), None)
    return Findings(named, cause, blame, tuple(notes))


def _named(name: str, suffix: str) -> str:
    return f"{name} ({suffix})" if suffix else name


def _fits(gradient: Array | None, tensor: Array) -> bool:
    return gradient is None or gradient.shape == tensor.shape


def _filled(gradient: Array | None, tensor: Array) -> Array:
    return np.zeros_like(tensor) if gradient is None else gradient


def _misfit(name: str, gradient: Array, dtype: str) -> TensorReport:
    worst = Worst((0,) * gradient.ndim, float(gradient.flat[0]), float("nan"))
    return TensorReport(name, gradient.shape, dtype, Verdict.DISAGREE, float("inf"), AGREE_ULPS, worst)


# ---- the two ways to judge -----------------------------------------------------------------------------

OTHER_VALUE = Cause(CauseId.FORWARD, "the two functions return different values for the same arguments.")
Judged = tuple[dict[str, TensorReport], dict[str, Blame], list[Note]]


@dataclass(frozen=True, eq=False)
class DoubleEvidence(Evidence):
    """Evidence on a function in TensorFlow, where a witness has no precision beyond double."""

    def testify(self, name: str, index: tuple[int, ...]) -> witnesses.Testimony | None:
        direction = np.zeros(self.point[name].shape)
        direction[index] = 1.0
        try:
            return testify(self.loss_at, cast(self.point, np.float64), name, direction)
        except Exception:  # a function written for float32 only
            return None


def _by_plain(order: Order, gradients: Params, mode: str) -> Judged:
    """Let the referee judge the custom gradient against TensorFlow's gradient of the plain function."""
    assert order.plain is not None

    def manual(params: Params) -> ManualRun:
        done = run(order.custom, params, mode)
        return ManualRun(done.loss, {n: _filled(g, params[n]) for n, g in done.gradients.items()}, {})

    sides = manual, order.evaluator(order.point), order.plain
    evidence = DoubleEvidence(*sides, order.point, {}, order.dtype, "tape", tuple(gradients))
    with told_as_theirs("The plain function", always=True):
        reference = evidence.reference_at(order.point)
    value, *rulings = judge(evidence, manual(order.point), reference)
    blames = {r.row.name: r.blame for r in rulings if r.blame}
    rows = {r.row.name: r.row for r in rulings}
    if value.row.verdict == Verdict.DISAGREE:
        rows[VALUE] = value.row
    return rows, blames, [r.note for r in (value, *rulings) if r.note]


def _by_witness(order: Order, gradients: Params, mode: str) -> Judged:
    """Let the witnesses judge the custom gradient."""
    rows = {
        n: judge_by_probes(n, g, order.wider.get(n), order.probes[n], order.dtype, order.usual[n])
        for n, g in gradients.items()
    }
    methods = sorted({method_of(one.witness) for probes in order.probes.values() for one in probes})
    text = f"No plain function was given; the {order.derivatives} are checked by {listed(methods) or 'nothing'}."
    notes = [Note("no_plain", text)]
    unsure = [n for n, row in rows.items() if row.verdict == Verdict.UNDECIDABLE]
    text = "numerical differentiation is not accurate enough here; pass plain=."
    notes += [Note("not_accurate_enough", f"d{n}: {text}") for n in unsure]
    blames = {n: Blame.MANUAL for n, row in rows.items() if row.verdict in (Verdict.DISAGREE, Verdict.ROUNDING)}
    return rows, blames, notes
