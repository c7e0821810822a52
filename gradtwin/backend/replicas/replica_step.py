"""A stranger's own replica step: what runs in each replica of tf.distribute, and how its answers are put together."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradtwin.backend.replicas.cut import Cut
from gradtwin.backend.tensorflow_side import ReferenceRun, load_tensorflow
from gradtwin.core.errors import InputError
from manual_grads import Array

REDUCTIONS = ("sum", "mean", "none")


@dataclass(frozen=True, eq=False)
class ReplicaStep:
    """A function that runs in every replica, and what is done with the replicas' answers.

    Attributes:
        step: `step(params, *shard) -> (loss, gradients)` in TensorFlow.
        cut: the replicas' shards.
        reduce: "sum" or "mean" of the replicas' answers; "none" where the step has all-reduced them itself.
        strategy: the tf.distribute strategy it runs under.
    """

    step: Callable[..., Any]
    cut: Cut
    reduce: str
    strategy: Any

    def differentiate(
        self, params: Mapping[str, Array], batch: Mapping[str, Array], names: Sequence[str]
    ) -> ReferenceRun:
        """Run the step on all replicas and put their answers together."""
        tf = load_tensorflow()
        shards = self.cut.shards(batch)
        given = [
            self.strategy.experimental_distribute_values_from_function(
                lambda context, name=name: tf.convert_to_tensor(shards[context.replica_id_in_sync_group][name])
            )
            for name in batch
        ]
        theirs = {name: tf.convert_to_tensor(array) for name, array in params.items()}
        loss, gradients = self._traced(theirs, given)
        return ReferenceRun(
            loss=self._reduced(loss),
            values={},
            gradients={name: self._reduced(gradients[name]) for name in names if name in gradients}
            | {name: None for name in names if name in params and name not in gradients},
        )

    def _reduced(self, value: Any) -> Array:
        """Put the replicas' answers together, as the user does."""
        tf = load_tensorflow()
        if self.reduce == "none":
            return self.strategy.experimental_local_results(value)[0].numpy()
        how = tf.distribute.ReduceOp.SUM if self.reduce == "sum" else tf.distribute.ReduceOp.MEAN
        return self.strategy.reduce(how, value, axis=None).numpy()

    @functools.cached_property
    def _traced(self) -> Callable[..., Any]:
        tf = load_tensorflow()

        def on_replica(params: Any, batch: Any) -> Any:
            loss, gradients = _loss_and_gradients(self.step(dict(params), *batch))
            named = {name: tf.convert_to_tensor(g) for name, g in gradients.items() if g is not None}
            return tf.convert_to_tensor(loss), named

        return tf.function(lambda params, batch: self.strategy.run(on_replica, args=(params, batch)))


def _loss_and_gradients(answer: Any) -> tuple[Any, Mapping[str, Any]]:
    if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], Mapping):
        raise InputError(
            "The replica step: expected (loss, gradients), the gradients a dictionary with the keys of params, got a "
            f"{type(answer).__name__}."
        )
    return answer
