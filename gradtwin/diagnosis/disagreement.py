"""What is known where two sides disagree, and what a diagnosis says of it."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradtwin.backend.replicas.cut import rows_of
from gradtwin.backend.replicas.replica_step import ReplicaStep
from gradtwin.backend.replicas.sharded import Sharded
from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.precision import eps
from gradtwin.core.verdicts import Blame, Verdict
from gradtwin.diagnosis.fit import Cause, Context
from gradtwin.referee.evidence import ManualRun
from gradtwin.referee.judge import Ruling
from manual_grads import Array, Cache, Params


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Two sides at one point, and the judgement of each tensor.

    Attributes:
        params, batch: the point, by name, in `dtype`.
        dtype: the dtype of the check.
        manual: what the manual side gave there.
        reference: what the reference gave.
        rulings: the judgement of each tensor.
        run: `run(params, *batch) -> ManualRun`, to ask the manual side again.
        backward: `backward(params, cache) -> gradients`.
        cut: the reference cut into shards, or a replica step; None where the batch is whole.
        shards_given: whether the user said that the manual side computes by these shards.
        stale: whether the manual side was seen to answer from an earlier forward pass; None where nobody looked.
    """

    params: Params
    batch: Params
    dtype: str
    manual: ManualRun
    reference: ReferenceRun
    rulings: Sequence[Ruling]
    run: Callable[..., ManualRun]
    backward: Callable[[Params, Cache], Mapping[str, Any]]
    cut: Sharded | ReplicaStep | None = None
    shards_given: bool = False
    stale: bool | None = None

    def wrong(self, side: Blame) -> list[str]:
        """Name the tensors that are wrong and may be the fault of a side."""
        other = {Blame.MANUAL: Blame.REFERENCE, Blame.REFERENCE: Blame.MANUAL}[side]
        return [r.row.name for r in self.rulings if r.row.verdict == Verdict.DISAGREE and r.blame != other]

    @property
    def right(self) -> dict[str, Array]:
        """The reference's gradients, as far as it has them."""
        return {name: gradient for name, gradient in self.reference.gradients.items() if gradient is not None}

    @functools.cached_property
    def context(self) -> Context:
        """What is known around a wrong manual gradient."""
        cached = {k: np.asarray(v) for k, v in self.manual.cache.items() if isinstance(v, np.ndarray | np.generic)}
        return Context(
            params=self.params,
            values=dict(self.reference.values) | self.batch | cached,
            gradients=self.right,
            batch_size=rows_of(self.batch.values()),
            manual=self.manual.gradients,
            stale=self.stale,
            precision=eps(self.dtype),
        )


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and why.

    Attributes:
        first_wrong: the first wrong tensor from the loss backwards, None when none is.
        wrong_tensors: all tensors whose own step is wrong.
        cause: the likely cause, None when no rule explains it.
        text: where, in a few words.
        blame: whose it is, where the cause shows that and the losses alone do not.
    """

    first_wrong: str | None
    wrong_tensors: tuple[str, ...]
    cause: Cause | None
    text: str
    blame: Blame | None = None
