"""Compare the hand-derived gradients of a twin, tensor by tensor, with TensorFlow's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtwin.backend import devices
from gradtwin.backend.replicas.routes import cut_as_asked, mixed_of, told
from gradtwin.backend.tensorflow_side import PARALLEL_ROUTES, ROUTES, ReferenceRun, load_tensorflow, resolve
from gradtwin.checking.low_precision import in_dtype, judged_in_low_precision
from gradtwin.checking.remarks import with_blind_spots, with_findings, with_second_order
from gradtwin.core.blocks import all_finite
from gradtwin.core.comparison import compare
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.core.precision import DTYPES, eps, is_floating, is_low
from gradtwin.core.report import Report
from gradtwin.core.user_code import told_as_theirs
from gradtwin.diagnosis.diagnosis import Diagnosis, diagnose, diagnose_loss
from gradtwin.diagnosis.fit import Context
from gradtwin.diagnosis.shards import combined_wrongly
from gradtwin.referee.evidence import Asked, Evidence, ManualRun
from gradtwin.referee.inspection.hygiene import Inspection, run_inspected
from gradtwin.referee.judge import Ruling, gravest, judge
from gradtwin.referee.second_order import second_order
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin, argument_names
from manual_grads import Array, Cache, Params


def check(
    twin: Twin | str,
    *,
    dtype: str = "float64",
    route: str = "tape",
    seed: int = 0,
    thorough: bool = False,
    shards: Sequence[int] | None = None,
    device: str | None = None,
) -> Report:
    """Check one twin at the operating point drawn from `seed`.

    Args:
        twin: a Twin, or the name of a built-in one.
        dtype: "float64", "float32", "bfloat16" or "float16"; both sides compute in it. In the last two the
            formula is judged in float64, at the same point, and the rounding in the dtype's own ulp.
        route: how TensorFlow differentiates: "tape", "gradients" or "xla"; on two replicas, each with a shard of
            the batch: "mirrored" (two devices) or "multiworker" (two processes).
        seed: draws the operating point.
        thorough: also look at every entry for what hand code should not do to its arguments, ask a witness
            about every tensor although it agrees, and check second derivatives, forward mode and examples
            one by one; slower, for small networks.
        shards: how many examples each replica gets, where the hand-written code is data-parallel itself or the
            route is; by default a route's shards are unequal.
        device: where TensorFlow computes the reference, such as "GPU:0"; by default the CPU.

    Returns:
        The report: the losses first, then every gradient.

    Raises:
        InputError: an unknown twin, dtype or route, or a side that breaks the contract of a twin.
    """
    twin = catalog.get(twin) if isinstance(twin, str) else twin
    if not isinstance(twin, Twin):
        raise InputError(f"Expected a gradtwin.Twin or the name of one, got {_describe(twin)}.")
    _require(dtype, DTYPES, "dtype")
    with told_as_theirs(f"Drawing a point for twin {twin.name!r}"):
        params, batch = twin.point(seed)
    case = Case(
        name=twin.name,
        manual=lambda p, *b: _run_twin(twin, p, *b),
        inspect=lambda p, b, deep: run_inspected(
            None, p, b, forward=twin.manual.forward, backward=twin.manual.backward, thorough=deep
        ),
        backward=twin.manual.backward,
        loss=lambda p, *b: twin.manual.forward(p, *b)[0],
        reference=resolve(twin.reference),
        params=in_dtype(params, dtype),
        batch=in_dtype(dict(zip(twin.batch_names(batch), batch, strict=True)), dtype),
        dtype=dtype,
        route=route,
        seed=seed,
        command=_repeating(twin.name, f"--dtype {dtype} --route {route} --seed {seed}", device),
        kinks=twin.kinks,
        thorough=thorough,
        shards=shards,
        reduction=twin.reduction,
        device=device,
    )
    report = case.run()
    if not thorough:
        return report
    return with_second_order(report, second_order(replace(twin, reference=case.placed()), seed=seed))


def check_gradients(
    manual: Callable[..., tuple[Array, Params]],
    reference: Callable[..., Any],
    params: Params,
    *batch: Array,
    route: str = "tape",
    name: str | None = None,
    kinks: str = "any",
    shards: Sequence[int] | None = None,
    device: str | None = None,
) -> Report:
    """Check your own gradient against TensorFlow's of your own loss.

    Args:
        manual: `manual(params, *batch) -> (loss, gradients)` in numpy; `gradients` has the keys and shapes
            of `params`.
        reference: `reference(params, *batch)` in TensorFlow, the same loss as a scalar tensor.
        params: the parameters, a dictionary of arrays of one dtype: float64, float32, bfloat16 or float16.
        *batch: whatever else both functions take.
        route: "tape", "gradients" or "xla"; "mirrored" or "multiworker" on two replicas.
        name: what the report calls the pair; by default the manual function's name.
        kinks: at a kink, "any" accepts every subgradient, "reference" only the one TensorFlow takes.
        shards: as for `check`.
        device: as for `check`.

    Returns:
        The report.

    Raises:
        InputError: params or gradients that are no dictionaries of float arrays, other keys, shapes or
            dtypes than the parameters', or values that are not finite.
    """
    case = case_of_functions(manual, params, batch, name=name)
    return replace(case, reference=resolve(reference), route=route, kinks=kinks, shards=shards, device=device).run()


def case_of_functions(
    manual: Callable[..., tuple[Array, Params]], params: Params, batch: Sequence[Array], name: str | None
) -> "Case":
    """Make a case of a manual function and a point; its reference is still to come.

    Raises:
        InputError: a manual function that cannot be called, or params that are no dictionary of arrays of one dtype.
    """
    if not callable(manual):
        raise InputError(f"The manual function: expected a function, got {_describe(manual)}.")
    if not isinstance(params, Mapping) or not params:
        came = "an empty one" if isinstance(params, Mapping) else _describe(params)
        raise InputError(f"params: expected a dictionary of arrays, got {came}.")
    params = {name: np.asarray(array) for name, array in params.items()}
    dtypes = {str(np.asarray(p).dtype) for p in params.values()}
    if len(dtypes) > 1:
        raise InputError(f"params: expected arrays of one dtype, got {', '.join(sorted(dtypes))}: cast them to one.")
    names = argument_names(manual, len(batch))
    return Case(
        name=name or str(getattr(manual, "__name__", "manual")),
        manual=lambda p, *b: _run_function(manual, p, *b),
        inspect=lambda p, b, deep: run_inspected(
            lambda p, b: (*_loss_and_gradients(manual(p, *b.values())), {}), p, b, thorough=deep
        ),
        backward=lambda p, cache: _run_function(manual, p, *cache.values()).gradients,
        loss=lambda p, *b: _run_function(manual, p, *b).loss,
        params=dict(params),
        batch={key: np.asarray(array) for key, array in zip(names, batch, strict=True)},
        dtype=dtypes.pop(),
    )


@dataclass(frozen=True)
class Case:
    """One comparison: both sides, the point, the dtype and the route.

    `manual(params, *batch)` runs the hand's forward and backward; `inspect(params, batch, thorough)` runs
    them under watch; `backward(params, cache)` is its backward alone, where the cache of a function without
    one is the batch.
    """

    name: str
    manual: Callable[..., ManualRun]
    inspect: Callable[[Params, Params, bool], Inspection]
    backward: Callable[[Params, Cache], Params]
    loss: Callable[..., Any]
    params: Params
    batch: Params
    dtype: str
    reference: Any = None
    route: str = "tape"
    seed: int = 0
    command: str = ""
    kinks: str = "any"
    thorough: bool = False
    shards: Sequence[int] | None = None
    reduction: str = ""
    device: str | None = None

    def run(self) -> Report:
        """Run both sides and judge every tensor."""
        _require(self.route, ROUTES + PARALLEL_ROUTES, "route")
        if self.route in PARALLEL_ROUTES and self.dtype == "bfloat16":
            raise InputError(
                f"route {self.route}: TensorFlow gathers float64, float32 and float16 from replicas, and no bfloat16: "
                "take one of those, or route tape, gradients or xla."
            )
        _validate_point(self.params, self.batch)
        given = self.name, self.params, self.batch, self.route, self.shards, self.reduction
        reference = self.placed()
        with told_as_theirs("The reference", always=True):
            reference = cut_as_asked(reference, *given)
        case = replace(self, reference=reference)
        return judged_in_low_precision(case) if is_low(self.dtype) else case.judged(case.asked())

    def placed(self) -> Any:
        """Give the reference with the device that was asked for.

        Raises:
            InputError: TensorFlow sees no such device, or the route has devices of its own.
        """
        if self.device is None:
            return self.reference
        if self.route in PARALLEL_ROUTES:
            raise InputError(f"device: route {self.route} has two replicas on the CPU; take tape, gradients or xla.")
        return devices.Placed(self.reference, devices.named_device(load_tensorflow(), self.device))

    def asked(self) -> Asked:
        """Run both sides, and refuse what cannot be compared."""
        with told_as_theirs("The manual function"):
            inspection = self.inspect(self.params, self.batch, self.thorough)
        manual = ManualRun(inspection.loss, inspection.gradients, inspection.cache)
        _validate_gradients(manual, self.params, self.batch)
        with told_as_theirs("The reference", always=True):
            reference = self.evidence(tuple(manual.gradients)).reference_at(self.params | self.batch)
        _validate_reference(manual, reference)
        return Asked(inspection, manual, reference)

    def judged(self, asked: Asked) -> Report:
        """Judge every tensor of what both sides answered."""
        inspection, manual, reference = asked.inspection, asked.manual, asked.reference
        with told_as_theirs("One of the two functions, asked again at another point,"):
            evidence = self.evidence(asked.shared)
            rulings = judge(evidence, manual, reference, ask_about_all=self.thorough)
        if any(r.row.verdict == "disagree" for r in rulings) and not self.thorough:
            inspection = self.inspect(self.params, self.batch, True)
        stale = any(finding.id == "stale_cache" for finding in inspection.findings)
        report = self._report(rulings, self._diagnose(rulings, manual, reference, stale))
        not_compared = sorted(set(manual.gradients) - set(asked.shared) - mixed_of(self.reference))
        notes = [f"d{name} is not compared: the reference names no tensor {name!r}." for name in not_compared]
        cut = told(self.reference, self.route, self.batch, manual.gradients)
        where = [devices.told(report.device)] if report.device else cut
        report = replace(report, notes=(*where, *report.notes, *_witness_notes(evidence), *notes))
        report = with_findings(report, inspection, reference, self.params)
        return with_blind_spots(report, self.params, self.batch, manual)

    def evidence(self, names: tuple[str, ...]) -> Evidence:
        """Give what can be found out about the two sides at this point."""
        sides = self.manual, self.loss, self.reference
        return Evidence(*sides, self.params, self.batch, self.dtype, self.route, names)

    def _diagnose(
        self, rulings: list[Ruling], manual: ManualRun, reference: ReferenceRun, stale: bool
    ) -> Diagnosis | None:
        """Find where a wrong hand gradient begins, and why."""
        wrong = {r.row.name for r in rulings if r.row.verdict == "disagree" and r.blame != "reference"}
        values = dict(reference.values) | self.batch | _arrays(manual.cache)
        known: dict[str, Any] = {
            "batch_size": _batch_size(self.batch), "precision": eps(self.dtype), "stale": stale
        }  # fmt: skip
        context = Context(self.params, values, {}, **known)
        given = self.reference, self.manual, rulings, manual, reference, self.batch, context
        combined = combined_wrongly(*given, told=self.shards is not None)
        if combined is not None:
            return combined
        if "loss" in wrong:
            return diagnose_loss(manual.loss, reference.loss, self.params, values, **known)
        if not wrong:
            return None

        def is_wrong(name: str, ours: Array, theirs: Array) -> bool:
            return name in wrong and compare(ours, theirs, self.dtype).beyond > 0

        right = {name: g for name, g in reference.gradients.items() if g is not None}
        cache = manual.cache or self.batch
        return diagnose(self.backward, self.params, cache, values, manual.gradients, right, is_wrong, **known)

    def _report(self, rulings: list[Ruling], diagnosis: Diagnosis | None) -> Report:
        verdict = gravest(r.row.verdict for r in rulings)
        decisive = [r for r in rulings if r.row.verdict == verdict]
        cause = diagnosis.cause if diagnosis else None
        return Report(
            twin=self.name,
            dtype=self.dtype,
            route=self.route,
            seed=self.seed,
            verdict=verdict,
            tensors=tuple(r.row for r in rulings),
            blame=(diagnosis and diagnosis.blame) or next((r.blame for r in decisive if r.blame), None),
            first_wrong=diagnosis.first_wrong if diagnosis else None,
            where=diagnosis.text if diagnosis else "",
            cause=cause.text if cause else None,
            cause_id=cause.id if cause else None,
            command=self.command,
            notes=tuple(r.note for r in rulings if r.note),
            device=getattr(self.reference, "device", None),
            kinks=self.kinks,
        )


def _arrays(cache: Cache) -> Params:
    return {name: np.asarray(v) for name, v in cache.items() if isinstance(v, np.ndarray | np.generic)}


def _batch_size(batch: Params) -> int | None:
    """Count the examples: the rows of the first array of the batch that has any."""
    return next((len(array) for array in batch.values() if np.ndim(array)), None)


def _repeating(name: str, options: str, device: str | None) -> str:
    """Give the command that repeats a check; none for a twin that the command line does not know by its name."""
    options += f" --device {device}" if device else ""
    return f"gradtwin check {name} {options}" if name in catalog.names() else ""


def _run_twin(twin: Twin, params: Params, *batch: Array) -> ManualRun:
    answer = twin.manual.forward(params, *batch)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise InputError(f"The manual forward: expected (loss, cache), got {_describe(answer)}.")
    loss, cache = answer
    return ManualRun(loss, twin.manual.backward(params, cache), cache)


def _run_function(manual: Callable[..., Any], params: Params, *batch: Array) -> ManualRun:
    return ManualRun(*_loss_and_gradients(manual(params, *batch)), {})


def _loss_and_gradients(answer: Any) -> tuple[Any, Any]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise InputError(f"The manual function: expected (loss, gradients), got {_describe(answer)}.")
    return answer


def _witness_notes(evidence: Evidence) -> list[str]:
    """Say where the complex step did not apply and who testified instead."""
    others = {name: witness for name, witness in evidence.called.items() if witness != "complex step"}
    return [
        f"The complex step was refused, for the manual forward is not analytic in {name} or takes no complex "
        f"numbers: {witness} testified instead."
        for name, witness in others.items()
    ]


def _validate_point(params: Params, batch: Params) -> None:
    both = sorted(set(params) & set(batch))
    if both:
        raise InputError(
            f"{both[0]!r} names a parameter and an array of the batch: rename the argument of the manual function."
        )
    for name, array in (params | batch).items():
        array = np.asarray(array)
        if name in params and str(array.dtype) not in DTYPES:
            raise InputError(f"params[{name!r}]: expected a {_listed(DTYPES)} array, got {array.dtype}: cast it.")
        if not is_floating(array) and array.dtype.kind not in "iub":
            raise InputError(f"{name}: expected an array of numbers, got dtype {array.dtype}.")
        if array.size == 0:
            raise InputError(f"{name}: expected at least one entry, got an empty array of shape {array.shape}.")
        if not all_finite(array):
            raise InputError(f"{name}: expected finite numbers, got NaN or infinity.")


def _validate_reference(manual: ManualRun, reference: ReferenceRun) -> None:
    if reference.loss.shape != ():
        raise InputError(
            f"The reference's loss: expected one scalar, got shape {reference.loss.shape}: state the sum or the mean."
        )
    for name, gradient in manual.gradients.items():
        theirs = reference.gradients.get(name)
        if theirs is not None and theirs.shape != np.shape(gradient):
            raise InputError(
                f"{name}: its gradient by hand has shape {np.shape(gradient)}, TensorFlow's {theirs.shape}: "
                "the two sides must give one name to one tensor."
            )


def _validate_gradients(manual: ManualRun, params: Params, batch: Params) -> None:
    gradients = manual.gradients
    if not isinstance(gradients, Mapping):
        raise InputError(f"The manual gradients: expected a dictionary of arrays, got {_describe(gradients)}.")
    missing = [name for name in params if name not in gradients]
    if missing:
        raise InputError(f"The manual gradients lack {', '.join(missing)}: expected one for each parameter.")
    known = params | batch | {k: v for k, v in manual.cache.items() if isinstance(v, np.ndarray | np.generic)}
    for name, gradient in gradients.items():
        if name not in known:
            raise InputError(f"The manual gradients hold {name!r}, which is no parameter, input or intermediate.")
        gradient, tensor = np.asarray(gradient), np.asarray(known[name])
        if gradient.shape != tensor.shape:
            raise InputError(f"Gradient of {name}: expected shape {tensor.shape}, got {gradient.shape}.")
        if gradient.dtype != tensor.dtype:
            hint = (
                "a product or a Python number, which numpy computes in float32: (x @ w).astype(x.dtype)."
                if str(tensor.dtype) == "bfloat16"
                else "a numpy scalar such as np.sqrt(3), which is float64; float(np.sqrt(3)) takes the array's dtype."
            )
            raise InputError(
                f"Gradient of {name}: expected dtype {tensor.dtype}, got {gradient.dtype}: cast it, or look for "
                + hint
            )


def _require(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise InputError(f"{what}: expected {_listed(allowed)}, got {value!r}.{did_you_mean(str(value), allowed)}")


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _describe(thing: Any) -> str:
    return "None" if thing is None else f"a {type(thing).__name__}"
