"""The batches and dropout masks of a training, drawn once and handed to both sides."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gradtwin.training.plan import Plan
from gradtwin.twins.twin import Batch, Generator
from manual_grads import Array

# A chunk's parameters and batches are held for every one of its steps, on both sides.
BYTES_PER_CHUNK = 4_000_000
# Progress is shown and Ctrl-C heard between chunks.
STEPS_PER_CHUNK = 500


@dataclass(frozen=True, eq=False)
class Chunk:
    """Several steps in a row whose batches are of one size.

    Attributes:
        first: the number of updates before the first of these steps.
        count: how many steps.
        fixed: the batch's first arrays, where they are the same in every step.
        varying: the other arrays, with one entry for each step along a leading axis.
    """

    first: int
    count: int
    fixed: Batch
    varying: Batch

    def batch(self, k: int) -> Batch:
        """Give the batch of the k-th of these steps."""
        return (*self.fixed, *(array[k] for array in self.varying))


def longest_chunk(plan: Plan) -> int:
    """Say how many steps are taken at once: few enough to hold, and none across a logged step."""
    size = plan.settings.batch_size or _count(plan)
    entries = sum(p.size for p in plan.start.values()) + size * sum(plan.mask_widths)
    if plan.settings.batch_size:
        entries += size * sum(array[0].size for array in plan.rows)
    at_once = most_steps_at_once(entries * np.dtype(plan.settings.dtype).itemsize)
    return min(at_once, plan.settings.log_every, plan.settings.steps)


def most_steps_at_once(held: int) -> int:
    """Say how many steps are taken in one call where so many bytes are held for each of them."""
    return max(1, min(BYTES_PER_CHUNK // held, STEPS_PER_CHUNK))


def chunks(plan: Plan, rng: Generator) -> Iterator[Chunk]:
    """Cut the training into chunks; one permutation of the rows an epoch, one set of masks a step.

    A chunk ends where a step is to be logged, where the epoch ends, and before a last short batch.
    """
    longest, per_epoch = longest_chunk(plan), plan.steps_per_epoch
    order_rng, mask_rng = rng.spawn(2)
    order = np.empty(0, int)
    step = 0
    while step < plan.settings.steps:
        count = min(longest, plan.settings.steps - step, plan.settings.log_every - step % plan.settings.log_every)
        fixed: Batch = plan.rows
        varying: Batch = ()
        size = _count(plan)
        if plan.settings.batch_size is not None:
            at = step % per_epoch
            if at == 0:
                order = order_rng.permutation(_count(plan))
            indices = _indices(order, at, count, plan.settings.batch_size)
            count, size = indices.shape
            fixed, varying = (), tuple(array[indices] for array in plan.rows)
        masks = _masks(plan, mask_rng, count, size)
        yield Chunk(step, count, fixed, (*varying, *masks))
        step += count


def _count(plan: Plan) -> int:
    return len(plan.rows[0]) if plan.rows[0].ndim else 1


def _indices(order: Array, at: int, count: int, size: int) -> Array:
    """Take up to `count` batches of `size` rows, or the last short one alone: [count, size]."""
    whole = len(order) // size
    if at >= whole:
        return order[None, at * size :]
    count = min(count, whole - at)
    return order[at * size : (at + count) * size].reshape(count, size)


def _masks(plan: Plan, rng: Generator, count: int, size: int) -> Batch:
    """Draw inverted-dropout masks [count, size, width] with entries 0 or 1/keep, step by step."""
    if plan.settings.keep is None:
        return ()
    masks = tuple(np.empty((count, size, width), plan.settings.dtype) for width in plan.mask_widths)
    for k in range(count):
        for mask in masks:
            kept = rng.random(mask.shape[1:], dtype=np.float32) < plan.settings.keep
            np.divide(kept, plan.settings.keep, out=mask[k], casting="same_kind")
    return masks
