"""A reference cut into shards: is its loss a mean or a sum over the examples, and what has a row for each of them?

The replicas' losses are put together as their weighted sum, L = Σ_r c_r L_r. For a mean over the examples the
weight is the shard's share, c_r = n_r/N; for a sum it is 1. Which of the two holds is found from the losses.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.backend.replicas.cut import Cut, NotByExample, listed
from gradtwin.backend.tensorflow_side import LOSS_THROUGH, evaluate
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulp
from gradtwin.core.user_code import described
from manual_grads import Array, Params

_WRAPPER = r"\{\{function_node .*?\}\} | \[Op:.*"  # what TensorFlow puts around an operation's own message


@dataclass(frozen=True)
class Sharded:
    """A reference's forward with the cut of its batch; called, it is the forward itself.

    Attributes:
        inner: `forward(params, *batch)`.
        cut: how the batch is cut.
        reduction: "mean" or "sum": what the loss is over the examples.
        by_row: the intermediates with a row for each example; shards of them are stacked.
        same: the intermediates that all replicas have alike, made of parameters alone.
        mixed: the intermediates that mix examples, so that each replica has another one; they cannot be compared.
    """

    inner: Callable[..., Any]
    cut: Cut
    reduction: str
    by_row: frozenset[str]
    same: frozenset[str]
    mixed: frozenset[str]

    def __call__(self, params: Any, *batch: Any) -> Any:
        """Run the forward on a whole batch."""
        return self.inner(params, *batch)

    @property
    def weights(self) -> tuple[float, ...]:
        """What each shard's loss counts in the whole batch's."""
        return self.cut.shares if self.reduction == "mean" else (1.0,) * len(self.cut.sizes)


def sharded(
    forward: Callable[..., Any],
    params: Mapping[str, Array],
    batch: Mapping[str, Array],
    cut: Cut,
    declared: str = "",
) -> Sharded:
    """Find out how the reference's loss is put together from its shards.

    Args:
        forward: `forward(params, *batch)`.
        params: the parameters, by name.
        batch: the batch's arrays, by name, in the order of the call.
        cut: how the batch is cut.
        declared: the reduction the twin declares; counts where the losses cannot tell.

    Raises:
        NotByExample: the loss is neither the sum nor the weighted mean of the shards' losses, or the reference does
            not take a part of its batch.
    """
    whole = evaluate(forward, params, batch)
    parts = [_evaluated(forward, params, shard, cut) for shard in cut.shards(batch)]
    reduction = reduction_of(whole["loss"], [part["loss"] for part in parts], cut)
    if reduction == "either":
        half = {name: value * value.dtype.type(0.5) for name, value in params.items()}
        shards = [_evaluated(forward, half, shard, cut)["loss"] for shard in cut.shards(batch)]
        reduction = reduction_of(evaluate(forward, half, batch)["loss"], shards, cut)
    if reduction == "neither":
        raise NotByExample(_refusal(whole["loss"], [part["loss"] for part in parts], cut))
    if reduction == "either":
        reduction = "sum" if declared == "sum" else "mean"
    named = [name for name in whole if name != "loss" and not name.startswith(LOSS_THROUGH)]
    kinds = {name: _kind(whole[name], [part[name] for part in parts], cut) for name in named}
    by_row, same, mixed = (frozenset(k for k in kinds if kinds[k] == kind) for kind in ("by_row", "same", "mixed"))
    return Sharded(forward, cut, reduction, by_row, same, mixed)


def _evaluated(forward: Callable[..., Any], params: Mapping[str, Array], shard: Params, cut: Cut) -> Params:
    try:
        return evaluate(forward, params, shard)
    except Exception as error:
        raise NotByExample(
            f"The reference does not take a shard of {listed(cut.arrays)} with fewer than its {cut.rows} examples; are "
            f"some of them in params? {re.sub(_WRAPPER, '', described(error))}"
        ) from error


def reduction_of(whole: Array, parts: Sequence[Array], cut: Cut) -> str:
    """Say which combination of the shards' losses is the whole batch's: "mean", "sum", "either" or "neither"."""
    losses = np.array(parts, dtype=np.float64)
    if not np.isfinite([whole, *losses]).all() or losses.shape != (len(cut.sizes),):
        return "either"
    slack = AGREE_ULPS * ulp(scale_of(whole, np.abs(losses).sum()), str(whole.dtype))
    totals = {"mean": float(np.dot(cut.shares, losses)), "sum": float(losses.sum())}
    fits = [name for name, total in totals.items() if abs(total - float(whole)) <= slack]
    return fits[0] if len(fits) == 1 else "either" if fits else "neither"


def _refusal(whole: Array, parts: list[Array], cut: Cut) -> str:
    return (
        f"The reference's loss does not decompose over examples: it is {float(whole):.6g} on the whole batch and "
        f"{listed([f'{float(part):.6g}' for part in parts])} on shards of {listed(cut.sizes)} rows of "
        f"{listed(cut.arrays)}, and neither their sum nor their mean by rows is that; a batch norm, weights that are "
        "normalised, or rows that are not examples? The routes tape, gradients and xla take it."
    )


def _kind(whole: Array, parts: list[Array], cut: Cut) -> str:
    """Say whether an intermediate has a row for each example, is the same on all replicas, or mixes examples."""
    shapes = [part.shape for part in parts]
    if whole.ndim and len(whole) == cut.rows and shapes == [(size, *whole.shape[1:]) for size in cut.sizes]:
        return "by_row"
    same = all(part.shape == whole.shape and np.allclose(part, whole, rtol=1e-6, equal_nan=True) for part in parts)
    return "same" if same else "mixed"
