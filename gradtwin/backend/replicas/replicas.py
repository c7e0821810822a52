"""What every replica computes, and how a strategy of TensorFlow puts it together.

In a replica: L_r, the reference's loss on the replica's shard, times its weight c_r, and the gradients of that. The
loss and the gradients of parameters, and of what else all replicas share, are summed by an all-reduce; the gradients
of what has a row for each example are stacked in the order of the rows by an all-gather.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradtwin.backend.replicas.cut import REPLICAS
from gradtwin.backend.replicas.registry import forget_reductions
from gradtwin.backend.replicas.sharded import Sharded
from gradtwin.backend.tensorflow_side import LOSS_THROUGH, ReferenceRun, by_loss, load_tensorflow, named_values
from gradtwin.core.errors import InputError
from gradtwin.core.precision import is_floating
from manual_grads import Array


@functools.cache
def two_processors() -> Any:
    """Make a MirroredStrategy of two logical devices of the CPU.

    Raises:
        InputError: TensorFlow has started with one of them.
    """
    tf = load_tensorflow()
    seen = tf.config.list_logical_devices("CPU")
    if len(seen) < REPLICAS:
        raise InputError(
            "Route mirrored needs two logical devices of the CPU, but TensorFlow has already started with one: make a "
            "check by Gradtwin before TensorFlow's first operation, which sets two, or set them by "
            "tf.config.set_logical_device_configuration after the import."
        )
    return tf.distribute.MirroredStrategy([device.name for device in seen[:REPLICAS]])


def differentiate_on(
    strategy: Any,
    reference: Sharded,
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    names: Sequence[str],
) -> ReferenceRun:
    """Differentiate a sharded reference on the replicas of a strategy.

    Args:
        strategy: a tf.distribute strategy; in every process of it this function is called with the same arguments.
        reference: the forward and its cut.
        params: the parameters, by name.
        batch: the whole batch, by name.
        names: parameters, batch arrays or intermediates to differentiate by.

    Returns:
        The loss, the values and the gradients of the whole batch. More shards than replicas are computed in several
        steps, whose sums are added; in the last one a replica may be left without a shard, and adds nothing.
    """
    tf = load_tensorflow()
    step = _step(strategy, reference, tuple(names), tuple(batch))
    theirs = {name: tf.convert_to_tensor(array) for name, array in params.items()}
    sums: list[Any] = []
    stacks: list[Any] = []
    for shards, weights in _steps(reference, batch, strategy.num_replicas_in_sync):
        given = [_per_replica(strategy, [shard[name] for shard in shards]) for name in batch]
        summed, stacked = step(theirs, given, _per_replica(strategy, weights))
        sums.append({k: _local(strategy, v) for k, v in summed.items()})
        stacks.append({k: _local(strategy, v) for k, v in stacked.items()})
    totals = {key: functools.reduce(np.add, [one[key] for one in sums]) for key in sums[0]}
    rows = {key: np.concatenate([one[key] for one in stacks]) for key in stacks[0]}
    found = totals | rows
    known = {*params, *batch, *reference.by_row, *reference.same}
    return ReferenceRun(
        loss=totals["loss"],
        values={name[len(_VALUE) :]: value for name, value in found.items() if name.startswith(_VALUE)},
        gradients={name: found.get(_GRADIENT + name) for name in names if name in known},
    )


_VALUE, _GRADIENT = "value of ", "gradient of "


def _steps(reference: Sharded, batch: Mapping[str, Array], replicas: int) -> list[tuple[list[Any], list[Array]]]:
    """Deal the shards and their weights to the replicas, step by step; a replica without one gets no rows."""
    dtype = next((v.dtype for v in batch.values() if is_floating(v.dtype)), np.dtype(np.float64))
    shards, weights = reference.cut.shards(batch), [np.asarray(w, dtype) for w in reference.weights]
    empty = {k: v[:0] if k in reference.cut.arrays else v for k, v in batch.items()}
    idle = -len(shards) % replicas
    shards, weights = shards + [empty] * idle, weights + [np.zeros((), dtype)] * idle
    return [(shards[i : i + replicas], weights[i : i + replicas]) for i in range(0, len(shards), replicas)]


def _per_replica(strategy: Any, values: Sequence[Array]) -> Any:
    tf = load_tensorflow()
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.convert_to_tensor(values[context.replica_id_in_sync_group])
    )


def _local(strategy: Any, value: Any) -> Array:
    """Take one replica's copy of what all of them have."""
    return strategy.experimental_local_results(value)[0].numpy()


@functools.lru_cache(maxsize=32)
def _step(
    strategy: Any, reference: Sharded, names: tuple[str, ...], batch_names: tuple[str, ...]
) -> Callable[..., Any]:
    """Trace one step of all replicas."""
    tf = load_tensorflow()

    def on_replica(params: Any, batch: Any, weight: Any) -> Any:
        context = tf.distribute.get_replica_context()
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([params, batch])
            values = named_values(reference.inner(params, *batch))
            weighted = values | {
                name: value * tf.cast(weight, value.dtype)
                for name, value in values.items()
                if name == "loss" or name.startswith(LOSS_THROUGH)
            }
        given = dict(zip(batch_names, batch, strict=True))
        gradients = by_loss(names, weighted, values | given | params, tape.gradient)
        stacks = {*reference.by_row, *reference.cut.arrays}
        summed = {"loss": weighted["loss"]}
        summed |= {_GRADIENT + k: g for k, g in gradients.items() if k not in stacks | reference.mixed}
        stacked = {_GRADIENT + k: g for k, g in gradients.items() if k in stacks}
        stacked |= {_VALUE + k: v for k, v in values.items() if k in stacks and v.dtype.is_floating}
        if any(given[name].shape[0] == 0 for name in reference.cut.arrays):  # a mean over no rows is NaN
            summed = {key: tf.zeros_like(value) for key, value in summed.items()}
        return context.all_reduce(tf.distribute.ReduceOp.SUM, summed), _gathered(context, stacked)

    traced = tf.function(lambda *arguments: strategy.run(on_replica, args=arguments))

    def step(*arguments: Any) -> Any:
        answer = traced(*arguments)
        forget_reductions()
        return answer

    return step


def _gathered(context: Any, stacked: Mapping[str, Any]) -> dict[str, Any]:
    """Stack the replicas' rows, all tensors of a dtype side by side: an all-gather costs 60 ms to trace."""
    tf = load_tensorflow()
    found: dict[str, Any] = {}
    for dtype in dict.fromkeys(value.dtype for value in stacked.values()):
        mine = {name: value for name, value in stacked.items() if value.dtype == dtype}
        widths = [value.shape[1:].num_elements() for value in mine.values()]
        flat = [tf.reshape(value, [-1, width]) for value, width in zip(mine.values(), widths, strict=True)]
        rows = tf.split(context.all_gather(tf.concat(flat, axis=1), axis=0), widths, axis=1)
        shapes = [[-1, *value.shape[1:]] for value in mine.values()]
        found |= {name: tf.reshape(part, shape) for name, part, shape in zip(mine, rows, shapes, strict=True)}
    return found
