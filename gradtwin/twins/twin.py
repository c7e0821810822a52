"""Twin: one network written twice, with its start, its data and its source."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from gradtwin.core.blocks import any_nonzero
from gradtwin.core.errors import InputError
from gradtwin.core.notebook import ShownInNotebooks
from gradtwin.core.user_code import told_as_theirs
from manual_grads import Array, Cache, Params

Generator = np.random.Generator
Batch = tuple[Array, ...]


class ManualSide(Protocol):
    """What the hand-derived side offers: a module, a class or any object with these three functions."""

    def init_params(self, rng: Generator) -> Params: ...
    def forward(self, params: Params, *batch: Array) -> tuple[Array, Cache]: ...
    def backward(self, params: Params, cache: Cache) -> Params: ...


@dataclass(frozen=True)
class TrainingDefaults:
    """How a twin is trained when nothing else is asked for.

    `batch_size` None is the full batch; `keep` is the probability that dropout keeps a unit.
    """

    learning_rate: float = 0.1
    steps: int = 1000
    batch_size: int | None = None
    optimizer: str = "gd"
    keep: float | None = None


@dataclass(frozen=True)
class Twin(ShownInNotebooks):
    """A pair of sides that claim to compute one loss and its gradients.

    Args:
        name: what the command line calls it.
        manual: the hand-derived side: `init_params(rng)`, `forward(params, *batch) -> (loss, cache)`,
            `backward(params, cache) -> gradients`; all dictionaries of numpy arrays. `gradients` holds
            dL/d<name> under the key `<name>`, for every parameter, and for as many inputs and named
            intermediates of `cache` as it passes through.
        reference: TensorFlow's side: `forward(params, *batch) -> {"loss": ..., <intermediates>}`; the
            function, an object that has it, or `"package.module[:function]"`, imported when needed.
        batch: the operating point's data: a tuple of arrays, or a function of a Generator that draws one.
        init: draws the parameters of an operating point; by default the manual side's `init_params`.
        source_start: the start a source document prints, where there is one.
        loss: the loss, as a formula.
        reduction: "sum", "mean" or "none".
        data: the data set it is trained on, or "random" or "fixed".
        source: where the network comes from.
        task: "binary", "multiclass", "regression" or "none"; says what accuracy means.
        output: the prediction's name in the cache.
        kinks: "any" accepts every subgradient at a kink, "reference" only the one TensorFlow takes.
        training: the defaults of `gradtwin.train`.
        widths: the default layer widths of a network of any width, else None; `resize` gives the twin
            of other widths.
    """

    name: str
    manual: Any
    reference: Any
    batch: Batch | Callable[[Generator], Batch]
    init: Callable[[Generator], Params] | None = None
    source_start: Callable[[], Params] | None = None
    loss: str = ""
    reduction: str = ""
    data: str = "random"
    source: str = ""
    task: str = "none"
    output: str = ""
    kinks: str = "any"
    training: TrainingDefaults = field(default_factory=TrainingDefaults)
    widths: tuple[int, ...] | None = None
    resize: Callable[[tuple[int, ...]], "Twin"] | None = None

    def __post_init__(self) -> None:
        for function in ("forward", "backward"):
            if not callable(getattr(self.manual, function, None)):
                raise InputError(
                    f"The manual side of twin {self.name!r} has no function {function!r}: expected "
                    "forward(params, *batch) -> (loss, cache) and backward(params, cache) -> gradients."
                )

    def start(self, seed: int | None = None) -> Params:
        """Give the parameters training starts from: the source's own (seed None), or drawn from a seed."""
        if seed is None and self.source_start is not None:
            return self.source_start()
        return self._draw_params(np.random.default_rng(seed or 0))

    def point(self, seed: int = 0) -> tuple[Params, Batch]:
        """Give the operating point of a check: parameters and a batch at which faults show.

        Parameters that start at zero are drawn from N(0, 1) here: a bias of zero hides every fault that
        multiplies it.
        """
        rng = np.random.default_rng(seed)
        drawn: Any = self._draw_params(rng)
        if not isinstance(drawn, Mapping):
            kind = type(drawn).__name__
            raise InputError(f"Twin {self.name!r}: expected init to draw a dictionary of arrays, got a {kind}.")
        params = {name: p if any_nonzero(p) else rng.standard_normal(p.shape) for name, p in drawn.items()}
        batch = self.batch(rng) if callable(self.batch) else self.batch
        if not isinstance(batch, tuple | list):
            raise InputError(f"Twin {self.name!r}: expected batch as a tuple of arrays, got a {type(batch).__name__}.")
        return params, tuple(batch)

    def _draw_params(self, rng: Generator) -> Params:
        init = self.init or getattr(self.manual, "init_params", None)
        if init is None:
            raise InputError(
                f"Twin {self.name!r} cannot draw parameters: give it init=... or its manual side init_params(rng)."
            )
        with told_as_theirs(f"Twin {self.name!r}, drawing its parameters,"):
            return init(rng)

    def batch_names(self, batch: Batch) -> list[str]:
        """Name the batch's arrays after the manual forward's arguments; `*masks` count mask1, mask2, …."""
        declared = getattr(self.manual, "batch_names", None)
        return list(declared) if declared else argument_names(self.manual.forward, len(batch))


def argument_names(forward: Callable[..., Any], count: int) -> list[str]:
    """Name `count` batch arrays after the positional arguments that follow `params`.

    Args:
        forward: `forward(params, *batch)`.
        count: how many arrays the batch has.

    Returns:
        The names; those that fall to `*masks` are counted: mask1, mask2, …

    Raises:
        InputError: the function takes fewer or more arrays.
    """
    parameters = list(inspect.signature(forward).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name.rstrip("s") for p in parameters if p.kind is p.VAR_POSITIONAL), None)
    if rest is not None:
        names += [f"{rest}{i}" for i in range(1, count - len(names) + 1)]
    required = [p.name for p in parameters if p.name in names and p.default is p.empty]
    if not len(required) <= count <= len(names):
        raise InputError(
            f"The manual forward takes params and {', '.join(names) or 'nothing'}, but the batch has "
            f"{count} arrays: give one array for each argument."
        )
    return names[:count]


def node_side(node: Any, init: Callable[[Generator], Params]) -> Any:
    """Make a manual side of a node: its loss is Σ g ∘ y, the value contracted with a random cotangent g.

    Args:
        node: a class of `manual_grads.nodes` with `forward(*arguments)` and `backward(g, cache)`.
        init: draws those of the node's arguments that are differentiated.

    Returns:
        The side; its batch is the node's other arguments in the order of its signature (targets, a mask), then g of the
        shape of y. An argument with a default keeps it.
    """
    parameters = inspect.signature(node.forward).parameters.values()
    drawn = init(np.random.default_rng(0))
    others = [p.name for p in parameters if p.name not in drawn and p.default is p.empty]

    def forward(params: Params, *batch: Array) -> tuple[Array, Cache]:
        *given, g = batch
        y, cache = node.forward(**params, **dict(zip(others, given, strict=True)))
        return (g * y).sum(), {"y": y, "g": g, "node": cache}

    def backward(params: Params, cache: Cache) -> Params:
        return {"y": cache["g"].copy(), **node.backward(cache["g"], cache["node"])}

    return SimpleNamespace(init_params=init, forward=forward, backward=backward, batch_names=[*others, "g"], node=node)
