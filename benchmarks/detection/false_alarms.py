"""Check right gradients and count who objects.

    python -m benchmarks.detection.false_alarms [--checks 10000] [--seed 0] [--case K] [--json] [--write]

Every case is drawn from the seed and its number: a twin, a node or a drawn network, its widths and batch, weights
scaled by 1e-3 to 1e3, inputs up to 255, with and without exact zeros at a relu; each in float64 and in float32.
A false alarm is any verdict but `agree` and `rounding`. `rounding` with the hand to blame is listed beside it: the
digits may really be lost there. `--case K` prints the report of one case.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.detection.cases import Case, draw, is_telling
from benchmarks.detection.page import count_text, put, table
from gradtwin.checking.check import check
from gradtwin.core.report import Report

DTYPES = ("float64", "float32")
QUIET = ("agree", "rounding")
SHOWN = 5  # of the cases where the hand is blamed for rounding; --json gives all


@dataclass
class Tally:
    """What came of all checks."""

    seed: int
    checks: int = 0
    left_out: int = 0
    verdicts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    blamed: list[dict[str, Any]] = field(default_factory=list)

    def add(self, number: int, case: Case, report: Report) -> None:
        """Count one report; keep the case if it is an alarm."""
        self.checks += 1
        self.verdicts[report.verdict, report.blame or "", report.dtype] += 1
        verdict = {"verdict": report.verdict, "blame": report.blame, "dtype": report.dtype}
        kept = {"case": number, **verdict, "is": str(case)}
        if report.verdict not in QUIET:
            self.alarms.append(kept)
        elif report.blame == "manual":
            self.blamed.append(kept)

    def to_dict(self) -> dict[str, Any]:
        """Give the tally as plain data."""
        counts = [{"verdict": v, "blame": b, "dtype": d, "checks": n} for (v, b, d), n in sorted(self.verdicts.items())]
        return {
            "seed": self.seed, "checks": self.checks, "left_out": self.left_out, "verdicts": counts,
            "false_alarms": self.alarms, "rounding_blamed_on_the_hand": self.blamed,
        }  # fmt: skip

    def markdown(self) -> str:
        """Give the counts as a table, and what to repeat for each alarm."""
        kinds = sorted({(verdict, blame) for verdict, blame, _ in self.verdicts})
        rows = [[v, b or "-", *(count_text(self.verdicts[v, b, d]) for d in DTYPES)] for v, b in kinds]
        lines = [table(["verdict", "blame", *DTYPES], rows), ""]
        lines.append(
            f"{count_text(self.checks)} checks of right gradients, seed {self.seed}: {len(self.alarms)} false alarms, "
            f"{len(self.blamed)} times `rounding` with the hand to blame; {count_text(self.left_out)} points left out "
            "whose gradients are zero or no numbers of the precision."
        )
        shown = [self._repeat(kept) for kept in self.alarms + self.blamed[:SHOWN]]
        return "\n".join([*lines, *([""] if shown else []), *shown])

    def _repeat(self, kept: dict[str, Any]) -> str:
        command = f"python -m benchmarks.detection.false_alarms --seed {self.seed} --case {kept['case']}"
        return f"- {kept['verdict']}, blame {kept['blame']}, {kept['dtype']}: `{command}`: {kept['is']}"


def case_of(seed: int, number: int) -> Case:
    """Draw the case of a number; it does not depend on those before it."""
    return draw(np.random.default_rng([seed, number]))


def reports(case: Case) -> Iterator[Report]:
    """Check a case in each precision that can hold its gradients."""
    twin = case.twin()
    for dtype in DTYPES:
        if is_telling(twin, dtype):
            with np.errstate(all="ignore"):
                yield check(twin, dtype=dtype)


def run(checks: int, seed: int) -> Tally:
    """Draw cases until so many checks are done."""
    tally, number = Tally(seed), 0
    while tally.checks < checks:
        case = case_of(seed, number)
        done = list(reports(case))
        for report in done:
            tally.add(number, case, report)
        tally.left_out += len(DTYPES) - len(done)
        number += 1
        if sys.stderr.isatty() and number % 50 == 0:
            print(f"\r{tally.checks} of {checks} checks, {len(tally.alarms)} alarms", end="", file=sys.stderr)
    return tally


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; exit status 1 if there was a false alarm."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.false_alarms", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--checks", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="print the reports of one case and stop")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the table into docs/detection.md")
    options = parser.parse_args(arguments)
    if options.case is not None:
        case = case_of(options.seed, options.case)
        print(case, *reports(case), sep="\n")
        return 0
    tally = run(options.checks, options.seed)
    print(json.dumps(tally.to_dict(), indent=1) if options.json else tally.markdown())
    if options.write:
        put("false alarms", tally.markdown())
    return 1 if tally.alarms else 0


if __name__ == "__main__":
    sys.exit(main())
