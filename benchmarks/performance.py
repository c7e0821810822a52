"""Every figure of speed and scale beside its target, in one run.

    python -m benchmarks.performance [NAME ...] [--quick] [--json] [--write]

    steps      a step by hand over TensorFlow's and over its matrix products        benchmarks.step
    check      a default check over the passes it is made of                        benchmarks.detection.cost
    numeric    a check beside tf.test.compute_gradient                               benchmarks.numeric_gradient
    lockstep   training in lockstep over the two bare loops                          benchmarks.lockstep
    processes  whole commands over the imports they need                             benchmarks.processes
    growth     time and memory of a check from ten thousand to a hundred million     benchmarks.growth

All are ratios of medians taken in turns, for a time says more about the machine's other work than about the code. To
measure numpy at its best let OpenBLAS choose its kernel (OPENBLAS_CORETYPE not set), and leave both cores free.
`--quick` shows that everything runs; its figures mean little. `--write` puts the table into docs/performance.md.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import growth, lockstep, numeric_gradient, processes, step
from benchmarks.detection import cost
from benchmarks.detection.page import put, table
from gradtwin.twins import catalog

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
SMALL = ("xor", "wide", "deep", "zoo")


@dataclass(frozen=True)
class Figure:
    """A measured ratio and its bound: at most `target`, or at least where `more` is better."""

    what: str
    measured: float
    target: float
    more: bool = False

    @property
    def bound(self) -> str:
        """The target in words."""
        return f"{'at least' if self.more else 'at most'} {self.target:g}"

    @property
    def met(self) -> bool:
        """Whether the figure is within its target."""
        return self.measured >= self.target if self.more else self.measured <= self.target


def steps(quick: bool) -> Iterable[Figure]:
    """Time steps in float32, the small networks first."""
    rounds, seconds = (2, 0.005) if quick else (15, 0.1)
    for name in SMALL:
        timing = step.time_twin(catalog.get(name), step.ROWS[name][0], rounds, seconds, "float32")
        yield Figure(f"a step by hand / tf.function's, {name}", timing.against_function["manual"], 0.12)
    for rows, target in ((100, 0.95), (1000, 1.10)):
        timing = step.time_twin(catalog.get("mnist"), rows, rounds, seconds, "float32")
        what = f"784-512x4-10, batch {rows:,}"
        yield Figure(f"a step by hand / tf.function's, {what}", timing.against_function["manual"], target)
        if rows == 1000 and timing.against_products is not None:
            yield Figure(f"a step by hand / its matrix products, {what}", timing.against_products, 1.20)


def check(quick: bool) -> Iterable[Figure]:
    """Time a warm check of 1.2 million parameters, both ways to read its budget."""
    found = cost.measure(catalog.get("mnist"), 2 if quick else 15, "float64")
    what = "a check of 784-512x4-10"
    yield Figure(f"{what} / (by hand + TensorFlow)", found.in_passes, 3.0)
    yield Figure(f"{what} / (3 by hand + TensorFlow)", found.in_budget, 1.0)


def numeric(quick: bool) -> Iterable[Figure]:
    """Time a check beside a numeric gradient."""
    found = numeric_gradient.measure(50 if quick else 4000, 1 if quick else 3)
    what = f"tf.test.compute_gradient / a check, {found.parameters:,} parameters"
    yield Figure(what, found.times_as_fast, 1000, more=True)


def in_lockstep(quick: bool) -> Iterable[Figure]:
    """Time a logged training beside its two loops."""
    for name in lockstep.NAMES:
        # A training of mnist takes half a minute; one of XOR half a second.
        found = lockstep.measure(name, 20 if quick else None, 1 if quick or name == "mnist" else 7)
        yield Figure(f"lockstep with TensorBoard / both bare loops, {name}", found.lockstep_over_both, 1.15)


def of_processes(quick: bool) -> Iterable[Figure]:
    """Time whole commands."""
    found, _ = processes.measure(1 if quick else 7)
    yield Figure("XOR, 10,001 steps, compared and logged / TensorFlow's loop alone", found["xor"], 3.0)
    yield Figure('gradtwin --help / python -c "import numpy"', found["help"], 3.0)
    yield Figure('gradtwin list / python -c "import numpy"', found["list"], 3.0)
    yield Figure('gradtwin check, all twins / python -c "import tensorflow"', found["check"], 3.0)


def of_growth(quick: bool) -> Iterable[Figure]:
    """Check layers of growing size."""
    found = growth.measure(100_000 if quick else 100_000_000, "float32", 1 if quick else 3)
    yield Figure("growth of a check's time, exponent", growth.exponent(found), 1.05)
    what = f"peak memory / (parameters and gradients), {found[-1].parameters:,}"
    yield Figure(what, found[-1].peak, 6.0)


PARTS: dict[str, Callable[[bool], Iterable[Figure]]] = {
    "steps": steps,
    "check": check,
    "numeric": numeric,
    "lockstep": in_lockstep,
    "processes": of_processes,
    "growth": of_growth,
}


def markdown(figures: list[Figure]) -> str:
    """Write the figures as a table."""
    rows = [[f.what, _number(f.measured), f.bound, "yes" if f.met else "**no**"] for f in figures]
    return table(["figure", "measured", "target", "met"], rows)


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.2f}"


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; give status 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"parts; all if none is given: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}: there are {', '.join(PARTS)}")
    if "OPENBLAS_CORETYPE" in os.environ:
        print("OPENBLAS_CORETYPE is set: numpy's products may not be at their best.", file=sys.stderr)
    figures = []
    for name in options.names or PARTS:
        figures += PARTS[name](options.quick)
        print(f"{name}: {sum(f.met for f in figures)} of {len(figures)} met", file=sys.stderr)
    print(json.dumps([asdict(f) for f in figures], indent=1) if options.json else markdown(figures))
    if options.write:
        put("performance", markdown(figures), PAGE)
    return int(not all(f.met for f in figures))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
