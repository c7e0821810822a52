"""The two data-parallel routes to a reference's gradient, and how a check is told of the cut."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradtwin.data_parallel.cut import cut_of
from gradtwin.data_parallel.replicas import differentiate_on, two_processors
from gradtwin.data_parallel.sharded import Sharded, sharded
from gradtwin.tensorflow_side import ReferenceRun
from manual_grads import Array


def differentiate_in_parallel(
    forward: Callable[..., Any],
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    names: Sequence[str],
    route: str,
) -> ReferenceRun:
    """Differentiate a reference on two replicas, as `gradtwin.tensorflow_side.differentiate` does on one.

    Args:
        forward: a `Sharded` reference, or a forward whose batch is then cut as by default.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        names: what to differentiate by.
        route: "mirrored" or "multiworker".
    """
    reference = forward if isinstance(forward, Sharded) else sharded(forward, params, batch, cut_of(batch))
    return differentiate_on(two_processors(), reference, params, batch, names)
