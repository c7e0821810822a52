"""Training in lockstep, logged to TensorBoard, beside the two bare loops it is made of, one after the other.

    python -m benchmarks.lockstep [NAME ...] [--steps N] [--rounds 7] [--json]

    lockstep   gradtwin.train: both sides, the parameters of every single step compared, curves, distributions,
               pictures and texts written at the default interval
    manual     a loop over the page's forward, backward and update, as a reader would write it
    tensorflow the same training in TensorFlow alone, as its experts would write it: where every step sees the whole
               data one call with the loop in the graph, else one traced step a batch

All three take the same steps from the same start on the same batches. Every round runs each once, in an order that
turns; the table shows the medians over the rounds of ratios within a round. The first round is not counted.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.detection.page import count_text, table
from gradtwin.backend.tensorflow_side import load_tensorflow, resolve
from gradtwin.training import lockstep as training
from gradtwin.training.batches import Chunk, chunks
from gradtwin.training.plan import Plan, make_plan
from gradtwin.training.settings import TrainingSettings
from gradtwin.twins import catalog
from manual_grads import optimizers

NAMES = ("xor", "deep", "mnist")


@dataclass(frozen=True)
class Ratio:
    """One twin: the lockstep's time over that of both loops, and the seconds of each."""

    twin: str
    steps: int
    lockstep_over_both: float
    seconds: dict[str, float]


def manual_loop(plan: Plan, parts: list[Chunk]) -> Callable[[], Any]:
    """Train the page alone."""

    def loop() -> Any:
        params, state = plan.start, optimizers.adam_state(plan.start)
        for part in parts:
            for k in range(part.count):
                _, cache = plan.manual.forward(params, *part.batch(k))
                gradients = plan.manual.backward(params, cache)
                if plan.settings.optimizer == "adam":
                    params, state = optimizers.adam(params, gradients, state, plan.settings.learning_rate)
                else:
                    params = optimizers.gradient_descent(params, gradients, plan.settings.learning_rate)
        return params

    return loop


def tensorflow_loop(plan: Plan, parts: list[Chunk]) -> Callable[[], Any]:
    """Train the reference alone; the trace is kept from the first call on, the variables start anew in each."""
    tf = load_tensorflow()
    from tf_reference import optimizers as rules

    forward = resolve(plan.twin.reference)
    variables = {name: tf.Variable(value) for name, value in plan.start.items()}
    state = rules.adam_state(variables) if plan.settings.optimizer == "adam" else {}

    def step(*batch: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = forward(variables, *batch)["loss"]
        gradients = tape.gradient(loss, variables)
        if plan.settings.optimizer == "adam":
            rules.adam(variables, gradients, state, plan.settings.learning_rate)
        else:
            rules.gradient_descent(variables, gradients, plan.settings.learning_rate)
        return loss

    def steps(count: Any, *batch: Any) -> None:
        for _ in tf.range(count):
            step(*batch)

    rows = [tf.TensorSpec((None, *a.shape[1:]) if a.ndim else (), a.dtype) for a in parts[0].batch(0)]
    one = tf.function(step, input_signature=rows)
    many = tf.function(steps, input_signature=[tf.TensorSpec((), tf.int32), *rows])

    def loop() -> Any:
        for name, variable in variables.items():
            variable.assign(plan.start[name])
        if not parts[0].varying:
            many(tf.constant(plan.settings.steps), *map(tf.constant, parts[0].fixed))
        else:
            for part in parts:
                for k in range(part.count):
                    one(*map(tf.constant, part.batch(k)))
        return {name: variable.numpy() for name, variable in variables.items()}

    return loop


def lockstep(plan: Plan) -> Callable[[], Any]:
    """Train both, compared and logged."""

    def train() -> Any:
        with tempfile.TemporaryDirectory() as directory:
            return training.train(plan.twin, steps=plan.settings.steps, logdir=directory)

    return train


def measure(name: str, steps: int | None, rounds: int) -> Ratio:
    """Time all three ways of one twin."""
    plan = make_plan(catalog.get(name), TrainingSettings(steps=steps))
    parts = list(chunks(plan, np.random.default_rng((plan.settings.seed or 0, 1))))
    ways = {"lockstep": lockstep(plan), "manual": manual_loop(plan, parts), "tensorflow": tensorflow_loop(plan, parts)}
    names, times = list(ways), []
    with np.errstate(all="ignore"):
        for i in range(rounds + 1):
            order = names[i % 3 :] + names[: i % 3]
            times.append({way: _time(ways[way]) for way in order})
    counted = times[1:]
    return Ratio(
        name,
        plan.settings.steps,
        median(t["lockstep"] / (t["manual"] + t["tensorflow"]) for t in counted),
        {way: median(t[way] for t in counted) for way in names},
    )


def _time(way: Callable[[], Any]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def markdown(ratios: list[Ratio]) -> str:
    """Write the ratios as a table."""
    header = ["twin", "steps", "lockstep / both loops", "lockstep, s", "by hand alone, s", "TensorFlow alone, s"]
    return table(
        header,
        [
            [r.twin, count_text(r.steps), f"{r.lockstep_over_both:.2f}", *(f"{s:.3f}" for s in r.seconds.values())]
            for r in ratios
        ],
    )


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lockstep", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(NAMES))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    ratios = [measure(name, options.steps, options.rounds) for name in options.names]
    print(json.dumps([asdict(r) for r in ratios], indent=1) if options.json else markdown(ratios))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
