"""Case: two sides at one point, asked and judged."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gradtwin.backend import devices
from gradtwin.backend.replicas.replica_step import ReplicaStep
from gradtwin.backend.replicas.routes import cut_as_asked, mixed_of, told
from gradtwin.backend.replicas.sharded import Sharded
from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.checking.refusals import require_gradients, require_reference
from gradtwin.checking.remarks import method_of, with_blind_spots, with_findings
from gradtwin.checking.settings import CheckSettings
from gradtwin.checking.sides import ManualSide
from gradtwin.core.errors import InputError
from gradtwin.core.report import Report
from gradtwin.core.routes import PARALLEL_ROUTES
from gradtwin.core.user_code import told_as_theirs
from gradtwin.core.verdicts import CauseId, Note, Verdict, gravest
from gradtwin.diagnosis.diagnosis import diagnose
from gradtwin.diagnosis.disagreement import Diagnosis, Disagreement
from gradtwin.referee.evidence import Asked, Evidence, ManualRun
from gradtwin.referee.judge import Ruling, judge
from manual_grads import Params


@dataclass(frozen=True)
class Reference:
    """The reference side of a case.

    Attributes:
        forward: `forward(params, *batch)`, on its device.
        device: the device that was asked for, as TensorFlow names it; None for the default.
        cut: the forward with the cut of its batch, or a user's replica step; None where the batch stays whole.
    """

    forward: Callable[..., Any]
    device: str | None = None
    cut: Sharded | ReplicaStep | None = None

    def to_differentiate(self, route: str) -> Any:
        """Give what `backend` differentiates: the parts on a data-parallel route, else the whole."""
        return self.cut if route in PARALLEL_ROUTES else self.forward

    def placed(self, settings: CheckSettings) -> "Reference":
        """Put the forward on the device that was asked for.

        Raises:
            InputError: TensorFlow sees no such device, or the route chooses its devices itself.
        """
        if settings.device is None:
            return self
        if settings.route in PARALLEL_ROUTES:
            raise InputError(
                f"device: route {settings.route} uses two replicas on the CPU; use route tape, gradients or xla."
            )
        device = devices.named_device(load_tensorflow(), settings.device)
        return Reference(devices.Placed(self.forward, device), device)


@dataclass(frozen=True)
class Case:
    """One comparison: both sides, the point, and how it is made.

    Attributes:
        name: what the report calls the pair.
        manual: the manual side.
        reference: the reference side.
        params: the parameters, in the dtype of the settings.
        batch: the batch's arrays by name, in the order of the call.
        settings: how the check is made.
        command: the command line that repeats it; "" where there is none.
        reduction: what the twin says its loss is over the examples; "" for functions.
    """

    name: str
    manual: ManualSide
    reference: Reference
    params: Params
    batch: Params
    settings: CheckSettings
    command: str = ""
    reduction: str = ""

    @property
    def dtype(self) -> str:
        """The dtype of the check."""
        return self.settings.dtype

    def prepared(self) -> "Case":
        """Put the reference on its device, and cut its batch where that was asked for."""
        reference = self.reference.placed(self.settings)
        if reference.cut is not None:
            return self
        with told_as_theirs("The reference", always=True):
            cut = cut_as_asked(
                reference.forward,
                name=self.name,
                params=self.params,
                batch=self.batch,
                route=self.settings.route,
                shards=self.settings.shards,
                declared=self.reduction,
            )
        return replace(self, reference=replace(reference, cut=cut))

    def asked(self) -> Asked:
        """Run both sides, and refuse what cannot be compared."""
        with told_as_theirs("The manual function"):
            inspection = self.manual.inspect(self.params, self.batch, self.settings.thorough)
        manual = ManualRun(inspection.loss, inspection.gradients, inspection.cache)
        require_gradients(manual, self.params, self.batch)
        with told_as_theirs("The reference", always=True):
            reference = self.evidence(tuple(manual.gradients)).reference_at(self.params | self.batch)
        require_reference(manual, reference)
        return Asked(inspection, manual, reference)

    def judged(self, asked: Asked) -> Report:
        """Judge every tensor of what both sides answered."""
        inspection, manual, reference = asked.inspection, asked.manual, asked.reference
        with told_as_theirs("The reference, evaluated again at a nearby point,"):
            evidence = self.evidence(asked.shared)
            rulings = judge(evidence, manual, reference, ask_about_all=self.settings.thorough)
        if any(r.row.verdict == Verdict.DISAGREE for r in rulings) and not self.settings.thorough:
            inspection = self.manual.inspect(self.params, self.batch, True)
        stale = any(finding.id == CauseId.STALE_CACHE for finding in inspection.findings)
        report = self._report(rulings, diagnose(self._disagreement(asked, rulings, stale)))
        notes = (*self._notes_on_the_reference(manual), *report.notes, *_notes_on_witnesses(rulings))
        report = replace(report, notes=notes + self._notes_on_what_is_missing(asked))
        report = with_findings(report, inspection, reference, self.params)
        return with_blind_spots(report, self.params, self.batch, manual)

    def evidence(self, names: tuple[str, ...]) -> Evidence:
        """Give what can be found out about the two sides at this point."""
        return Evidence(
            manual=_asked_again(self.manual.run),
            loss=_asked_again(self.manual.loss),
            reference=self.reference.to_differentiate(self.settings.route),
            params=self.params,
            batch=self.batch,
            dtype=self.dtype,
            route=self.settings.route,
            names=names,
        )

    def _disagreement(self, asked: Asked, rulings: list[Ruling], stale: bool) -> Disagreement:
        return Disagreement(
            params=self.params,
            batch=self.batch,
            dtype=self.dtype,
            manual=asked.manual,
            reference=asked.reference,
            rulings=rulings,
            run=self.manual.run,
            backward=self.manual.backward,
            cut=self.reference.cut,
            shards_given=self.settings.shards is not None,
            stale=stale,
        )

    def _report(self, rulings: list[Ruling], diagnosis: Diagnosis | None) -> Report:
        verdict = gravest(r.row.verdict for r in rulings)
        decisive = [r for r in rulings if r.row.verdict == verdict]
        cause = diagnosis.cause if diagnosis else None
        return Report(
            twin=self.name,
            dtype=self.dtype,
            route=self.settings.route,
            seed=self.settings.seed,
            verdict=verdict,
            tensors=tuple(r.row for r in rulings),
            blame=(diagnosis and diagnosis.blame) or next((r.blame for r in decisive if r.blame), None),
            first_wrong=diagnosis.first_wrong if diagnosis else None,
            where=diagnosis.text if diagnosis else "",
            cause=cause.text if cause else None,
            cause_id=cause.id if cause else None,
            command=self.command,
            notes=tuple(r.note for r in rulings if r.note),
            device=self.reference.device,
            kinks=self.settings.kinks,
        )

    def _notes_on_the_reference(self, manual: ManualRun) -> list[Note]:
        """Say on which device the reference was computed, or how its batch was cut."""
        if self.reference.device:
            return [Note("device", devices.told(self.reference.device))]
        return told(self.reference.cut, self.settings.route, self.batch, manual.gradients)

    def _notes_on_what_is_missing(self, asked: Asked) -> tuple[Note, ...]:
        missing = sorted(set(asked.manual.gradients) - set(asked.shared) - mixed_of(self.reference.cut))
        return tuple(
            Note("not_compared", f"d{name} is not compared: the reference has no tensor named {name!r}.")
            for name in missing
        )


def _asked_again(function: Callable[..., Any]) -> Callable[..., Any]:
    """Say of an exception that it was raised at a point other than the one that is checked."""

    def ask(*arguments: Any) -> Any:
        with told_as_theirs("The manual function, evaluated again at a nearby point,"):
            return function(*arguments)

    return ask


def _notes_on_witnesses(rulings: list[Ruling]) -> list[Note]:
    """Say where the complex step did not apply, and what was used instead."""
    return [
        Note(
            "complex_step_refused",
            f"{r.row.name}: the complex step does not apply (forward is not analytic, or rejects complex input); used "
            f"{method_of(r.witness)}.",
        )
        for r in rulings
        if r.witness not in (None, "complex step")
    ]
