"""SweepCase: one thing a sweep does, as plain data that can be sent to any worker."""

import dataclasses
import hashlib
import json
import shlex
from dataclasses import dataclass
from typing import Any

from gradtwin.checking.settings import CheckSettings

KINDS = ("check", "train", "faults", "fuzz")

CaseRow = dict[str, Any]  # the outcome of a case, by the columns of `gradtwin.sweep.table`


@dataclass(frozen=True)
class SweepCase:
    """One check, training, planted fault or drawn point; None stands for the default of the kind or the twin.

    Attributes:
        number: its place in the grid; not one of its settings.
        kind: one of `KINDS`.
        target: the twin's name, or FILE.py:OBJECT.
        dtype, route, seed, widths, learning_rate, steps: as in `gradtwin.check` and `gradtwin.train`.
        fault: the planted fault's id.
    """

    number: int
    kind: str
    target: str
    dtype: str | None = None
    route: str | None = None
    seed: int | None = None
    widths: tuple[int, ...] | None = None
    learning_rate: float | None = None
    steps: int | None = None
    fault: str | None = None

    def settings(self) -> dict[str, Any]:
        """Give the settings as plain data; two cases with equal settings are the same case."""
        fields = dataclasses.asdict(self)
        del fields["number"]
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def id(self) -> str:
        """A name that depends on the settings alone: the first half of a SHA-256."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:32]

    @property
    def command(self) -> str:
        """The command line that repeats the case in one process."""
        target = shlex.quote(self.target)
        if self.kind == "check" and self.widths is None:
            settings = CheckSettings(self.dtype or "float64", self.route or "tape", seed=self.seed or 0)
            return settings.command(self.target)
        if self.kind == "train":
            return f"gradtwin train {target}{self._training_options()}"
        axes = {name: value for name, value in self.settings().items() if name not in ("kind", "target")}
        words = [f"--axis {name}={shlex.quote(written(value))}" for name, value in axes.items()]
        kind = "" if self.kind == "check" else f" --kind {self.kind}"
        return " ".join([f"gradtwin sweep {target}{kind}", *words, "--here"])

    def _training_options(self) -> str:
        """Write the options of `gradtwin train`; the data decide the first and the last width."""
        options = {"dtype": self.dtype, "seed": self.seed, "learning-rate": self.learning_rate, "steps": self.steps}
        words = [f" --{name} {value}" for name, value in options.items() if value is not None]
        return "".join([*words, *(f" --hidden {width}" for width in (self.widths or ())[1:-1])])


def written(value: Any) -> str:
    """Write a value as the command line takes it: widths as 2-5-1, everything else unchanged."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
