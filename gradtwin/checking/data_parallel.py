"""Check a user's data-parallel step in TensorFlow against the manual gradient of the whole batch."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gradtwin.backend.replicas.cut import cut_of
from gradtwin.backend.replicas.replica_step import REDUCTIONS, ReplicaStep
from gradtwin.backend.replicas.replicas import two_processors
from gradtwin.checking.case import Reference
from gradtwin.checking.check import case_of_functions, run
from gradtwin.checking.settings import CheckSettings
from gradtwin.core.errors import InputError
from gradtwin.core.plain import kind_of, listed
from gradtwin.core.report import Report
from manual_grads import Array, Params


def check_data_parallel(
    manual: Callable[..., tuple[Array, Params]],
    replica_step: Callable[..., Any],
    params: Params,
    *batch: Array,
    shards: Sequence[int] | None = None,
    reduce: str = "sum",
    strategy: Any = None,
    name: str | None = None,
) -> Report:
    """Check your own data-parallel step in TensorFlow against the manual gradient of the whole batch.

    Every replica runs the step on its shard under `tf.distribute`. The replicas' losses and gradients are combined as
    `reduce` says, and must give the loss and the gradient of all examples.

    Args:
        manual: `manual(params, *batch) -> (loss, gradients)` in numpy, for a batch of any size.
        replica_step: `replica_step(params, *shard) -> (loss, gradients)` in TensorFlow: what your code computes in each
            replica. `gradients` has the keys of `params`.
        params: the parameters, a dictionary of float32 or float64 arrays, all of one dtype.
        *batch: the whole batch; arrays with as many rows as the first are cut.
        shards: how many examples each replica gets; unequal numbers by default, because equal ones hide a mean of
            means.
        reduce: how your code combines the replicas: "sum", as a Keras optimizer does with gradients, "mean", or "none"
            if the step all-reduces by itself.
        strategy: the tf.distribute strategy; by default two replicas on the CPU.
        name: what the report calls the pair; by default the name of the step.

    Returns:
        The report; `blame: reference` means the replica step.

    Raises:
        InputError: what `check_gradients` refuses, an unknown `reduce`, or shards that do not fit the batch and the
            replicas.
    """
    if not callable(replica_step):
        raise InputError(f"replica_step: expected a function of (params, *shard), got {kind_of(replica_step)}.")
    if reduce not in REDUCTIONS:
        raise InputError(f"reduce: expected {listed(REDUCTIONS, 'or')}, got {reduce!r}.")
    name = name or str(getattr(replica_step, "__name__", "replica_step"))
    settings = CheckSettings(route="mirrored")
    case = case_of_functions(manual, Reference(replica_step), params, batch, settings, name=name)
    strategy = two_processors() if strategy is None else strategy
    replicas = strategy.num_replicas_in_sync
    cut = cut_of(case.batch, shards, replicas)
    if len(cut.sizes) != replicas:
        raise InputError(f"shards: expected one for each of the {replicas} replicas, got {len(cut.sizes)}.")
    step = ReplicaStep(replica_step, cut, reduce, strategy)
    return run(replace(case, reference=Reference(replica_step, cut=step)))
