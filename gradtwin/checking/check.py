"""Compare the manual gradients of a twin or a function with the reference's, tensor by tensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.checking.case import Case, Reference
from gradtwin.checking.low_precision import in_dtype, judged_in_low_precision
from gradtwin.checking.refusals import require, require_point, require_route
from gradtwin.checking.remarks import with_second_order
from gradtwin.checking.settings import CheckSettings
from gradtwin.checking.sides import FunctionSide, TwinSide
from gradtwin.core.errors import InputError
from gradtwin.core.plain import kind_of, listed
from gradtwin.core.precision import DTYPES, is_low
from gradtwin.core.report import Report
from gradtwin.core.user_code import told_as_theirs
from gradtwin.core.verdicts import Note
from gradtwin.referee.finite_differences import numeric_rows
from gradtwin.referee.second_order import second_order
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin, argument_names
from manual_grads import Array, Params


def check(
    twin: Twin | str,
    *,
    dtype: str = "float64",
    route: str = "tape",
    seed: int = 0,
    thorough: bool = False,
    shards: Sequence[int] | None = None,
    device: str | None = None,
    numeric: bool = False,
) -> Report:
    """Check one twin at the operating point drawn from `seed`.

    Example:
        >>> report = gradtwin.check("xor", dtype="float32")
        >>> report.verdict, report.agrees
        ('agree', True)
        >>> [tensor.name for tensor in report.tensors]
        ['loss', 'z2', 'W2', 'b2', 'a1', 'z1', 'W1', 'b1', 'x']

    Args:
        twin: a Twin, or the name of a built-in one.
        dtype: "float64", "float32", "bfloat16" or "float16"; both sides compute in it. In the last two the
            formula is judged in float64, at the same point, and the rounding in ulp of the dtype.
        route: how TensorFlow differentiates: "tape", "gradients" or "xla"; or on two replicas, each with a shard of
            the batch: "mirrored" (two devices) or "multiworker" (two processes).
        seed: draws the operating point.
        thorough: also check every array entry by entry for side effects of the manual code, compare every tensor
            with an independent derivative, and check second derivatives, forward mode and single examples; slower,
            for small networks.
        shards: how many examples each replica gets, if the manual code or the route is data-parallel; a route cuts
            unequal shards by default.
        device: where TensorFlow computes the reference, such as "GPU:0"; by default the CPU.
        numeric: also run the numeric check of document 002 (step 0.01, precision 1e-3). Its rows are
            `report.numeric`; it never changes the verdict. It takes two forward passes per entry.

    Returns:
        The report: the losses first, then every gradient.

    Raises:
        InputError: an unknown twin, dtype, route or device, or a side that breaks the contract of a twin.
    """
    twin = catalog.get(twin) if isinstance(twin, str) else twin
    if not isinstance(twin, Twin):
        raise InputError(f"Expected a gradtwin.Twin or the name of one, got {kind_of(twin)}.")
    require(dtype, DTYPES, "dtype")
    with told_as_theirs(f"Drawing a point for twin {twin.name!r}"):
        params, batch = twin.point(seed)
    settings = CheckSettings(dtype, route, device, shards, seed, thorough, twin.kinks, numeric)
    case = Case(
        name=twin.name,
        manual=TwinSide(twin.manual),
        reference=Reference(resolve(twin.reference)),
        params=in_dtype(params, dtype),
        batch=in_dtype(dict(zip(twin.batch_names(batch), batch, strict=True)), dtype),
        settings=settings,
        # The command line knows no other twin by its name.
        command=settings.command(twin.name) if twin.name in catalog.names() else "",
        reduction=twin.reduction,
    )
    report = run(case)
    if not thorough:
        return report
    placed = replace(twin, reference=case.reference.placed(settings).forward)
    return with_second_order(report, second_order(placed, seed=seed))


def check_gradients(
    manual: Callable[..., tuple[Array, Params]],
    reference: Callable[..., Any],
    params: Params,
    *batch: Array,
    route: str = "tape",
    name: str | None = None,
    kinks: str = "any",
    shards: Sequence[int] | None = None,
    device: str | None = None,
    numeric: bool = False,
) -> Report:
    """Check your own gradient against TensorFlow's automatic gradient of the same loss.

    Example:
        >>> def manual(params, x, y):
        ...     r = x @ params["w"] - y
        ...     return (r**2).mean(), {"w": x.T @ r / len(r)}  # the factor 2 is missing
        >>> def reference(params, x, y):
        ...     return tf.reduce_mean((x @ params["w"] - y) ** 2)
        >>> params, x, y = {"w": np.ones((3, 1))}, np.eye(5, 3), np.zeros((5, 1))
        >>> report = gradtwin.check_gradients(manual, reference, params, x, y)
        >>> report.verdict, report.blame, report.first_wrong, report.cause_id
        ('disagree', 'manual', 'w', 'factor')

    Args:
        manual: `manual(params, *batch) -> (loss, gradients)` in numpy; `gradients` has the keys and shapes
            of `params`.
        reference: `reference(params, *batch)` in TensorFlow, the same loss as a scalar tensor.
        params: the parameters, a dictionary of arrays of one dtype: float64, float32, bfloat16 or float16.
        *batch: the arrays that both functions take after the parameters.
        route: "tape", "gradients" or "xla"; "mirrored" or "multiworker" on two replicas.
        name: what the report calls the pair; by default the name of the manual function.
        kinks: at a kink, "any" accepts every subgradient, "reference" only the one TensorFlow takes.
        shards: as for `check`.
        device: as for `check`.
        numeric: as for `check`.

    Returns:
        The report.

    Raises:
        InputError: params or gradients that are not dictionaries of float arrays, gradients with other keys, shapes
            or dtypes than the parameters, or values that are not finite.
    """
    settings = CheckSettings(route=route, device=device, shards=shards, kinks=kinks, numeric=numeric)
    return run(case_of_functions(manual, Reference(resolve(reference)), params, batch, settings, name=name))


def case_of_functions(
    manual: Callable[..., tuple[Array, Params]],
    reference: Reference,
    params: Params,
    batch: Sequence[Array],
    settings: CheckSettings,
    *,
    name: str | None = None,
) -> Case:
    """Make a case of a manual function, a reference and a point, in the dtype of the parameters.

    Raises:
        InputError: a manual function that cannot be called, or params that are not a dictionary of arrays of one dtype.
    """
    if not callable(manual):
        raise InputError(f"The manual function: expected a function, got {kind_of(manual)}.")
    if not isinstance(params, Mapping) or not params:
        came = "an empty one" if isinstance(params, Mapping) else kind_of(params)
        raise InputError(f"params: expected a dictionary of arrays, got {came}.")
    params = {name: np.asarray(array) for name, array in params.items()}
    dtypes = sorted({str(array.dtype) for array in params.values()})
    if len(dtypes) > 1:
        raise InputError(f"params: expected arrays of one dtype, got {listed(dtypes)}; cast them to one.")
    names = argument_names(manual, len(batch))
    return Case(
        name=name or str(getattr(manual, "__name__", "manual")),
        manual=FunctionSide(manual),
        reference=reference,
        params=params,
        batch={key: np.asarray(array) for key, array in zip(names, batch, strict=True)},
        settings=replace(settings, dtype=dtypes[0]),
    )


def run(case: Case) -> Report:
    """Run both sides of a case and judge every tensor."""
    require_route(case.settings.route, case.dtype)
    require_point(case.params, case.batch)
    case = case.prepared()
    report = judged_in_low_precision(case) if is_low(case.dtype) else case.judged(case.asked())
    return _with_numeric(report, case) if case.settings.numeric else report


def _with_numeric(report: Report, case: Case) -> Report:
    """Add what the numeric check of document 002 says of the manual gradients; see `referee.finite_differences`."""

    def loss(point: Params) -> Any:
        return case.manual.loss({k: point[k] for k in case.params}, *(point[k] for k in case.batch))

    try:
        with told_as_theirs("The manual function, evaluated again for the numeric check,"), np.errstate(all="ignore"):
            gradients = case.manual.run(case.params, *case.batch.values()).gradients
            rows = numeric_rows(loss, case.params | case.batch, gradients)
    except InputError as error:
        note = Note("numeric_refused", f"No numeric check: {error}")
        return replace(report, numeric=(), notes=(*report.notes, note))
    return replace(report, numeric=rows)
