"""The cases of a sweep in this process, one after the other, to look at single ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from gradtwin.commands.sweep_terminal import row_text
from gradtwin.commands.terminal import console
from gradtwin.core.errors import InputError
from gradtwin.sweep.axes import axes_of
from gradtwin.sweep.case import CaseRow, SweepCase
from gradtwin.sweep.driver import Bounds
from gradtwin.sweep.grid import refuse_size
from gradtwin.sweep.plan import plan
from gradtwin.sweep.run_case import DONE, Twins, check_of, fuzz_of, run_case


def run_here(
    targets: Sequence[str],
    *,
    kind: str,
    axes: Mapping[str, Any],
    max_cases: int | None,
    time_budget: float | None,
    fail_fast: bool,
    shown: bool,
) -> list[CaseRow]:
    """Run the cases and show each as its own command would; see `gradtwin.sweep.driver.sweep`."""
    if time_budget is not None:
        raise InputError("--here has no time limit: leave out --time-budget. --max-cases limits the number of cases.")
    bounds = Bounds(max_cases)
    grid = plan(kind, targets, axes_of(kind, axes))
    refuse_size(grid, bounded=bounds.bounded)
    twins, rows = Twins(), []
    for number in grid.numbers(max_cases, spread=False):
        case = grid.case(number)
        rows.append(run_case(case, twins))
        if shown:
            _show(case, rows[-1], twins)
        if fail_fast and rows[-1]["failed"]:
            break
    return rows


def _show(case: SweepCase, row: CaseRow, twins: Twins) -> None:
    out = console()
    out.print(row_text(row), soft_wrap=True)
    if row.get("drawn"):
        out.print(f"  {row['drawn']}", soft_wrap=True)
    if row.get("message"):
        out.print(f"  {row['message']}", soft_wrap=True)
    if row["status"] == DONE and case.kind in ("check", "fuzz"):
        report = check_of(case, twins[case.target]) if case.kind == "check" else fuzz_of(case, twins[case.target])[0]
        print(report)
    print()
