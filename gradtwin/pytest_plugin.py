"""A plugin for pytest: a fixture that checks a gradient, and a decorator that makes a test of each property of a twin.

    def test_my_gradient(gradtwin_check):
        gradtwin_check(manual, reference, params, x, t)

    @parametrize_with_checks(["xor", MY_TWIN], exceptions={"xor-gradients-float32-xla": "why it cannot pass"})
    def test_my_twins(check):
        check()

A failing test has the report as its text. TensorFlow is not loaded before a check runs.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pytest

from gradtwin.core.dtypes import DEFAULT_DTYPES
from gradtwin.core.errors import Disagreement, InputError, did_you_mean
from gradtwin.core.report import Report
from gradtwin.core.verdicts import Verdict
from gradtwin.twins.twin import Twin

_Failed: Any = pytest.fail.Exception


class CheckFailed(Disagreement, _Failed):
    """A failed check; pytest shows the report, and no traceback through Gradtwin's own code."""

    def __init__(self, report: str) -> None:
        Disagreement.__init__(self, report)
        _Failed.__init__(self, report, pytrace=False)


class LostDigits(UserWarning):
    """The formula is right, but digits were lost; the report says which side lost them."""


@pytest.fixture
def gradtwin_check() -> Callable[..., Report]:
    """Check a gradient, and fail with the report unless it agrees.

    Call it with a twin or the name of one, and the options of `gradtwin.check`; or with a manual function,
    a reference, parameters and a batch, and the options of `gradtwin.check_gradients`. It returns the report.
    """
    return _check_and_raise


def parametrize_with_checks(
    twins: Iterable[Twin | str],
    *,
    exceptions: Mapping[str, str] | None = None,
    dtypes: Iterable[str] = DEFAULT_DTYPES,
    routes: Iterable[str] | None = None,
    seed: int = 0,
) -> pytest.MarkDecorator:
    """Make one test of each property of each twin, like scikit-learn's decorator of the same name.

    The test function has one argument, `check`, and calls it. Each test has an id:

        NAME-forward-DTYPE              both sides compute the same loss
        NAME-gradients-DTYPE-ROUTE      every gradient agrees with the reference's by that route
        NAME-hygiene                    the code leaves its arguments alone and gives the same answer twice
        NAME-operating_point            the point that is checked hides no fault

    Args:
        twins: twins, or the names of built-in ones or of those in installed packages.
        exceptions: the tests that are expected to fail, each with the reason; ids, or patterns with `*`. They are
            strict: an exception that passes is a failure, and one that matches no test is refused.
        dtypes: the dtypes of the forward and gradients tests.
        routes: the routes of the gradients tests; "tape", "gradients" and "xla" if not given.
        seed: draws the operating point.

    Raises:
        InputError: an unknown twin, or an exception that matches nothing or gives no reason.
    """
    from gradtwin.core.routes import ROUTES

    ways = tuple(dtypes), tuple(routes or ROUTES)
    checks = [check for twin in twins for check in _checks_of(_twin(twin), *ways, seed)]
    known = dict(exceptions or {})
    _validate_exceptions(known, [check.id for check in checks])
    return pytest.mark.parametrize("check", [_parameter(check, known) for check in checks])


@dataclass(frozen=True)
class PropertyCheck:
    """One property of one twin; calling it checks it and raises `CheckFailed`."""

    id: str
    run: Callable[[], None]

    def __call__(self) -> None:
        __tracebackhide__ = True
        self.run()

    def __repr__(self) -> str:
        return f"<check {self.id}>"


def _checks_of(
    twin: Twin, dtypes: tuple[str, ...], routes: tuple[str, ...], seed: int
) -> Iterable[PropertyCheck]:
    name = twin.name
    for dtype in dtypes:
        yield PropertyCheck(f"{name}-forward-{dtype}", partial(_forward, twin, dtype, seed))
    for dtype in dtypes:
        for route in routes:
            yield PropertyCheck(f"{name}-gradients-{dtype}-{route}", partial(_gradients, twin, dtype, route, seed))
    yield PropertyCheck(f"{name}-hygiene", partial(_hygiene, twin, seed))
    yield PropertyCheck(f"{name}-operating_point", partial(_operating_point, twin, seed))


def _parameter(check: PropertyCheck, exceptions: Mapping[str, str]) -> Any:
    """Mark a check that an exception names: it must fail by its verdict, not by an error."""
    reason = next((why for pattern, why in exceptions.items() if fnmatchcase(check.id, pattern)), None)
    marks = [] if reason is None else [pytest.mark.xfail(reason=reason, strict=True, raises=CheckFailed)]
    return pytest.param(check, id=check.id, marks=marks)


def _validate_exceptions(exceptions: Mapping[str, str], ids: list[str]) -> None:
    for pattern, reason in exceptions.items():
        if not isinstance(reason, str) or not reason.strip():
            raise InputError(f"Exception {pattern!r}: expected the reason as a string, got {reason!r}.")
        if not any(fnmatchcase(one, pattern) for one in ids):
            near = did_you_mean(pattern, ids)
            raise InputError(f"Exception {pattern!r} matches none of the {len(ids)} checks.{near}")


# ---- the properties ------------------------------------------------------------------------------------


def _check_and_raise(target: Any, *sides: Any, **options: Any) -> Report:
    __tracebackhide__ = True
    from gradtwin.checking.check import check, check_gradients

    report = check_gradients(target, *sides, **options) if sides else check(target, **options)
    return _raise_for(report)


def _raise_for(report: Report) -> Report:
    """Fail with the report where it does not agree, and warn where digits were lost."""
    __tracebackhide__ = True
    report = replace(report, command=_this_test() or report.command)
    if not report.agrees:
        raise CheckFailed(str(report))
    if report.verdict == Verdict.ROUNDING:
        warnings.warn(LostDigits(str(report)), stacklevel=2)
    return report


def _this_test() -> str:
    """Give the command that repeats the running test."""
    current = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    return f"pytest '{current}'" if current else ""


def _forward(twin: Twin, dtype: str, seed: int) -> None:
    __tracebackhide__ = True
    from gradtwin.checking.check import check

    report = check(twin, dtype=dtype, seed=seed)
    loss = next(row for row in report.tensors if row.name == "loss")
    if loss.verdict == report.verdict:  # the losses are to blame, and what the report says is about them
        _raise_for(replace(report, tensors=(loss,)))
    else:
        _raise_for(Report(twin.name, dtype, report.route, seed, loss.verdict, (loss,), command=report.command))


def _gradients(twin: Twin, dtype: str, route: str, seed: int) -> None:
    __tracebackhide__ = True
    from gradtwin.checking.check import check

    _raise_for(check(twin, dtype=dtype, route=route, seed=seed))


def _hygiene(twin: Twin, seed: int) -> None:
    __tracebackhide__ = True
    from gradtwin.referee.inspection.hygiene import inspect_manual

    params, batch = _point(twin, seed)
    findings = inspect_manual(
        None, params, batch, forward=twin.manual.forward, backward=twin.manual.backward, thorough=True
    )
    for finding in findings:
        if not finding.fatal:
            warnings.warn(f"{twin.name}: {finding.message}", stacklevel=2)
    _raise_lines(twin, [finding.message for finding in findings if finding.fatal])


def _operating_point(twin: Twin, seed: int) -> None:
    __tracebackhide__ = True
    from gradtwin.referee.inspection.operating_point import blind_spots

    params, batch = _point(twin, seed)
    _, cache = twin.manual.forward(params, *batch.values())
    gradients = twin.manual.backward(params, cache)
    spots = blind_spots(params, batch, cache if isinstance(cache, Mapping) else {}, gradients)
    _raise_lines(twin, [spot.message for spot in spots])


def _point(twin: Twin, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    params, batch = twin.point(seed)
    return dict(params), dict(zip(twin.batch_names(batch), batch, strict=True))


def _raise_lines(twin: Twin, lines: list[str]) -> None:
    __tracebackhide__ = True
    if lines:
        repeat = [f"  repeat: {_this_test()}"] if _this_test() else []
        raise CheckFailed("\n".join([f"{twin.name}:", *(f"  {line}" for line in lines), *repeat]))


def _twin(twin: Twin | str) -> Twin:
    from gradtwin.twins import catalog

    return catalog.get(twin) if isinstance(twin, str) else twin
