"""A witness for an intermediate: the hand-written forward once more, with that tensor moved as soon as it is made.

A parameter can be moved by the caller; an intermediate is made inside. Its operation is found by running the forward
on arrays that number their operations, and in a second run an offset is added to what that operation gives, so that
all that follows sees the moved value. The derivative of the loss with respect to the offset, at zero, is the
intermediate's gradient, and no line of the backward pass has a part in it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradtwin.core.precision import cast
from gradtwin.referee import witnesses
from gradtwin.tracing.recording import Recorded, Recorder, plain
from manual_grads import Array, Params

Forward = Callable[..., tuple[Any, Mapping[str, Any]]]


def witness_inside(
    forward: Forward, params: Params, batch: Mapping[str, Array], name: str, index: tuple[int, ...]
) -> witnesses.Testimony | None:
    """Ask a witness for one entry of an intermediate's gradient.

    Args:
        forward: the hand-written `forward(params, *batch) -> (loss, cache)`.
        params: the parameters.
        batch: the batch's arrays by name, in the order of the call.
        name: the intermediate's key in the cache.
        index: the entry.

    Returns:
        The testimony; None where the tensor's making cannot be followed, or where nothing that comes after it
        reads it (a loss computed from the logit passes the probability by).
    """
    try:
        shape, step = _maker(forward, params, batch, name)
        offset = {name: np.zeros(shape, np.longdouble)}
        direction = np.zeros(shape)
        direction[index] = 1.0
        loss = _moved_loss(forward, params, batch, name, step)
        testimony = witnesses.testify(loss, offset, name, direction)
    except Exception:
        # Whatever the stranger's code throws at an array it has not met: there is one witness less.
        return None
    return None if testimony is None or testimony.value == 0.0 else testimony


def _maker(forward: Forward, params: Params, batch: Mapping[str, Array], name: str) -> tuple[tuple[int, ...], int]:
    """Find the operation that makes a tensor of the cache, and the tensor's shape."""
    made = _run(Recorder(), forward, params, batch)[1][name]
    if not isinstance(made, Recorded) or made.step < 0:
        raise ValueError(f"{name} is an input, or nobody saw it made")
    return made.shape, made.step


def _run(recorder: Recorder, forward: Forward, params: Any, batch: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    memo: dict[int, Any] = {}
    arrays = recorder.wrap([np.asarray(array) for array in batch.values()], memo)
    with np.errstate(all="ignore"):
        return forward(recorder.wrap(dict(params), memo), *arrays)


def _moved_loss(
    forward: Forward, params: Params, batch: Mapping[str, Array], name: str, step: int
) -> Callable[[Mapping[str, Array]], Any]:
    """Make the loss a function of the tensor's offset; everything is computed in the offset's precision."""

    def loss(offset: Mapping[str, Array]) -> Any:
        def move(at: int, results: list[Array]) -> list[Array]:
            return [result + offset[name] for result in results] if at == step else results

        kind = offset[name].dtype
        arrays = cast(params, kind), cast(batch, kind)
        return plain(np.asanyarray(_run(Recorder(after=move), forward, *arrays)[0]))

    return loss
