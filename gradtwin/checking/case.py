"""Case: two sides at one point, asked and judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtwin.backend import devices
from gradtwin.backend.replicas.routes import mixed_of, told
from gradtwin.backend.tensorflow_side import PARALLEL_ROUTES, ReferenceRun, load_tensorflow
from gradtwin.checking.remarks import with_blind_spots, with_findings
from gradtwin.core.comparison import compare
from gradtwin.core.errors import InputError
from gradtwin.core.precision import eps
from gradtwin.core.report import Report
from gradtwin.core.user_code import told_as_theirs
from gradtwin.diagnosis.diagnosis import Diagnosis, diagnose, diagnose_loss
from gradtwin.diagnosis.fit import Context
from gradtwin.diagnosis.shards import combined_wrongly
from gradtwin.referee.evidence import Asked, Evidence, ManualRun
from gradtwin.referee.inspection.hygiene import Inspection
from gradtwin.referee.judge import Ruling, gravest, judge
from manual_grads import Array, Cache, Params


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


def _witness_notes(evidence: Evidence) -> list[str]:
    """Say where the complex step did not apply and who testified instead."""
    others = {name: witness for name, witness in evidence.called.items() if witness != "complex step"}
    return [
        f"The complex step was refused, for the manual forward is not analytic in {name} or takes no complex "
        f"numbers: {witness} testified instead."
        for name, witness in others.items()
    ]


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
        raise InputError(f"The manual gradients: expected a dictionary of arrays, got {describe(gradients)}.")
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


def describe(thing: Any) -> str:
    """Say what kind of thing came in place of another."""
    return "None" if thing is None else f"a {type(thing).__name__}"
