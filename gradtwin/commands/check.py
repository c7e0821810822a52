"""The command `gradtwin check`: compare the gradients of twins, in each dtype and by each route."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradtwin.commands.command_line import (
    A_FILE,
    AT_LEAST_0,
    CHECK_FAILED,
    TARGET,
    Command,
    OneOf,
    as_json,
    print_json,
    stdout_kept_clean,
    twins_asked_for,
    twins_that_begin_with,
)
from gradtwin.core.dtypes import DEFAULT_DTYPES, DTYPES
from gradtwin.core.routes import PARALLEL_ROUTES, ROUTES

if TYPE_CHECKING:
    from gradtwin.checking.settings import CheckSettings
    from gradtwin.core.report import Report
    from gradtwin.twins.twin import Twin

    Twins = dict[str, Twin]



@click.command(cls=Command, epilog="Example: gradtwin check xor --dtype float64 --route tape --seed 7")
@click.argument("targets", nargs=-1, metavar=f"[{TARGET}]...", help="Networks to check (default: all).",
                shell_complete=twins_that_begin_with)  # fmt: skip
@click.option("--dtype", type=OneOf(DTYPES), help="Only in this dtype (default: float64 and float32).")
@click.option("--route", type=OneOf(ROUTES + PARALLEL_ROUTES),
              help="How TensorFlow differentiates (default: tape, gradients and xla).")  # fmt: skip
@click.option("--device", metavar="NAME", help="Where TensorFlow computes, such as GPU:0 (default: the CPU).")
@click.option("--seed", type=AT_LEAST_0, default=0, help="Draws the parameters and the batch.")
@click.option("--thorough", is_flag=True, help="Confirm every tensor, and check second derivatives too.")
@click.option("--numeric", is_flag=True, help="Also run the source's numerical check: step 0.01, precision 1e-3.")
@click.option("--shrink-to", type=A_FILE, metavar="FILE.py", help="Write the smallest failing example as a script.")
@as_json
def command(
    targets: tuple[str, ...],
    dtype: str | None,
    route: str | None,
    device: str | None,
    seed: int,
    thorough: bool,
    numeric: bool,
    shrink_to: Path | None,
    as_json: bool,
) -> int:
    """Compare every manual gradient with TensorFlow's.

    Without --dtype it checks in float64 and in float32; without --route in three ways: eager tape, graph and XLA. Two
    more routes cut the batch for two replicas: mirrored (two devices) and multiworker (two processes).
    """
    from gradtwin.checking.settings import CheckSettings
    from gradtwin.commands.check_terminal import print_checks

    if shrink_to is not None:
        _refuse_to_replace(shrink_to)
    with stdout_kept_clean(as_json):
        twins = _twins_for(targets, route)
        dtypes, routes = [dtype] if dtype else DEFAULT_DTYPES, [route] if route else ROUTES
        # The numeric check looks at the manual side alone, which no route changes.
        each = [
            CheckSettings(d, r, device, seed=seed, thorough=thorough, numeric=numeric and r == routes[0])
            for d, r in itertools.product(dtypes, routes)
        ]
        reports = _checks(twins, each)
        done = list(reports) if as_json else print_checks(reports, len(twins) * len(each))
        failed = [made for made, report in zip(itertools.product(twins, each), done, strict=True) if not report.agrees]
        if failed and shrink_to is not None:
            _write_smallest(twins, *failed[0], shrink_to)
        elif failed and not as_json:
            target, settings = failed[0]
            repeat = settings.command(target)
            print(f"The smallest example that fails, as a script: {repeat} --shrink-to smallest.py")
    if as_json:
        print_json([report.to_dict() for report in done])
    return CHECK_FAILED if failed else 0


def _twins_for(targets: tuple[str, ...], route: str | None) -> "Twins":
    """Find the twins; where none is named and the route cuts a batch, leave out those that have no batch to cut."""
    twins = twins_asked_for(targets)
    if targets or route not in PARALLEL_ROUTES:
        return twins
    from gradtwin.commands.examples import has_examples

    kept = {target: twin for target, twin in twins.items() if has_examples(twin)}
    print(f"Skipped (no batch dimension): {', '.join(name for name in twins if name not in kept)}.\n")
    return kept


def _checks(twins: "Twins", each: "list[CheckSettings]") -> "Iterator[Report]":
    """Check every twin with all settings; the built-in ones, which keep nothing between two calls, two at a time."""
    from gradtwin.backend.tensorflow_side import load_tensorflow
    from gradtwin.commands.side_by_side import side_by_side
    from gradtwin.twins import catalog

    def checks_of(target: str) -> "Iterator[Report]":
        return (_check(twins[target], target, settings) for settings in each)

    if catalog.are_built_in(twins.values()):
        load_tensorflow()
        yield from itertools.chain.from_iterable(side_by_side(lambda target: list(checks_of(target)), twins))
    else:
        yield from itertools.chain.from_iterable(map(checks_of, twins))


def _check(twin: "Twin", target: str, settings: "CheckSettings") -> "Report":
    from gradtwin.checking.check import check
    from gradtwin.checking.settings import OF_TWINS

    return dataclasses.replace(check(twin, **settings.options(OF_TWINS)), command=settings.command(target))


def _refuse_to_replace(file: Path) -> None:
    """Refuse a place for a script before the checks run."""
    from gradtwin.checking.shrink_script import refuse_to_replace

    refuse_to_replace(file)


def _write_smallest(twins: "Twins", target: str, settings: "CheckSettings", file: Path) -> None:
    """Write the smallest example of a failure to a file."""
    from gradtwin.checking.settings import OF_TWINS
    from gradtwin.checking.shrink import shrink

    # A batch that shrinks to one example cannot be cut; a wrong manual gradient is wrong on one device too.
    route = "tape" if settings.route in PARALLEL_ROUTES else settings.route
    options = settings.options([name for name in OF_TWINS if name != "numeric"]) | {"route": route}
    smallest = shrink(twins[target], where=target, **options)
    print(f"{smallest.write(file)}: {smallest.size}. To repeat it: python {file}")
