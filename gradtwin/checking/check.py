"""Compare the hand-derived gradients of a twin, tensor by tensor, with TensorFlow's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradtwin.backend.replicas.routes import cut_as_asked
from gradtwin.backend.tensorflow_side import PARALLEL_ROUTES, ROUTES, resolve
from gradtwin.checking.case import Case, describe
from gradtwin.checking.low_precision import in_dtype, judged_in_low_precision
from gradtwin.checking.remarks import with_second_order
from gradtwin.core.blocks import all_finite
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.core.plain import listed
from gradtwin.core.precision import DTYPES, is_floating, is_low
from gradtwin.core.report import Report
from gradtwin.core.user_code import told_as_theirs
from gradtwin.referee.evidence import ManualRun
from gradtwin.referee.inspection.hygiene import run_inspected
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
) -> Report:
    """Check one twin at the operating point drawn from `seed`.

    Args:
        twin: a Twin, or the name of a built-in one.
        dtype: "float64", "float32", "bfloat16" or "float16"; both sides compute in it. In the last two the
            formula is judged in float64, at the same point, and the rounding in the dtype's own ulp.
        route: how TensorFlow differentiates: "tape", "gradients" or "xla"; on two replicas, each with a shard of
            the batch: "mirrored" (two devices) or "multiworker" (two processes).
        seed: draws the operating point.
        thorough: also look at every entry for what hand code should not do to its arguments, ask a witness
            about every tensor although it agrees, and check second derivatives, forward mode and examples
            one by one; slower, for small networks.
        shards: how many examples each replica gets, where the hand-written code is data-parallel itself or the
            route is; by default a route's shards are unequal.
        device: where TensorFlow computes the reference, such as "GPU:0"; by default the CPU.

    Returns:
        The report: the losses first, then every gradient.

    Raises:
        InputError: an unknown twin, dtype or route, or a side that breaks the contract of a twin.
    """
    twin = catalog.get(twin) if isinstance(twin, str) else twin
    if not isinstance(twin, Twin):
        raise InputError(f"Expected a gradtwin.Twin or the name of one, got {describe(twin)}.")
    _require(dtype, DTYPES, "dtype")
    with told_as_theirs(f"Drawing a point for twin {twin.name!r}"):
        params, batch = twin.point(seed)
    case = Case(
        name=twin.name,
        manual=lambda p, *b: _run_twin(twin, p, *b),
        inspect=lambda p, b, deep: run_inspected(
            None, p, b, forward=twin.manual.forward, backward=twin.manual.backward, thorough=deep
        ),
        backward=twin.manual.backward,
        loss=lambda p, *b: twin.manual.forward(p, *b)[0],
        reference=resolve(twin.reference),
        params=in_dtype(params, dtype),
        batch=in_dtype(dict(zip(twin.batch_names(batch), batch, strict=True)), dtype),
        dtype=dtype,
        route=route,
        seed=seed,
        command=_repeating(twin.name, f"--dtype {dtype} --route {route} --seed {seed}", device),
        kinks=twin.kinks,
        thorough=thorough,
        shards=shards,
        reduction=twin.reduction,
        device=device,
    )
    report = run(case)
    if not thorough:
        return report
    return with_second_order(report, second_order(replace(twin, reference=case.placed()), seed=seed))


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
) -> Report:
    """Check your own gradient against TensorFlow's of your own loss.

    Args:
        manual: `manual(params, *batch) -> (loss, gradients)` in numpy; `gradients` has the keys and shapes
            of `params`.
        reference: `reference(params, *batch)` in TensorFlow, the same loss as a scalar tensor.
        params: the parameters, a dictionary of arrays of one dtype: float64, float32, bfloat16 or float16.
        *batch: whatever else both functions take.
        route: "tape", "gradients" or "xla"; "mirrored" or "multiworker" on two replicas.
        name: what the report calls the pair; by default the manual function's name.
        kinks: at a kink, "any" accepts every subgradient, "reference" only the one TensorFlow takes.
        shards: as for `check`.
        device: as for `check`.

    Returns:
        The report.

    Raises:
        InputError: params or gradients that are no dictionaries of float arrays, other keys, shapes or
            dtypes than the parameters', or values that are not finite.
    """
    case = case_of_functions(manual, params, batch, name=name)
    return run(replace(case, reference=resolve(reference), route=route, kinks=kinks, shards=shards, device=device))


def case_of_functions(
    manual: Callable[..., tuple[Array, Params]], params: Params, batch: Sequence[Array], name: str | None
) -> Case:
    """Make a case of a manual function and a point; its reference is still to come.

    Raises:
        InputError: a manual function that cannot be called, or params that are no dictionary of arrays of one dtype.
    """
    if not callable(manual):
        raise InputError(f"The manual function: expected a function, got {describe(manual)}.")
    if not isinstance(params, Mapping) or not params:
        came = "an empty one" if isinstance(params, Mapping) else describe(params)
        raise InputError(f"params: expected a dictionary of arrays, got {came}.")
    params = {name: np.asarray(array) for name, array in params.items()}
    dtypes = {str(np.asarray(p).dtype) for p in params.values()}
    if len(dtypes) > 1:
        raise InputError(f"params: expected arrays of one dtype, got {', '.join(sorted(dtypes))}: cast them to one.")
    names = argument_names(manual, len(batch))
    return Case(
        name=name or str(getattr(manual, "__name__", "manual")),
        manual=lambda p, *b: _run_function(manual, p, *b),
        inspect=lambda p, b, deep: run_inspected(
            lambda p, b: (*_loss_and_gradients(manual(p, *b.values())), {}), p, b, thorough=deep
        ),
        backward=lambda p, cache: _run_function(manual, p, *cache.values()).gradients,
        loss=lambda p, *b: _run_function(manual, p, *b).loss,
        params=dict(params),
        batch={key: np.asarray(array) for key, array in zip(names, batch, strict=True)},
        dtype=dtypes.pop(),
    )


def run(case: Case) -> Report:
    """Run both sides of a case and judge every tensor."""
    _require(case.route, ROUTES + PARALLEL_ROUTES, "route")
    if case.route in PARALLEL_ROUTES and case.dtype == "bfloat16":
        raise InputError(
            f"route {case.route}: TensorFlow gathers float64, float32 and float16 from replicas, and no bfloat16: "
            "take one of those, or route tape, gradients or xla."
        )
    _validate_point(case.params, case.batch)
    given = case.name, case.params, case.batch, case.route, case.shards, case.reduction
    reference = case.placed()
    with told_as_theirs("The reference", always=True):
        reference = cut_as_asked(reference, *given)
    case = replace(case, reference=reference)
    return judged_in_low_precision(case) if is_low(case.dtype) else case.judged(case.asked())


def _repeating(name: str, options: str, device: str | None) -> str:
    """Give the command that repeats a check; none for a twin that the command line does not know by its name."""
    options += f" --device {device}" if device else ""
    return f"gradtwin check {name} {options}" if name in catalog.names() else ""


def _run_twin(twin: Twin, params: Params, *batch: Array) -> ManualRun:
    answer = twin.manual.forward(params, *batch)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise InputError(f"The manual forward: expected (loss, cache), got {describe(answer)}.")
    loss, cache = answer
    return ManualRun(loss, twin.manual.backward(params, cache), cache)


def _run_function(manual: Callable[..., Any], params: Params, *batch: Array) -> ManualRun:
    return ManualRun(*_loss_and_gradients(manual(params, *batch)), {})


def _loss_and_gradients(answer: Any) -> tuple[Any, Any]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise InputError(f"The manual function: expected (loss, gradients), got {describe(answer)}.")
    return answer


def _validate_point(params: Params, batch: Params) -> None:
    both = sorted(set(params) & set(batch))
    if both:
        raise InputError(
            f"{both[0]!r} names a parameter and an array of the batch: rename the argument of the manual function."
        )
    for name, array in (params | batch).items():
        array = np.asarray(array)
        if name in params and str(array.dtype) not in DTYPES:
            raise InputError(f"params[{name!r}]: expected a {listed(DTYPES, 'or')} array, got {array.dtype}: cast it.")
        if not is_floating(array) and array.dtype.kind not in "iub":
            raise InputError(f"{name}: expected an array of numbers, got dtype {array.dtype}.")
        if array.size == 0:
            raise InputError(f"{name}: expected at least one entry, got an empty array of shape {array.shape}.")
        if not all_finite(array):
            raise InputError(f"{name}: expected finite numbers, got NaN or infinity.")


def _require(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise InputError(f"{what}: expected {listed(allowed, 'or')}, got {value!r}.{did_you_mean(str(value), allowed)}")


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
