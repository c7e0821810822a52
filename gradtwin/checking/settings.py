"""How a check is made, as one record that also writes the command and the Python call that repeat it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

OF_TWINS = ("dtype", "route", "device", "shards", "seed", "thorough", "numeric")
"""The settings that are keyword arguments of `gradtwin.check`."""

OF_FUNCTIONS = ("route", "device", "shards", "kinks", "numeric")
"""Those of `gradtwin.check_gradients`, which takes its dtype from the parameters."""


@dataclass(frozen=True)
class CheckSettings:
    """The settings of a check; all are options of `gradtwin.check` except `kinks`, which belongs to the twin.

    Attributes:
        dtype: the floating-point format of both sides.
        route: how TensorFlow differentiates.
        device: where TensorFlow computes, by the user's name for it; None for the default, a CPU.
        shards: how many examples each replica gets; None for the route's own cut.
        seed: draws the operating point.
        thorough: whether second derivatives, forward mode and single examples are checked too.
        kinks: "any" or "reference": which subgradients are accepted at a kink.
        numeric: whether the source's numeric check is run beside ours.
    """

    dtype: str = "float64"
    route: str = "tape"
    device: str | None = None
    shards: Sequence[int] | None = None
    seed: int = 0
    thorough: bool = False
    kinks: str = "any"
    numeric: bool = False

    def command(self, target: str) -> str:
        """Write the command that repeats the check.

        Args:
            target: the twin, as the command line knows it: a name or `FILE.py:OBJECT`.
        """
        if self.shards is not None:  # the command line has no option for them
            call = f"gradtwin.check({target!r}, {self.keywords(OF_TWINS)})"
            return f"python -c {shlex.quote(f'import gradtwin; print({call})')}"
        words = ["gradtwin", "check", target, "--dtype", self.dtype, "--route", self.route, "--seed", str(self.seed)]
        words += ["--device", self.device] if self.device else []
        words += ["--thorough"] * self.thorough + ["--numeric"] * self.numeric
        return shlex.join(words)

    def options(self, names: Sequence[str]) -> dict[str, Any]:
        """Give some of the settings as keyword arguments."""
        return {name: getattr(self, name) for name in names}

    def keywords(self, names: Sequence[str]) -> str:
        """Write some of the settings as keyword arguments: dtype and route always, others unless they are defaults."""
        defaults = {field.name: field.default for field in fields(self)}
        options = self.options(names).items()
        return ", ".join(f"{n}={v!r}" for n, v in options if n in ("dtype", "route") or v != defaults[n])
