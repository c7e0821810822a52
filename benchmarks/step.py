"""Time a training step of each twin: by hand, in TensorFlow four ways, and its matrix products alone.

    python -m benchmarks.step [NAME ...] [--rounds 15] [--dtype float32] [--json]

A step is the forward pass, the backward pass and one update by gradient descent.

    manual     the page's forward and backward in numpy, and the update, as a training runs them: traced
    plain      the same, as the page is written
    eager      TensorFlow, operation by operation
    function   the step as one tf.function, traced once
    xla        the same, compiled by XLA
    loop       many steps inside one tf.function: what is left without the calls from Python
    products   numpy's products alone: x W forward, xᵀ dz and dz Wᵀ backward (not the last one of the first layer,
               which training does not need), into buffers that are there

Every round times each way for about the same while, in an order that rotates, and compares the ways within the
round; the table shows the medians of these ratios over the rounds. A ratio survives a busy machine, a time does not.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.detection.page import table
from gradtwin.backend.tensorflow_side import load_tensorflow, resolve
from gradtwin.training.batches import Chunk, most_steps_at_once
from gradtwin.training.manual_side import ManualTrainer
from gradtwin.twins import catalog
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array, Params, optimizers

WAYS = ("manual", "plain", "eager", "function", "xla", "loop", "products")
ROWS = {
    "gates": (1,), "neuron": (5,), "linear_regression": (50,), "logistic": (4,), "xor": (4,), "wide": (4,),
    "deep": (4,), "zoo": (101,), "relu_mlp": (10,), "softmax_regression": (100,), "mnist": (100, 1000),
}  # fmt: skip
LEARNING_RATE = 1e-6  # the parameters hardly move, so that every step costs the same
LOOPED = 100

Steps = Callable[[int], Any]


@dataclass(frozen=True)
class Timing:
    """What one twin's step costs.

    Attributes:
        microseconds: the median of each way.
        against_function: the median ratio of each way to tf.function.
        against_products: the median ratio of the manual step to its matrix products; None without any.
    """

    twin: str
    shape: str
    rows: int
    dtype: str
    microseconds: Mapping[str, float]
    against_function: Mapping[str, float]
    against_products: float | None

    def to_dict(self) -> dict[str, Any]:
        """Give the timing as plain data."""
        return {
            "twin": self.twin, "shape": self.shape, "rows": self.rows, "dtype": self.dtype,
            "microseconds": dict(self.microseconds), "against_function": dict(self.against_function),
            "against_products": self.against_products,
        }  # fmt: skip


def point(twin: Twin, rows: int, dtype: str) -> tuple[Params, Batch]:
    """Give the twin's parameters and a batch of so many rows."""
    params, batch = twin.point(0)
    rng = np.random.default_rng(0)

    def resized(array: Array) -> Array:
        return array[rng.integers(len(array), size=rows)] if np.ndim(array) else array

    return {k: np.asarray(v, dtype) for k, v in params.items()}, tuple(np.asarray(resized(a), dtype) for a in batch)


# ---- the ways: each takes a number of steps --------------------------------------------------------


def manual(twin: Twin, params: Params, batch: Batch) -> Steps:
    """Take steps by hand."""
    trainer = ManualTrainer(twin.manual, params, "gd", LEARNING_RATE)
    longest = most_steps_at_once(sum(p.nbytes for p in params.values()))

    def steps(count: int) -> None:
        for first in range(0, count, longest):
            trainer.advance(Chunk(first, min(longest, count - first), batch, ()))

    return steps


def plain(twin: Twin, params: Params, batch: Batch) -> Steps:
    """Take steps by hand, as a reader of the page would write the loop."""

    def steps(count: int) -> None:
        mine = params
        for _ in range(count):
            _, cache = twin.manual.forward(mine, *batch)
            mine = optimizers.gradient_descent(mine, twin.manual.backward(mine, cache), LEARNING_RATE)

    return steps


def products(params: Params, batch: Batch) -> Steps | None:
    """Do a step's matrix products, layer by layer; None for a twin without a matrix."""
    weights = [w for w in params.values() if w.ndim == 2]
    if not weights:
        return None
    rows, dtype, kinds = len(batch[0]), weights[0].dtype, []
    for i, w in enumerate(weights):
        a, dz = np.ones((rows, w.shape[0]), dtype), np.ones((rows, w.shape[1]), dtype)
        kinds += [(a, w, np.empty_like(dz)), (a.T, dz, np.empty_like(w))]
        kinds += [(dz, w.T, np.empty_like(a))] if i else []

    def steps(count: int) -> None:
        for _ in range(count):
            for left, right, out in kinds:
                np.matmul(left, right, out=out)

    return steps


def tensorflow_ways(twin: Twin, params: Params, batch: Batch) -> dict[str, Steps]:
    """Take steps in TensorFlow, as its users do: variables, a tape, the update's own kernel."""
    tf = load_tensorflow()
    from tf_reference import optimizers

    forward = resolve(twin.reference)
    inputs = [tf.constant(a) for a in batch]
    variables = {name: tf.Variable(value) for name, value in params.items()}

    def step(*batch: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = forward(variables, *batch)["loss"]
        optimizers.gradient_descent(variables, tape.gradient(loss, variables), LEARNING_RATE)
        return loss

    def loop(count: Any, *batch: Any) -> Any:
        for _ in tf.range(count):
            step(*batch)

    compiled = {"eager": step, "function": tf.function(step), "xla": tf.function(step, jit_compile=True)}
    looped = tf.function(loop)
    return {name: _repeated(one, inputs) for name, one in compiled.items()} | {
        "loop": lambda count: looped(tf.constant(count), *inputs)
    }


def _repeated(step: Callable[..., Any], inputs: list[Any]) -> Steps:
    def steps(count: int) -> None:
        for _ in range(count):
            loss = step(*inputs)
        loss.numpy()  # wait for the last one

    return steps


# ---- timing ----------------------------------------------------------------------------------------


def measure(ways: Mapping[str, Steps], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Time each way in every round, in rotating order; give its seconds a step, round by round."""
    counts = {name: _count(name, steps, seconds) for name, steps in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            times[name].append(_time(ways[name], counts[name]) / counts[name])
    return times


def _count(name: str, steps: Steps, seconds: float) -> int:
    """Find how many steps fill the time; the first call, which may trace, does not count."""
    least = LOOPED if name == "loop" else 1
    steps(least)
    one = _time(steps, least) / least
    return max(1, int(seconds / max(one, 1e-7)))


def _time(steps: Steps, count: int) -> float:
    start = time.perf_counter()
    steps(count)
    return time.perf_counter() - start


def time_twin(twin: Twin, rows: int, rounds: int, seconds: float, dtype: str) -> Timing:
    """Time all ways of one twin."""
    params, batch = point(twin, rows, dtype)
    by_hand = {"manual": manual(twin, params, batch), "plain": plain(twin, params, batch)}
    ways: dict[str, Steps] = by_hand | tensorflow_ways(twin, params, batch)
    alone = products(params, batch)
    times = measure(ways | ({"products": alone} if alone else {}), rounds, seconds)
    return Timing(
        twin=twin.name,
        shape=" ".join("x".join(map(str, p.shape)) for p in params.values() if p.ndim == 2) or "scalar",
        rows=rows,
        dtype=dtype,
        microseconds={name: 1e6 * median(values) for name, values in times.items()},
        against_function={name: _ratio(values, times["function"]) for name, values in times.items()},
        against_products=_ratio(times["manual"], times["products"]) if alone else None,
    )


def _ratio(values: list[float], others: list[float]) -> float:
    return median(a / b for a, b in zip(values, others, strict=True))


def markdown(timings: list[Timing]) -> str:
    """Write the ratios as a table; the microseconds of tf.function are there for orientation only."""
    header = ["twin", "weights", "batch", "tf.function, us", *[f"{w} / function" for w in WAYS if w != "function"],
              "manual / products"]  # fmt: skip
    return table(header, [_row(t) for t in timings])


def _row(timing: Timing) -> list[str]:
    ratios = [timing.against_function.get(way) for way in WAYS if way != "function"]
    cells = [*ratios, timing.against_products]
    texts = ["" if cell is None else f"{cell:.2f}" if cell < 10 else f"{cell:.0f}" for cell in cells]
    return [timing.twin, timing.shape, str(timing.rows), f"{timing.microseconds['function']:.0f}", *texts]


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="twins; all networks if none is given")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.1, help="how long a way is timed in each round")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    timings = []
    for name in options.names or ROWS:
        for rows in ROWS[name]:
            timings.append(time_twin(catalog.get(name), rows, options.rounds, options.seconds, options.dtype))
            print(f"{name}, batch {rows}", file=sys.stderr)
    print(json.dumps([t.to_dict() for t in timings], indent=1) if options.json else markdown(timings))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
