"""Mistakes of data-parallel code, as declared variants of a hand-written side that computes shard by shard.

The side runs its page on each shard of the batch and puts the shards' values together. It does that rightly with the
weights n_r/N for a loss that is a mean over the examples, with 1 for a sum:

    weighted                 L = Σ_r c_r L_r,  dW = Σ_r c_r dW_r       the right combination
    summed_over_replicas     Σ_r where the loss is a mean: R times too large with equal shards
    mean_of_means            (1/R) Σ_r where the loss is a mean: right with equal shards, wrong with others
    averaged_over_replicas   c_r/R: averaged although each shard has been weighted, or although the loss is a sum
    one_replica              the first shard's alone

The wrong way is taken for the gradients; the loss is right, as it mostly is in programs that are seen to train.
"""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from gradtwin.backend.replicas.cut import Cut, cut_of
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.twins.twin import Twin
from manual_grads import Array, Cache, Params

MEAN_ONLY = ("summed_over_replicas", "mean_of_means")
REPLICA_FAULTS = (*MEAN_ONLY, "averaged_over_replicas", "one_replica")


def sharded_twin(
    twin: Twin, how: str = "weighted", shards: Sequence[int] | None = None, *, loss_too: bool = False
) -> Twin:
    """Give a twin whose hand-written side computes shard by shard, rightly or with a declared fault.

    Args:
        twin: a twin whose loss is a mean or a sum over the examples of its batch.
        how: "weighted", which is right, or one of `REPLICA_FAULTS`.
        shards: how many examples each shard has; by default unequal numbers.
        loss_too: whether the fault is in the loss as well.

    Raises:
        InputError: an unknown fault, or one that is none where the loss is a sum.
    """
    if how != "weighted" and how not in REPLICA_FAULTS:
        raise InputError(f"Unknown fault {how!r}.{did_you_mean(how, REPLICA_FAULTS)}")
    if how in MEAN_ONLY and twin.reduction != "mean":
        raise InputError(f"{how} is a fault of a loss that is a mean; the loss of twin {twin.name!r} is a sum.")

    def forward(params: Params, *batch: Array) -> tuple[Array, Cache]:
        named = dict(zip(twin.batch_names(batch), batch, strict=True))
        cut = cut_of(named, shards)
        runs = [twin.manual.forward(params, *shard.values()) for shard in cut.shards(named)]
        weights = _weights(how if loss_too else "weighted", cut, twin.reduction)
        loss = _added([loss for loss, _ in runs], weights)
        kept = _stacked([cache for _, cache in runs], cut)
        return loss, {**kept, "shards": [cache for _, cache in runs], "cut": cut}

    def backward(params: Params, cache: Cache) -> Params:
        cut = cache["cut"]
        parts = [twin.manual.backward(params, part) for part in cache["shards"]]
        weights = _weights(how, cut, twin.reduction)
        put_together = {True: _rows, False: _added}
        return {
            name: put_together[name not in params and name in cache]([part[name] for part in parts], weights)
            for name in parts[0]
        }

    side = SimpleNamespace(
        init_params=getattr(twin.manual, "init_params", None),
        forward=forward,
        backward=backward,
        batch_names=twin.batch_names(twin.point()[1]),
    )
    return replace(twin, manual=side)


def _weights(how: str, cut: Cut, reduction: str) -> list[float]:
    """Give what each shard's value is multiplied by."""
    count = len(cut.sizes)
    right = list(cut.shares) if reduction == "mean" else [1.0] * count
    return {
        "weighted": right,
        "summed_over_replicas": [1.0] * count,
        "mean_of_means": [1 / count] * count,
        "averaged_over_replicas": [weight / count for weight in right],
        "one_replica": [1.0, *[0.0] * (count - 1)],
    }[how]


def _added(values: Sequence[Array], weights: Sequence[float]) -> Array:
    total = np.asarray(values[0]) * weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total = total + value * weight
    return total


def _rows(values: Sequence[Array], weights: Sequence[float]) -> Array:
    return np.concatenate([value * weight for value, weight in zip(values, weights, strict=True)])


def _stacked(caches: Sequence[Cache], cut: Cut) -> Cache:
    """Stack what has a row for each example; the rest is what a shard has of its own, or the same for all."""
    names = [name for name, value in caches[0].items() if isinstance(value, np.ndarray) and value.ndim]
    with_rows = [n for n in names if [len(cache[n]) for cache in caches] == list(cut.sizes)]
    return {name: np.concatenate([cache[name] for cache in caches]) for name in with_rows}
