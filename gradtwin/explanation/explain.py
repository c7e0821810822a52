"""The chain rule on a twin's own example: every step forward and back, with its formula and all values beside it."""

from dataclasses import replace

import numpy as np

from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.core.report import Report
from gradtwin.core.tolerance import AGREE_ULPS
from gradtwin.core.user_code import told_as_theirs
from gradtwin.explanation.chain import Chain
from gradtwin.explanation.example import Example, drawn, in_training
from gradtwin.explanation.formulas import first_sentence
from gradtwin.explanation.steps import Explanation, FaultStory, Step
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin


def explain(
    twin: Twin | str, *, step: int | None = None, fault: str | None = None, seed: int | None = None
) -> Explanation:
    """Explain the chain rule on one example of a twin, in float64.

    The example is the source's own start where there is one (the first step of a training), else the point a check
    draws.

    Example:
        >>> explanation = gradtwin.explain("neuron")
        >>> (step,) = [step for step in explanation.backward if step.name == "w"]
        >>> step.label, step.formula, round(step.entries[0].manual, 4)
        ('dw', 'a0ᵀ do', 0.0577)

    Args:
        twin: a Twin, or the name of a built-in one.
        step: explain the step that follows this many updates of a training with the twin's defaults.
        fault: the id of a fault to plant in the hand-written side first; `gradtwin faults NAME` lists them.
        seed: draws the point, or with `step` the training's start, batches and masks.

    Returns:
        The explanation.

    Raises:
        InputError: an unknown twin or fault, or a step that no training has.
    """
    twin = catalog.get(twin) if isinstance(twin, str) else twin
    if fault is not None:
        if step is not None:
            raise InputError("Give a step or a fault, not both.")
        return _explain_fault(twin, fault, seed or 0)
    if step is None and (seed is not None or twin.source_start is None):
        return _explain(twin, drawn(twin, seed or 0))
    return _explain(twin, in_training(twin, step or 0, seed))




def _explain(twin: Twin, example: Example) -> Explanation:
    try:
        with told_as_theirs("The manual function"):
            chain = Chain(twin, example)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"Twin {twin.name!r} could not be run: {error}") from error
    return Explanation(
        twin=twin.name,
        about=first_sentence(twin.manual),
        point=example.text,
        inputs=chain.inputs(),
        forward=chain.forward(),
        backward=chain.backward(),
        updates=chain.updates(),
        rule=example.rule,
        loss=chain.loss_name,
    )




def _explain_fault(twin: Twin, fault: str, seed: int) -> Explanation:
    from gradtwin.checking.check import check
    from gradtwin.faults.catalogue import planted, small

    twin = small(twin)
    faults = {planted_one.id: planted_one for planted_one in planted(twin)}
    if fault not in faults:
        near = did_you_mean(fault, faults) or f" gradtwin faults {twin.name} names them all."
        raise InputError(f"Twin {twin.name!r} has no fault {fault!r}.{near}")
    broken = faults[fault].planted_in(twin)
    try:
        with np.errstate(all="ignore"):
            report = check(broken, seed=seed)
            explanation = _explain(broken, drawn(broken, seed))
    except InputError as error:
        story = FaultStory(fault, faults[fault].line, "refused", refused=str(error))
        return Explanation(
            twin.name, first_sentence(twin.manual), f"a point drawn from seed {seed}", (), (), (), fault=story
        )
    return replace(explanation, fault=_story(fault, faults[fault].line, report, explanation), updates=())


def _story(fault: str, line: str, report: Report, explanation: Explanation) -> FaultStory:
    seen = report.first_wrong or first_seen(explanation.backward)
    return FaultStory(fault, line, report.verdict, report.cause, seen)


def first_seen(backward: tuple[Step, ...]) -> str | None:
    """Find the first step, from the loss backwards, whose own error is beyond rounding."""
    for step in backward:
        error = step.error_ulps if step.own_error_ulps is None else step.own_error_ulps
        if error is not None and not error <= AGREE_ULPS:
            return step.name
    return None
