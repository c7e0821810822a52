"""The hand-written half of a training."""

from typing import Any

import numpy as np

from gradtwin.batches import Chunk
from gradtwin.twin import Batch
from manual_grads import Array, Params, optimizers


class ManualTrainer:
    """Train the manual side, step by step.

    Args:
        side: `forward(params, *batch)` and `backward(params, cache)`.
        start: the parameters to begin with; they are not modified.
        optimizer: "gd" or "adam".
        learning_rate: a float.
    """

    def __init__(self, side: Any, start: Params, optimizer: str, learning_rate: float) -> None:
        self.side = side
        self.params = start
        self._learning_rate = learning_rate
        self._adam_state = optimizers.adam_state(start) if optimizer == "adam" else None

    def advance(self, chunk: Chunk) -> tuple[Array, list[Params]]:
        """Take the chunk's steps; give each step's loss, before its update, and the parameters after it."""
        losses, states = np.empty(chunk.count), []
        for k in range(chunk.count):
            losses[k], cache = self.side.forward(self.params, *chunk.batch(k))
            self._update(self.side.backward(self.params, cache))
            states.append(self.params)
        return losses, states

    def evaluate(self, rows: Batch) -> Params:
        """Give every named value of a forward pass, without dropout and without a step."""
        loss, cache = self.side.forward(self.params, *rows)
        return {**cache, "loss": loss}

    def gradients(self, batch: Batch) -> Params:
        """Give the gradients on a batch, without a step."""
        return dict(self.side.backward(self.params, self.side.forward(self.params, *batch)[1]))

    def _update(self, gradients: Params) -> None:
        if self._adam_state is None:
            self.params = optimizers.gradient_descent(self.params, gradients, self._learning_rate)
        else:
            self.params, self._adam_state = optimizers.adam(
                self.params, gradients, self._adam_state, self._learning_rate
            )
