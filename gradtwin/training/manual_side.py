"""The manual side of a training."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradtwin.core.blocks import ENTRIES
from gradtwin.core.tolerance import REPEAT_ULPS
from gradtwin.referee.inspection.array_trees import gap_ulps
from gradtwin.tracing import Program, trace
from gradtwin.training.batches import Chunk
from gradtwin.twins.twin import Batch
from manual_grads import Array, Cache, Params, optimizers

STEPS_BETWEEN_PROOFS = 100

Pass = Callable[[int], Any]


class ManualTrainer:
    """Train the manual side, step by step.

    All parameters lie side by side in one vector, and their gradients in another. The side's passes are traced where
    they can be (`gradtwin.tracing`), else run as they are written. A trace is held against the code itself in its
    first step, in the last of several steps, and every 100 steps; where the code then answers anything else, the trace
    is given up and the steps are taken again.

    Args:
        side: `forward(params, *batch)` and `backward(params, cache)`.
        start: the parameters to begin with; they are not modified.
        optimizer: "gd" or "adam".
        learning_rate: a float.

    Attributes:
        traced: whether the steps are taken by a trace.
    """

    def __init__(self, side: Any, start: Params, optimizer: str, learning_rate: float) -> None:
        self.side = side
        self._flat = np.concatenate([np.ravel(p) for p in start.values()])
        self._gradient = np.empty_like(self._flat)
        self._places, self._gradients = _split(self._flat, start), _split(self._gradient, start)
        self._update = _Update(optimizer, learning_rate, self._flat, self._gradient)
        # With the fixed arrays a program is known by: another array must not come to lie where one of them was.
        self._programs: dict[Any, tuple[Program, Batch, Batch]] = {}
        self._unproved = STEPS_BETWEEN_PROOFS
        self.traced = True

    @property
    def params(self) -> Params:
        """The parameters as they are now; what comes later does not change them."""
        return _split(self._flat.copy(), self._places)

    def advance(self, chunk: Chunk) -> tuple[Array, Params]:
        """Take the chunk's steps.

        Returns:
            Each step's loss [count], before its update, and each parameter after every update, [count, *shape].
            Read what you need of the parameters before the next call, which may write over them.
        """
        alone, last = chunk.count == 1, chunk.count - 1
        before = self._flat if alone else self._flat.copy(), self._update.state
        losses = np.empty(chunk.count)
        states = self._flat[None] if alone else np.empty((chunk.count, self._flat.size), self._flat.dtype)
        run = self._passes(chunk)
        for k in range(chunk.count):
            losses[k] = run(k)
            if k == last and self.traced and not self._proved(chunk.batch(k), losses[k], at_once=not alone):
                self.traced = False
                np.copyto(self._flat, before[0])
                self._update.state = before[1]
                return self.advance(chunk)
            self._update()
            if not alone:
                states[k] = self._flat
        return losses, _split(states, self._places)

    def evaluate(self, rows: Batch) -> Params:
        """Give every named value of a forward pass, without dropout and without a step."""
        loss, cache = self.side.forward(self.params, *rows)
        return {**cache, "loss": loss}

    def gradients(self, batch: Batch) -> Params:
        """Give the gradients on a batch, without a step."""
        return dict(self._loss_and_gradients(self.params, *batch)[1])

    def _loss_and_gradients(self, params: Params, *batch: Array) -> tuple[Any, Params]:
        loss, cache = self.side.forward(params, *batch)
        return loss, self.side.backward(params, cache)

    # ---- a forward and a backward pass, into the vector of gradients ------------------------------------

    def _passes(self, chunk: Chunk) -> Pass:
        """Give what runs the passes of the chunk's k-th step and gives its loss."""
        if self.traced:
            try:
                return self._traced_passes(chunk)
            except Exception:  # not for a trace; and what is wrong says so when it is run as it is written
                self.traced = False
        return lambda k: self._plain_pass(chunk.batch(k))

    def _plain_pass(self, batch: Batch) -> Any:
        loss, gradients = self._loss_and_gradients(self.params, *batch)
        for name, place in self._gradients.items():
            np.copyto(place, gradients[name], casting="same_kind")
        return loss

    def _traced_passes(self, chunk: Chunk) -> Pass:
        key = (*(id(array) for array in chunk.fixed), *((a.shape[1:], a.dtype) for a in chunk.varying))
        if key not in self._programs:
            places = tuple(np.array(array[0]) for array in chunk.varying)
            program = trace(self._loss_and_gradients, self._places, chunk.fixed, places, self._gradients)
            self._programs[key] = program, places, chunk.fixed
            self._unproved = STEPS_BETWEEN_PROOFS
        program, places, _ = self._programs[key]

        def run(k: int) -> Any:
            for place, array in zip(places, chunk.varying, strict=True):
                np.copyto(place, array[k])
            return program.run()

        return run if places else lambda k: program.run()

    def _proved(self, batch: Batch, loss: Any, at_once: bool) -> bool:
        """Whether the code itself gives this loss and these gradients, where it is time to ask."""
        self._unproved += 1
        if not at_once and self._unproved < STEPS_BETWEEN_PROOFS:
            return True
        self._unproved = 0
        theirs, gradients = self._loss_and_gradients(self.params, *batch)
        pairs = [(theirs, loss), *((gradients[name], place) for name, place in self._gradients.items())]
        return all(np.shape(one) == np.shape(two) and gap_ulps(one, two) <= REPEAT_ULPS for one, two in pairs)


class _Update:
    """Apply an update rule to a vector of parameters; it is the same for every entry, so pieces will do.

    Attributes:
        state: what the rule remembers of each piece.
    """

    def __init__(self, optimizer: str, learning_rate: float, flat: Array, gradient: Array) -> None:
        self._learning_rate = learning_rate
        cuts = range(ENTRIES, flat.size, ENTRIES)
        self._pieces = list(zip(np.split(flat, cuts), np.split(gradient, cuts), strict=True))
        self.state: list[Cache] = []
        self._apply: Callable[[], Any] = self._descend
        if optimizer == "adam":
            self.state, self._apply = [optimizers.adam_state({"p": p}) for p, _ in self._pieces], self._adam
        elif len(self._pieces) == 1:
            self._apply = trace(self._descended, {"p": flat}, (), (gradient,), {"p": flat}).run

    def __call__(self) -> None:
        self._apply()

    def _descended(self, params: Params, gradient: Array) -> tuple[Array, Params]:
        return gradient, optimizers.gradient_descent(params, {"p": gradient}, self._learning_rate)

    def _descend(self) -> None:
        for p, g in self._pieces:
            p[...] = self._descended({"p": p}, g)[1]["p"]

    def _adam(self) -> None:
        state = []
        for (p, g), old in zip(self._pieces, self.state, strict=True):
            new, now = optimizers.adam({"p": p}, {"p": g}, old, self._learning_rate)
            p[...] = new["p"]
            state.append(now)
        self.state = state


def _split(flat: Array, shapes: Mapping[str, Array]) -> Params:
    """Cut vectors [..., entries] into views [..., *shape] of each parameter."""
    views, end = {}, 0
    for name, p in shapes.items():
        begin, end = end, end + np.size(p)
        views[name] = flat[..., begin:end].reshape((*flat.shape[:-1], *np.shape(p)))
    return views
