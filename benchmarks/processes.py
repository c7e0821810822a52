"""Whole commands beside the least that they could be: the import they need, or TensorFlow's own loop.

    python -m benchmarks.processes [--rounds 7] [--json]

    help, list     `gradtwin --help` and `gradtwin list`, over `python -c "import numpy"`
    check          `gradtwin check` of all twins, over `python -c "import tensorflow"`
    xor            `gradtwin train xor`: 10,001 steps of both sides, every one compared, logged; over the same steps by
                   TensorFlow alone in one graph (`--loop`), both less the import of TensorFlow

Every command is a new process. A round runs each once; the figures are medians over the rounds of ratios within one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median

from benchmarks.detection.page import table

PYTHON, GRADTWIN = [sys.executable, "-c"], [sys.executable, "-m", "gradtwin"]
COMMANDS = {
    "numpy": [*PYTHON, "import numpy"],
    "help": [*GRADTWIN, "--help"],
    "list": [*GRADTWIN, "list"],
    "tensorflow": [*PYTHON, "import tensorflow"],
    "check": [*GRADTWIN, "check"],
    "xor": [*GRADTWIN, "train", "xor", "--logdir", "{logs}"],
    "loop": [sys.executable, "-m", "benchmarks.processes", "--loop"],
}


def ratios(seconds: Mapping[str, float]) -> dict[str, float]:
    """Give the figures of one round."""
    s = seconds
    return {
        "help": s["help"] / s["numpy"],
        "list": s["list"] / s["numpy"],
        "check": s["check"] / s["tensorflow"],
        "xor": (s["xor"] - s["tensorflow"]) / (s["loop"] - s["tensorflow"]),
    }


def measure(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Time all commands; give the ratios, and the seconds of each command."""
    times = [_round() for _ in range(rounds)]
    found = [ratios(one) for one in times]
    return (
        {name: median(one[name] for one in found) for name in found[0]},
        {name: median(one[name] for one in times) for name in COMMANDS},
    )


def _round() -> dict[str, float]:
    seconds = {}
    for name, words in COMMANDS.items():
        with tempfile.TemporaryDirectory() as logs:
            command = [word.replace("{logs}", logs) for word in words]
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            seconds[name] = time.perf_counter() - start
    return seconds


def loop() -> None:
    """Train XOR's reference alone, with the loop in the graph."""
    import tensorflow as tf

    from gradtwin.training.plan import make_plan
    from gradtwin.twins import catalog
    from tf_reference import optimizers
    from tf_reference.networks import xor

    plan = make_plan(catalog.get("xor"))
    variables = {name: tf.Variable(value) for name, value in plan.start.items()}

    @tf.function
    def steps(x: tf.Tensor, t: tf.Tensor) -> None:
        for _ in tf.range(plan.settings.steps):
            with tf.GradientTape() as tape:
                loss = xor.forward(variables, x, t)["loss"]
            optimizers.gradient_descent(variables, tape.gradient(loss, variables), plan.settings.learning_rate)

    steps(*map(tf.constant, plan.rows))
    print({name: variable.numpy().tolist() for name, variable in variables.items()})


def markdown(found: Mapping[str, float], seconds: Mapping[str, float]) -> str:
    """Write the ratios as a table."""
    rows = [[name, f"{found[name]:.2f}" if name in found else "", f"{seconds[name]:.2f}"] for name in COMMANDS]
    return table(["process", "ratio", "s"], rows)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--loop", action="store_true", help="only TensorFlow's loop, in this process")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.loop:
        loop()
        return 0
    found, seconds = measure(options.rounds)
    print(json.dumps({"ratios": found, "seconds": seconds}, indent=1) if options.json else markdown(found, seconds))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
