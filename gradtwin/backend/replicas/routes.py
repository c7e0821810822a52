"""The data-parallel routes to a gradient, and what a check asks of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gradtwin.backend.replicas.cut import NotByExample, cut_of
from gradtwin.backend.replicas.replica_step import ReplicaStep
from gradtwin.backend.replicas.replicas import differentiate_on, two_processors
from gradtwin.backend.replicas.sharded import Sharded, sharded
from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.routes import PARALLEL_ROUTES
from gradtwin.core.verdicts import Note
from manual_grads import Array, Params


def differentiate_in_parallel(
    forward: Any, params: Mapping[str, Array], batch: Mapping[str, Array], names: Sequence[str], route: str
) -> ReferenceRun:
    """Differentiate a reference on two replicas, as `gradtwin.backend.differentiation.differentiate` does on one.

    Args:
        forward: a `Sharded` reference or a `ReplicaStep`; any other forward's batch is cut as by default.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        names: what to differentiate by.
        route: "mirrored" or "multiworker".
    """
    if isinstance(forward, ReplicaStep):
        return forward.differentiate(params, batch, names)
    reference = forward if isinstance(forward, Sharded) else sharded(forward, params, batch, cut_of(batch))
    if route == "multiworker":
        from gradtwin.backend.replicas.processes import ask  # not before: `gradtwin list` starts no processes

        return ask(reference, params, batch, names)
    return differentiate_on(two_processors(), reference, params, batch, names)


def cut_as_asked(
    forward: Callable[..., Any],
    *,
    name: str,
    params: Params,
    batch: Params,
    route: str,
    shards: Sequence[int] | None,
    declared: str,
) -> Sharded | None:
    """Cut a reference's batch where the route is data-parallel or the manual side's shards are known.

    Args:
        forward: `forward(params, *batch)`.
        name: what the report calls the pair.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        route: how TensorFlow differentiates.
        shards: how many examples each replica gets, or None.
        declared: what the twin says its loss is over the examples: "mean", "sum" or "".

    Returns:
        The reference with its cut; None where the batch stays whole.

    Raises:
        InputError: sizes that do not add up, or a loss that is not put together from those of its examples.
    """
    if shards is None and route not in PARALLEL_ROUTES:
        return None
    try:
        return sharded(forward, params, batch, cut_of(batch, shards), declared)
    except NotByExample as error:
        raise NotByExample(f"{name}: {error}") from error


def told(reference: Any, route: str, batch: Params, names: Iterable[str]) -> list[Note]:
    """Say for a report how the batch was cut, and which manual gradients cannot be compared because of it."""
    if not isinstance(reference, Sharded | ReplicaStep) or route not in PARALLEL_ROUTES:
        return []
    notes = [Note("shards", reference.cut.told([name for name in batch if name not in reference.cut.arrays]))]
    for name in sorted(mixed_of(reference) & {*names}):
        text = f"Not compared: d{name}. {name} mixes examples, so each replica computes a different value."
        notes.append(Note("mixes_examples", text))
    return notes


def mixed_of(reference: Any) -> frozenset[str]:
    """Give the intermediates of a reference that no two replicas have alike; none where no batch was cut."""
    return reference.mixed if isinstance(reference, Sharded) else frozenset()
