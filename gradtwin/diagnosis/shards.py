"""What is wrong, where a batch was cut: were right shards put together wrongly?"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradtwin.backend.differentiation import differentiate
from gradtwin.backend.replicas.replica_step import ReplicaStep
from gradtwin.backend.replicas.sharded import Sharded, reduction_of
from gradtwin.backend.tensorflow_side import ReferenceRun
from gradtwin.core.verdicts import Blame, CauseId
from gradtwin.diagnosis.combination import Combination, Parts, combinations, diagnose_combination
from gradtwin.diagnosis.disagreement import Diagnosis, Disagreement
from gradtwin.referee.evidence import ManualRun
from manual_grads import Params

SLIPS_OF = {
    "sum": (CauseId.SUMMED_OVER_REPLICAS, CauseId.ONE_REPLICA),
    "mean": (CauseId.MEAN_OF_MEANS, CauseId.AVERAGED_OVER_REPLICAS, CauseId.ONE_REPLICA),
    "none": (CauseId.SUMMED_OVER_REPLICAS, CauseId.MEAN_OF_MEANS, CauseId.AVERAGED_OVER_REPLICAS, CauseId.ONE_REPLICA),
}
"""What can come of each way to put a replica step's answers together."""


def combined_wrongly(asked: Disagreement) -> Diagnosis | None:
    """Find out whether what is wrong is a wrong combination of the shards' right values.

    Under suspicion is the side that may be data-parallel code: a stranger's replica step, or else the manual side. The
    other side is asked for each shard alone: the manual side about a replica step, TensorFlow on one device about the
    manual side.
    """
    if asked.cut is None:
        return None
    sides = (Blame.REFERENCE, Blame.MANUAL) if isinstance(asked.cut, ReplicaStep) else (Blame.MANUAL, Blame.REFERENCE)
    names = asked.wrong(sides[0])
    ours, params = asked.manual, dict(asked.params)
    parts = _parts(asked.cut, asked.run, params, asked.batch, tuple(ours.gradients)) if names else None
    if parts is None:
        return None
    values: dict[str, Params] = {
        Blame.MANUAL: {**ours.gradients, "loss": ours.loss}, Blame.REFERENCE: _with_zeros(ours, asked.reference)
    }  # fmt: skip
    wrong, right = ({name: np.asarray(values[side][name]) for name in names} for side in sides)
    candidates = _candidates(asked.cut, parts, asked.shards_given)
    return diagnose_combination(wrong, right, parts, candidates, asked.context, sides[0])


def _candidates(reference: Sharded | ReplicaStep, parts: Parts, told: bool) -> list[Combination]:
    """Leave those combinations that can have come about; hand code that knows of no shards makes no multiple so."""
    found = combinations(parts.sizes, parts.reduction)
    if isinstance(reference, ReplicaStep):
        return [slip for slip in found if slip.id in SLIPS_OF[reference.reduce]]
    return [slip for slip in found if told or slip.multiple is None]


def _with_zeros(ours: ManualRun, theirs: ReferenceRun) -> Params:
    """Give TensorFlow's gradients and loss, zeros for what its loss does not depend on."""
    zeros = {name: np.zeros_like(gradient) for name, gradient in ours.gradients.items()}
    return zeros | {k: g for k, g in theirs.gradients.items() if g is not None} | {"loss": theirs.loss}


def _parts(
    reference: Any, manual: Callable[..., Any], params: Params, batch: Params, names: Sequence[str]
) -> Parts | None:
    """Ask the side that is not under suspicion for each shard alone; None where it does not add up itself."""
    if isinstance(reference, ReplicaStep):
        whole = manual(params, *batch.values())
        runs = [manual(params, *shard.values()) for shard in reference.cut.shards(batch)]
        reduction = reduction_of(np.asarray(whole.loss), [np.asarray(run.loss) for run in runs], reference.cut)
        by_row: frozenset[str] = frozenset()
    else:
        runs = [differentiate(reference.inner, params, shard, names) for shard in reference.cut.shards(batch)]
        reduction, by_row = reference.reduction, reference.by_row | {*reference.cut.arrays}
    if reduction not in ("mean", "sum"):
        return None
    values = [{k: v for k, v in run.gradients.items() if v is not None} | {"loss": run.loss} for run in runs]
    return Parts(reference.cut.sizes, reduction, tuple(values), by_row)
