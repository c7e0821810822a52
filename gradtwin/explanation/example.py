"""The example that is explained: a point drawn from a seed, or a step of a training."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.core.errors import InputError
from gradtwin.core.precision import is_floating
from gradtwin.core.user_code import told_as_theirs
from gradtwin.training.batches import Chunk, chunks, longest_chunk
from gradtwin.training.manual_side import ManualTrainer
from gradtwin.training.plan import Plan, make_plan
from gradtwin.training.reference_side import ReferenceTrainer
from gradtwin.training.settings import TrainingSettings
from gradtwin.twins.twin import Twin
from manual_grads import Array, Params


@dataclass(frozen=True, eq=False)
class Example:
    """Parameters, a batch, where they come from, and what both sides make of the parameters next."""

    params: Params
    batch: Params
    text: str
    rule: str
    after_manual: Params
    after_tensorflow: Params


def drawn(twin: Twin, seed: int) -> Example:
    """Draw a point as a check does, and take one step of the twin's own optimizer from it."""
    with told_as_theirs(f"Drawing a point for twin {twin.name!r}"):
        params, batch = twin.point(seed)
    start = {name: np.array(p, np.float64) for name, p in params.items()}
    rows = tuple(np.asarray(b, np.float64) if is_floating(b) else np.asarray(b) for b in batch)
    defaults = twin.training
    manual, tensorflow = _trainers(twin, start, defaults.optimizer, defaults.learning_rate, looped=False)
    chunk = Chunk(0, 1, rows, ())
    after = _last(manual.advance(chunk)[1]), _last(tensorflow.advance(chunk)[1])
    rule = _rule(defaults.optimizer, defaults.learning_rate)
    named = dict(zip(twin.batch_names(rows), rows, strict=True))
    return Example(start, named, f"a point drawn from seed {seed}", rule, *after)


def in_training(twin: Twin, step: int, seed: int | None) -> Example:
    """Train both sides for `step` updates, keep the parameters, and take one more."""
    if step < 0:
        raise InputError(f"The step is a number of updates from 0, got {step}.")
    plan = make_plan(twin, TrainingSettings(steps=step + 1, seed=seed))
    optimizer, rate = plan.settings.optimizer, plan.settings.learning_rate
    trainers = _trainers(plan.twin, plan.start, optimizer, rate, looped=longest_chunk(plan) > 1)
    before, chunk, after = _advance(plan, trainers)
    batch = chunk.batch(chunk.count - 1)
    return Example(
        params=before,
        batch=dict(zip(plan.twin.batch_names(batch), batch, strict=True)),
        text=_training_text(plan, step),
        rule=_rule(optimizer, rate),
        after_manual=after[0],
        after_tensorflow=after[1],
    )


def _advance(
    plan: Plan, sides: tuple[ManualTrainer, ReferenceTrainer]
) -> tuple[Params, Chunk, tuple[Params, Params]]:
    """Take all steps of a plan; give the parameters before the last one, its chunk, and both sides' after it."""
    before = plan.start
    states: list[dict[str, Array]] = []
    with np.errstate(all="ignore"):
        for chunk in chunks(plan, np.random.default_rng((plan.settings.seed or 0, 1))):
            before = sides[0].params
            states = [{n: np.array(v[-2:]) for n, v in side.advance(chunk)[1].items()} for side in sides]
    if chunk.count > 1:
        before = {name: values[-2] for name, values in states[0].items()}
    return before, chunk, (_last(states[0]), _last(states[1]))


def _trainers(
    twin: Twin, start: Params, optimizer: str, rate: float, *, looped: bool
) -> tuple[ManualTrainer, ReferenceTrainer]:
    forward = resolve(twin.reference)
    reference = ReferenceTrainer(forward, start, optimizer=optimizer, learning_rate=rate, looped=looped)
    return ManualTrainer(twin.manual, start, optimizer, rate), reference


def _last(states: Mapping[str, Array]) -> Params:
    return {name: np.array(values[-1]) for name, values in states.items()}


def _rule(optimizer: str, rate: float) -> str:
    return f"gradient descent, learning rate {rate:g}" if optimizer == "gd" else f"Adam, learning rate {rate:g}"


def _training_text(plan: Plan, step: int) -> str:
    source = plan.settings.seed is None and plan.twin.source_start is not None
    start = "the source's own start" if source else f"a start drawn from seed {plan.settings.seed or 0}"
    rows = "all rows" if plan.settings.batch_size is None else "one batch"
    return f"{start}, {rows} of {plan.twin.data}" + (f", after {step:,} update{'s' * (step != 1)}" if step else "")
