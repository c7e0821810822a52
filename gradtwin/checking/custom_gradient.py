"""Check a function of `tf.custom_gradient`: its gradient is whatever its author returns, and TensorFlow believes it.

    report = gradtwin.check_custom_gradient(log1pexp, x, plain=lambda x: tf.math.softplus(x))

The function is run eagerly and inside `tf.function`, under a random upstream gradient, and once more for its
second derivatives. Each gradient is held against TensorFlow's own of the plain function, by the referee's
rule, or, where no plain function is given, against the derivative of the function's values (the complex step
where TensorFlow carries complex numbers through, else Ridders' differences).

TensorFlow's traps are named as causes:

    keyword_argument    `tf.custom_gradient` differentiates by positional arguments only; a tensor that goes in
                        by keyword gets None eagerly, without a word, and an error in a graph
    none_returned       the gradient function returns None for an argument that the value depends on
    upstream_ignored    it gives the same whatever the upstream gradient; right under ones, wrong behind a layer
    upstream_nonlinear  it is no multiple of the upstream gradient
    gradient_shape      its gradient has another shape than the argument; TensorFlow hands it on
    gradient_count      it returns more or fewer gradients than there are positional arguments
    graph               it does not run, or gives something else, inside `tf.function`
    second_order        its own derivative is wrong or missing
    second_order_graph  its own derivative is another inside `tf.function`: it has a custom gradient in its turn,
                        which TensorFlow takes for the derivative by the upstream gradient
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradtwin.checking.custom_gradient_runs import (
    MODES,
    Call,
    Run,
    Scalar,
    arrange,
    contracted,
    cotangents,
    evaluator,
    gradient_contracted,
    run,
    value,
)
from gradtwin.core.errors import InputError
from gradtwin.core.precision import cast
from gradtwin.core.report import Report, TensorReport, Worst, shape_text
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulps_apart
from gradtwin.core.user_code import described, told_as_theirs
from gradtwin.diagnosis.cause import Context, name_cause
from gradtwin.referee import witnesses
from gradtwin.referee.evidence import Evidence, ManualRun
from gradtwin.referee.judge import gravest, judge
from gradtwin.referee.probes import Probe, judge_by_probes, probe, testify
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

    Args:
        fn: the function; its outputs may be nested.
        *args: its arguments. Float arrays, tensors and numbers are differentiated by, the rest is handed on.
        plain: the same function without a gradient of its own, for TensorFlow to differentiate; without it a
            numeric witness is asked.
        order: 1 leaves the second derivatives out, for a function that promises none.
        seed: draws the upstream gradients.
        **keywords: keyword arguments of `fn`; float arrays and tensors among them should have a gradient too.

    Returns:
        The report: a row for each argument eagerly, in a graph, and for both the second derivatives. Its
        `cause_id` is one of the traps above or of the referee's causes.

    Raises:
        InputError: nothing to differentiate by, several float dtypes, an order other than 1 or 2, values that
            change from call to call, or an exception of the function's own.
    """
    if order not in (1, 2):
        raise InputError(f"order: expected 1 or 2, got {order!r}.")
    call = arrange(fn, args, keywords)
    with told_as_theirs("The function", always=True):
        first = _first_order(fn, plain, call, seed)
        _require_repeatable(first)
    found = _examine(first, "")
    if order == 2 and found.cause is None and all(r.verdict in ("agree", "rounding") for r in found.rows):
        found = found.and_also(_examine(_second_order(fn, plain, call, seed), "second order"))
    elif order == 2:
        found = found.and_also(Findings(notes=("The second order is examined where the first agrees.",)))
    return found.report(str(getattr(fn, "__name__", "fn")), first.dtype, seed)


@dataclass(frozen=True)
class CustomGradientReport(Report):
    """The outcome; its rows are called after the arguments, `x`, `x (graph)`, `x (second order)`, ..."""

    compared_with: str = "plain"

    def _at_worst(self, worst: Worst) -> str:
        other = "" if np.isnan(worst.reference) else f", {self.compared_with} {worst.reference!r}"
        return f"custom gradient {worst.manual!r}{other}"


# ---- what is examined ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Problem:
    """A scalar of a function's arguments, once with its custom gradient and once, if there is one, plain."""

    call: Call
    custom: Scalar
    plain: Scalar | None
    seed: int
    at_other_upstream: Callable[[float], Scalar] | None = None
    under_constant_upstream: Scalar | None = None

    @property
    def point(self) -> Params:
        return self.call.point

    @property
    def dtype(self) -> str:
        return str(next(iter(self.point.values())).dtype)

    @cached_property
    def probes(self) -> dict[str, list[Probe]]:
        """The witnesses' testimonies, in float64 where the function takes it."""
        rng = np.random.default_rng(self.seed)
        point = cast(self.point, np.float64)
        try:
            value(self.custom, point)
        except Exception:  # a function written for float32 only
            point = self.point
        loss = evaluator(self.custom, point, complex_too=self.under_constant_upstream is None)
        return {name: probe(loss, point, name, rng) for name in self.point}

    @cached_property
    def usual(self) -> dict[str, float]:
        """The size a gradient by each argument usually has: the value, under any upstream, over the argument."""
        scalars = [self.custom, *([self.at_other_upstream(0.0)] if self.at_other_upstream else [])]
        size = max(abs(float(value(scalar, self.point))) for scalar in scalars)
        return {name: size / max(scale_of(array), 1.0) for name, array in self.point.items()}

    @cached_property
    def right_gradients(self) -> dict[str, Array]:
        """The right gradients: the plain function's, or what the witnesses said where they were asked about all."""
        if self.plain is not None:
            return {n: g for n, g in run(self.plain, self.point, "eager").gradients.items() if g is not None}
        found = {}
        for name, probes in self.probes.items():
            if len(probes) == self.point[name].size and all(np.count_nonzero(p.direction) == 1 for p in probes):
                found[name] = sum(p.value * p.direction for p in probes)
        return {name: np.asarray(gradient) for name, gradient in found.items()}

    @cached_property
    def wider(self) -> Mapping[str, Array | None]:
        """The custom gradient in float64, where that is wider and the function takes it."""
        if self.dtype == "float64":
            return {}
        try:
            return run(self.custom, cast(self.point, np.float64), "eager").gradients
        except Exception:  # a function written for float32 only
            return {}


def _first_order(fn: Callable[..., Any], plain: Callable[..., Any] | None, call: Call, seed: int) -> Problem:
    rng = np.random.default_rng(seed)
    weights = cotangents(call, fn, rng)
    others = [rng.choice([-1.0, 1.0], c.shape) * rng.uniform(0.5, 1.5, c.shape) for c in weights]
    return Problem(
        call,
        contracted(call, fn, weights),
        None if plain is None else contracted(call, plain, weights),
        seed,
        lambda times: contracted(call, fn, [times * c for c in weights] if times else others),
    )


def _second_order(fn: Callable[..., Any], plain: Callable[..., Any] | None, call: Call, seed: int) -> Problem:
    rng = np.random.default_rng(seed + 1)
    weights, curvature = cotangents(call, fn, rng), cotangents(call, fn, rng)
    direction = {
        k: rng.choice([-1.0, 1.0], v.shape) * rng.uniform(0.5, 1.5, v.shape) for k, v in call.point.items()
    }
    custom, other = (
        None if f is None else gradient_contracted(call, f, weights, curvature, direction) for f in (fn, plain)
    )
    assert custom is not None
    flat = gradient_contracted(call, fn, weights, None, direction)
    return Problem(call, custom, other, seed, under_constant_upstream=flat)


def _require_repeatable(problem: Problem) -> None:
    one, two = (float(value(problem.custom, problem.point)) for _ in range(2))
    if one != two and not (np.isnan(one) and np.isnan(two)):
        raise InputError(f"The function gives {one!r}, then {two!r}, for the same arguments: expected one value.")


@dataclass(frozen=True)
class Findings:
    """What the runs of one or more problems showed."""

    rows: tuple[TensorReport, ...] = ()
    cause: tuple[str, str] | None = None
    blame: str | None = None
    notes: tuple[str, ...] = ()
    plain: bool = False

    def and_also(self, other: "Findings") -> "Findings":
        """Add what another problem showed."""
        notes = tuple(dict.fromkeys(self.notes + other.notes))
        return Findings(
            self.rows + other.rows, self.cause or other.cause, self.blame or other.blame, notes, self.plain
        )

    def report(self, name: str, dtype: str, seed: int) -> CustomGradientReport:
        """Put it all into a report."""
        verdict = gravest([*(row.verdict for row in self.rows), "disagree" if self.cause else "agree"])
        cause_id, cause = self.cause or (None, None)
        blame = "manual" if verdict == "disagree" and self.blame is None else self.blame
        return CustomGradientReport(
            name, dtype, "eager, graph", seed, verdict, self.rows, blame, cause, cause_id,
            notes=self.notes, compared_with="plain function" if self.plain else "numeric",
        )  # fmt: skip


def _examine(problem: Problem, which: str) -> Findings:
    """Run a problem eagerly and in a graph, and judge every gradient of both."""
    found = Findings(plain=problem.plain is not None)
    eager: Run | None = None
    for mode in MODES:
        try:
            with told_as_theirs("The function", always=True):
                done = run(problem.custom, problem.point, mode)
        except InputError as error:
            return found.and_also(Findings(cause=_cause_of_error(problem, error, mode, which)))
        found = found.and_also(_judge_run(problem, done, eager, mode, which))
        eager = eager or done
    return found


def _judge_run(problem: Problem, done: Run, eager: Run | None, mode: str, which: str) -> Findings:
    suffix = ", ".join(part for part in (which, "graph" if mode == "graph" else "") if part)
    fitting = {n: _filled(g, problem.point[n]) for n, g in done.gradients.items() if _fits(g, problem.point[n])}
    rows, blames, notes = (_by_witness if problem.plain is None else _by_plain)(problem, fitting, mode)
    rows |= {n: _misfit(n, done.gradients[n], problem) for n in done.gradients if n not in fitting}
    if VALUE in rows:  # the two functions compute other things; their gradients are not comparable
        return Findings((replace(rows[VALUE], name=_named(VALUE, suffix)),), _OTHER_VALUE, "forward", tuple(notes))
    wrong = [n for n, row in rows.items() if row.verdict == "disagree" and blames.get(n) != "reference"]
    cause = _cause(problem, done, eager, wrong, mode, which) if wrong else None
    if done.variables:
        notes.append(f"Reads the variables {', '.join(done.variables)}: the gradients by them are not checked.")
    named = tuple(replace(row, name=_named(n, suffix)) for n, row in rows.items())
    blame = next((blames[n] for n in rows if rows[n].verdict != "agree" and blames.get(n)), None)
    return Findings(named, cause, blame, tuple(notes))


def _named(name: str, suffix: str) -> str:
    return f"{name} ({suffix})" if suffix else name


def _fits(gradient: Array | None, tensor: Array) -> bool:
    return gradient is None or gradient.shape == tensor.shape


def _filled(gradient: Array | None, tensor: Array) -> Array:
    return np.zeros_like(tensor) if gradient is None else gradient


def _misfit(name: str, gradient: Array | None, problem: Problem) -> TensorReport:
    assert gradient is not None
    worst = Worst((0,) * gradient.ndim, float(gradient.flat[0]), float("nan"))
    return TensorReport(name, gradient.shape, problem.dtype, "disagree", float("inf"), AGREE_ULPS, worst)


# ---- the two ways to judge -----------------------------------------------------------------------------

_OTHER_VALUE = ("forward", "the two functions give other values for the same arguments.")
Judged = tuple[dict[str, TensorReport], dict[str, str], list[str]]


@dataclass(frozen=True, eq=False)
class DoubleEvidence(Evidence):
    """Evidence on a function of TensorFlow's, which has no precision beyond double to testify in."""

    def testify(self, name: str, index: tuple[int, ...]) -> witnesses.Testimony | None:
        direction = np.zeros(self.point[name].shape)
        direction[index] = 1.0
        try:
            return testify(self.loss_at, cast(self.point, np.float64), name, direction)
        except Exception:  # a function written for float32 only
            return None


def _by_plain(problem: Problem, gradients: Params, mode: str) -> Judged:
    """Let the referee judge the custom gradient against TensorFlow's of the plain function."""
    assert problem.plain is not None

    def manual(params: Params) -> ManualRun:
        done = run(problem.custom, params, mode)
        return ManualRun(done.loss, {n: _filled(g, params[n]) for n, g in done.gradients.items()}, {})

    loss = evaluator(problem.custom, problem.point, complex_too=problem.under_constant_upstream is None)
    sides = manual, loss, problem.plain
    evidence = DoubleEvidence(*sides, problem.point, {}, problem.dtype, "tape", tuple(gradients))
    with told_as_theirs("The plain function", always=True):
        reference = evidence.reference_at(problem.point)
    rulings = judge(evidence, manual(problem.point), reference)
    blames = {r.row.name: r.blame for r in rulings[1:] if r.blame}
    rows = {r.row.name: r.row for r in rulings[1:]}
    if rulings[0].row.verdict == "disagree":
        rows[VALUE] = rulings[0].row
    return rows, blames, [r.note for r in rulings if r.note]


def _by_witness(problem: Problem, gradients: Params, mode: str) -> Judged:
    """Let the witnesses judge the custom gradient."""
    rows = {
        n: judge_by_probes(n, g, problem.wider.get(n), problem.probes[n], problem.dtype, problem.usual[n])
        for n, g in gradients.items()
    }
    names = sorted({one.witness for probes in problem.probes.values() for one in probes})
    what = "second derivatives" if problem.under_constant_upstream else "gradients"
    notes = [f"No plain function was given; the witness of the {what}: {' and '.join(names) or 'none'}."]
    blames = {n: "manual" for n, row in rows.items() if row.verdict in ("disagree", "rounding")}
    unsure = [n for n, row in rows.items() if row.verdict == "undecidable"]
    return rows, blames, notes + [f"d{n}: no witness is certain enough; give plain=." for n in unsure]


# ---- the traps -----------------------------------------------------------------------------------------


def _cause(
    problem: Problem, done: Run, eager: Run | None, wrong: list[str], mode: str, which: str
) -> tuple[str, str] | None:
    """Name the trap behind the first wrong gradient, else what the referee makes of it."""
    name = wrong[0]
    gradient = done.gradients[name]
    if which:
        return _second_order_cause(problem, name, gradient)
    if name in problem.call.by_keyword:
        return _keyword_cause(name)
    if mode == "graph" and eager is not None and _differ(eager.gradients.get(name), gradient):
        return "graph", f"d{name} inside tf.function is another than eagerly: the function asks in which mode it runs."
    if gradient is None:
        return "none_returned", f"the gradient function returns None for {name}, and the value depends on it."
    if not _fits(gradient, problem.point[name]):
        return "gradient_shape", (
            f"the gradient of {name} has shape {shape_text(gradient.shape)}, {name} has "
            f"{shape_text(problem.point[name].shape)}: sum over the axes that were broadcast."
        )
    return _upstream_cause(problem, name) or _referees_cause(problem, name, gradient)


def _referees_cause(problem: Problem, name: str, gradient: Array) -> tuple[str, str] | None:
    """Let the referee fit the difference: a factor, a sign, a transpose, ..."""
    right = problem.right_gradients
    if name not in right:
        return None
    cause = name_cause(name, gradient, right[name], Context(problem.point, problem.point, right))
    return None if cause is None else (cause.id, cause.text)


def _upstream_cause(problem: Problem, name: str) -> tuple[str, str] | None:
    """Ask again under another upstream gradient, and under the double of the first."""
    assert problem.at_other_upstream is not None
    here, other, double = (
        run(problem.at_other_upstream(times), problem.point, "eager").gradients[name] for times in (1.0, 0.0, 2.0)
    )
    if here is None or other is None or double is None:
        return None
    if not _differ(here, other):
        return "upstream_ignored", (
            f"the upstream gradient is ignored: d{name} is the same whatever it is. Multiply by it: right under "
            "ones, this is wrong as soon as anything follows the function."
        )
    if _differ(2 * here, double):
        return "upstream_nonlinear", f"d{name} does not double when the upstream gradient does."
    return None


def _keyword_cause(name: str) -> tuple[str, str]:
    return "keyword_argument", (
        f"{name} goes in by keyword: tf.custom_gradient differentiates by positional arguments only; eagerly "
        f"the gradient is silently None, in a graph the call is an error. Pass {name} by position."
    )


def _second_order_cause(problem: Problem, name: str, gradient: Array | None) -> tuple[str, str]:
    assert problem.under_constant_upstream is not None
    eager, graph = (run(problem.under_constant_upstream, problem.point, mode).gradients[name] for mode in MODES)
    if _differ(eager, graph):
        what = "missing" if graph is None else "another than eagerly"
        return "second_order_graph", (
            f"inside tf.function the second derivative by {name} is {what}: the gradient function has a custom "
            "gradient of its own, and TensorFlow takes that for the derivative by the upstream gradient. Put it on "
            "a function of the argument, called inside the gradient function."
        )
    what = "is missing" if gradient is None else "is wrong"
    return "second_order", (
        f"the second derivative by {name} {what}: the gradient function computes with values that TensorFlow does "
        "not trace to the argument (numpy, tf.stop_gradient), or has a wrong custom gradient in its turn. "
        "Repair it, or promise the first order only: order=1."
    )


def _cause_of_error(problem: Problem, error: InputError, mode: str, which: str) -> tuple[str, str]:
    """Name the trap behind a run that raised; an error of the function's own is the user's to see.

    Raises:
        InputError: the function does not run at all.
    """
    text = described(error.__cause__ or error)
    keywords = ", ".join(sorted(problem.call.by_keyword) or sorted(problem.call.keywords))
    if "keywords arguments only when eager" in text or (problem.call.by_keyword and "expected to return" in text):
        return _keyword_cause(keywords)
    if "custom_gradient function expected to return" in text:
        return "gradient_count", text.partition(": ")[2]
    if which:
        where = " inside tf.function" if mode == "graph" else ""
        return "second_order", f"the second derivative{where} raises {text}"
    if mode == "graph":
        return "graph", f"it does not run inside tf.function: {text}"
    raise error


def _differ(one: Array | None, two: Array | None) -> bool:
    """Whether two gradients are more than rounding apart; None is zero."""
    if one is None or two is None:
        known = one if two is None else two
        return known is not None and bool(np.any(known))
    if one.shape != two.shape:
        return True
    return bool(ulps_apart(one, two, str(one.dtype), scale=scale_of(one, two)).max() > AGREE_ULPS)
