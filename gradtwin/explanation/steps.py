"""What is said of each step of the chain rule."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One entry of a tensor: what each side and the witness say of it; None where one says nothing."""

    index: tuple[int, ...]
    manual: float
    tensorflow: float | None = None
    witness: float | None = None
    local: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give plain numbers and lists."""
        return {"index": list(self.index)} | {
            name: getattr(self, name) for name in ("manual", "tensorflow", "witness", "local")
        }


@dataclass(frozen=True)
class Local:
    """The local gradient of a step: what its upstream gradient is multiplied with.

    Attributes:
        of, by: the step's output and the tensor it is differentiated by: ∂z2/∂W2.
        formula: as the page has it: `a1ᵀ`; "1" for a sum.
        manual, tensorflow: its value where it is one number; None elsewhere.
    """

    of: str
    by: str
    formula: str
    manual: float | None = None
    tensorflow: float | None = None

    @property
    def label(self) -> str:
        """Write it as a partial derivative."""
        return f"∂{self.of}/∂{self.by}"

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {
            "label": self.label, "formula": self.formula, "manual": self.manual, "tensorflow": self.tensorflow,
        }  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One step of the chain.

    Attributes:
        name: the tensor, or "loss"; `label` is what the page calls it: `z2`, `dW2`, `E`.
        formula: its formula as the page has it, else its line of code.
        forward: the forward step it differentiates, as a formula, or "".
        shape: the tensor's.
        whole: whether `entries` are all of the tensor, or its worst one.
        entries: the values.
        verdict: the referee's, of a gradient or the loss; "" of other values.
        error_ulps: the largest difference between the two sides, in units of the last place; None where TensorFlow
            has no such tensor.
        local: the local gradient, where the formula shows one.
        line: the line of code that makes it; `place` the file's name and the line's number.
        own_error_ulps: the same difference when the step is fed with the right upstream gradient: its own error.
    """

    name: str
    label: str
    formula: str
    shape: tuple[int, ...]
    whole: bool
    entries: tuple[Entry, ...]
    error_ulps: float | None
    forward: str = ""
    local: Local | None = None
    line: str = ""
    place: str = ""
    own_error_ulps: float | None = None
    verdict: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give plain data; a scalar's value also stands by itself."""
        only = self.entries[0].to_dict() if len(self.entries) == 1 and self.whole else None
        return {
            "name": self.name,
            "label": self.label,
            "formula": self.formula,
            "forward": self.forward,
            "shape": list(self.shape),
            "manual": only and only["manual"],
            "tensorflow": only and only["tensorflow"],
            "witness": only and only["witness"],
            "whole": self.whole,
            "entries": [entry.to_dict() for entry in self.entries],
            "error_ulps": self.error_ulps,
            "own_error_ulps": self.own_error_ulps,
            "verdict": self.verdict,
            "local": None if self.local is None else self.local.to_dict(),
            "line": self.line,
            "place": self.place,
        }


@dataclass(frozen=True)
class FaultStory:
    """What a planted fault does: the line before and after, what the check says of it, or why it is refused."""

    id: str
    line: str
    verdict: str
    cause: str | None = None
    first_seen: str | None = None
    refused: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class Explanation:
    """The chain rule on one example.

    Attributes:
        twin: the twin's name; `about` the first line of its page.
        point: where the example comes from, in words.
        inputs: the batch and the parameters; their `tensorflow` is None, for both sides are given the same.
        forward: the values, the loss last.
        backward: the gradients, from the loss backwards.
        updates: the parameters after the update that follows; `rule` says how.
        fault: the fault planted in it, or None.
    """

    twin: str
    about: str
    point: str
    inputs: tuple[Step, ...]
    forward: tuple[Step, ...]
    backward: tuple[Step, ...]
    updates: tuple[Step, ...] = ()
    rule: str = ""
    loss: str = "L"
    fault: FaultStory | None = None
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        """Say whose chain rule this is, and where."""
        return f"Explanation({self.twin!r}, {self.point!r}, {len(self.forward)} values, {len(self.backward)} gradients)"

    def to_dict(self) -> dict[str, Any]:
        """Give the explanation as plain data, ready for JSON."""
        return {
            "twin": self.twin,
            "about": self.about,
            "point": self.point,
            "loss": self.loss,
            "inputs": [step.to_dict() for step in self.inputs],
            "forward": [step.to_dict() for step in self.forward],
            "backward": [step.to_dict() for step in self.backward],
            "updates": [step.to_dict() for step in self.updates],
            "rule": self.rule,
            "fault": None if self.fault is None else self.fault.to_dict(),
            "notes": list(self.notes),
        }
