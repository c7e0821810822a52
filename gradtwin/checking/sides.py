"""The manual side of a check in its two forms: a twin's forward and backward, or one function that does both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.core.plain import kind_of
from gradtwin.referee.evidence import ManualRun
from gradtwin.referee.inspection.hygiene import Inspection, run_inspected
from manual_grads import Array, Cache, Params


@dataclass(frozen=True)
class TwinSide:
    """The manual side of a twin: `forward` gives the loss and a cache, `backward` the gradients from the cache."""

    page: Any

    def run(self, params: Params, *batch: Array) -> ManualRun:
        """Run forward and backward."""
        loss, cache = _pair(self.page.forward(params, *batch), "The manual forward", "(loss, cache)")
        return ManualRun(loss, self.page.backward(params, cache), cache)

    def loss(self, params: Params, *batch: Array) -> Any:
        """Run forward alone."""
        return self.page.forward(params, *batch)[0]

    def backward(self, params: Params, cache: Cache) -> Params:
        """Run backward alone."""
        return self.page.backward(params, cache)

    def inspect(self, params: Params, batch: Params, thorough: bool) -> Inspection:
        """Run both, and watch what they do to their arguments."""
        halves = {"forward": self.page.forward, "backward": self.page.backward}
        return run_inspected(None, params, batch, **halves, thorough=thorough)


@dataclass(frozen=True)
class FunctionSide:
    """A function `manual(params, *batch) -> (loss, gradients)`. It keeps no cache; the batch stands for one."""

    function: Callable[..., Any]

    def run(self, params: Params, *batch: Array) -> ManualRun:
        """Run the function."""
        return ManualRun(*_pair(self.function(params, *batch), "The manual function", "(loss, gradients)"), {})

    def loss(self, params: Params, *batch: Array) -> Any:
        """Run the function for its loss."""
        return self.run(params, *batch).loss

    def backward(self, params: Params, cache: Cache) -> Params:
        """Run the function for its gradients."""
        return self.run(params, *cache.values()).gradients

    def inspect(self, params: Params, batch: Params, thorough: bool) -> Inspection:
        """Run the function, and watch what it does to its arguments."""

        def watched(params: Params, batch: Params) -> tuple[Any, Any, Cache]:
            run = self.run(params, *batch.values())
            return run.loss, run.gradients, run.cache

        return run_inspected(watched, params, batch, thorough=thorough)


ManualSide = TwinSide | FunctionSide


def _pair(answer: Any, who: str, expected: str) -> tuple[Any, Any]:
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise InputError(f"{who}: expected {expected}, got {kind_of(answer)}.")
    return answer
