"""Ask the checkers people use, and Gradtwin, about the same faults at the same points.

    python -m benchmarks.detection.peers [--points 30] [--per-twin 5] [--only NAME ...] [--json] [--write]

Four experiments, every checker at its defaults in float64:

- one random entry of the right gradient of a 2-10-10-10-1 sigmoid net (261 parameters) multiplied by 1 + e,
- the same with the loss, and so every gradient, multiplied by 1e-3,
- right gradients: the same nets, and a relu whose logits are exactly zero,
- faults of the catalogue, of the half no rule was tuned on, that change a parameter's gradient.

A checker that is not installed is listed as such. `--write` puts the tables into docs/detection.md.
"""

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.detection.checkers import CHECKERS, Checker, Objection
from benchmarks.detection.page import put, table
from benchmarks.detection.problems import (
    ERRORS,
    Problem,
    planted_faults,
    relus_at_zero,
    wrong_entries,
)

LOSS_FACTORS = (1.0, 1e-3)
KINK_POINTS = 24


@dataclass(frozen=True)
class Count:
    """How often a checker objected in one experiment, and how often it named what is wrong."""

    asked: int
    objected: int
    named_tensor: int
    named_cause: int
    wrong_cause: int


@dataclass(frozen=True)
class Result:
    """What one checker said in all experiments; `version` is None where it is not installed.

    `entries` holds a count for each loss factor and error, error 0 being the right gradient.
    """

    checker: str
    version: str | None
    entries: dict[str, dict[str, Count]]
    kinks: Count | None
    faults: Count | None
    seconds: float | None
    times_a_gradient: float | None


def ask(checker: Checker, problems: Iterable[Problem]) -> Count:
    """Put problems to a checker; the random directions of some peers are drawn from a fixed seed each time."""
    asked, objections = 0, []
    for problem in problems:
        np.random.seed(asked)  # noqa: NPY002 - the generator that jax's and autograd's checks draw from
        objection = _answer(checker, problem)
        asked += 1
        if objection is not None:
            objections.append((problem, objection))
    return Count(
        asked,
        len(objections),
        sum(o.tensor is not None and o.tensor == p.tensor for p, o in objections),
        sum(o.cause is not None and o.cause in p.causes for p, o in objections),
        sum(o.cause not in (None, "unknown") and o.cause not in p.causes for p, o in objections),
    )


def _answer(checker: Checker, problem: Problem) -> Objection | None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return checker.object_to(problem)


def cost(checker: Checker, problem: Problem, repeats: int) -> tuple[float, float]:
    """Time a check of a right gradient: its median in seconds, and as a multiple of one loss and gradient by hand.

    The two are timed in turn, so that a busy machine slows both.
    """
    checks, gradients = [], []
    _answer(checker, problem)
    for _ in range(repeats):
        start = time.perf_counter()
        _answer(checker, problem)
        middle = time.perf_counter()
        for _ in range(20):
            problem.gradients(problem.params)
        checks.append(middle - start)
        gradients.append((time.perf_counter() - middle) / 20)
    return median(checks), median(c / g for c, g in zip(checks, gradients, strict=True))


def examine(checker: Checker, points: int, faults: list[Problem], errors: tuple[float, ...]) -> Result:
    """Put every experiment to one checker."""
    if checker.version is None:
        return Result(checker.name, None, {}, None, None, None, None)
    entries = {
        f"{factor:g}": {f"{e:g}": ask(checker, wrong_entries(e, factor, points)) for e in (0.0, *errors)}
        for factor in LOSS_FACTORS
    }
    kinks = ask(checker, relus_at_zero(min(KINK_POINTS, points)))
    found = ask(checker, faults)
    seconds, times = cost(checker, next(wrong_entries(0.0, 1.0, 1)), repeats=min(11, points))
    return Result(checker.name, checker.version, entries, kinks, found, seconds, times)


# ---- tables ----------------------------------------------------------------------------------------


def detection_table(results: list[Result], factor: float) -> str:
    """Say how often each error was seen, by checker."""
    errors = [e for e in next(r.entries for r in results if r.entries)[f"{factor:g}"] if e != "0"]
    header = ["checker", *[f"e = {e}" for e in errors], "false alarms (e = 0)"]
    return table(header, [_detection_row(r, f"{factor:g}", errors) for r in results])


def _detection_row(result: Result, factor: str, errors: list[str]) -> list[str]:
    if result.version is None:
        return [f"`{result.checker}`", "not installed", *[""] * len(errors)]
    counts = result.entries[factor]
    return [f"`{result.checker}`", *[str(counts[e].objected) for e in errors], str(counts["0"].objected)]


def summary_table(results: list[Result]) -> str:
    """Say what each checker did about kinks and the catalogue's faults, and what a check costs."""
    header = ["checker", "false alarms, relu at 0", "planted faults seen", "right tensor named",
              "right cause named", "wrong cause named", "a check, ms", "a check in gradients by hand"]  # fmt: skip
    return table(header, [_summary_row(r) for r in results])


def _summary_row(result: Result) -> list[str]:
    if result.kinks is None or result.faults is None or result.seconds is None:
        return [f"`{result.checker}`", "not installed", *[""] * 6]
    kinks, faults = result.kinks, result.faults
    return [
        f"`{result.checker}`",
        f"{kinks.objected} of {kinks.asked}",
        f"{faults.objected} of {faults.asked}",
        str(faults.named_tensor),
        str(faults.named_cause),
        str(faults.wrong_cause),
        f"{1e3 * result.seconds:.3g}",
        f"{result.times_a_gradient:.0f}",
    ]


def rules_table(results: list[Result]) -> str:
    """State each checker's version and rule."""
    rules = {checker.name: checker.rule for checker in CHECKERS}
    rows = [[f"`{r.checker}`", r.version or "not installed", rules[r.checker]] for r in results]
    return table(["checker", "version", "objects unless"], rows)


def markdown(results: list[Result], points: int) -> str:
    """Give all tables."""
    return "\n\n".join(
        [
            f"How often of {points} the wrong entry is seen:",
            detection_table(results, 1.0),
            "The same with the loss multiplied by 1e-3:",
            detection_table(results, 1e-3),
            "Kinks, planted faults, cost:",
            summary_table(results),
            "Versions and rules, `a` the gradient under test and `n` the numeric one:",
            rules_table(results),
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--points", type=int, default=30)
    parser.add_argument("--per-twin", type=int, default=5, help="planted faults a twin; 0 for none")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="checkers whose name holds one of these")
    parser.add_argument("--errors", nargs="+", type=float, default=list(ERRORS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/detection.md")
    options = parser.parse_args(arguments)
    faults = list(planted_faults(options.per_twin)) if options.per_twin else []
    chosen = [c for c in CHECKERS if not options.only or any(n.lower() in c.name.lower() for n in options.only)]
    results = []
    for checker in chosen:
        print(f"{checker.name} {checker.version or 'is not installed'}", file=sys.stderr)
        results.append(examine(checker, options.points, faults, tuple(options.errors)))
    print(json.dumps([_plain(r) for r in results], indent=1) if options.json else markdown(results, options.points))
    if options.write:
        put("peers", markdown(results, options.points))
    return 0


def _plain(result: Result) -> dict[str, Any]:
    return asdict(result)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
