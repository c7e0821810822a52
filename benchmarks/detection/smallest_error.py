"""How small a relative error in one entry is still caught.

    python -m benchmarks.detection.smallest_error [--points 40] [--names NAME ...] [--json] [--write]

Every twin and node at its operating points; one entry of one gradient, a parameter's, an input's or an
intermediate's, is multiplied by 1 + e. The entry is drawn among those not smaller than a thousandth of their tensor's
largest; below that an error is a matter of the tensor's rounding. Each point is asked with the loss as it is and
multiplied by 1e-6 and 1e6. An error is caught when the verdict is neither `agree` nor `rounding`.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.detection.cases import FixedTwin
from benchmarks.detection.page import count_text, put, table
from benchmarks.detection.problems import at_point, scaled, with_wrong_entry
from gradtwin.checking.check import check
from gradtwin.faults.catalogue import small
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin

ERRORS = {
    "float64": (1e-6, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13),
    "float32": (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
}
TARGET = {"float64": 1e-10, "float32": 1e-2}
LOSS_FACTORS = (1.0, 1e-6, 1e6)
SMALLEST_ENTRY = 1e-3
MISSED = ("agree", "rounding")


@dataclass(frozen=True)
class Trial:
    """One wrong entry and what the check said of it."""

    twin: str
    seed: int
    dtype: str
    loss_factor: float
    error: float
    tensor: str
    index: tuple[int, ...]
    verdict: str

    @property
    def caught(self) -> bool:
        """Whether the error was seen."""
        return self.verdict not in MISSED


def entries(twin: FixedTwin, rng: np.random.Generator) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Draw gradients and one large enough entry of each, over and over."""
    params, batch = twin.at
    _, cache = twin.manual.forward(params, *batch)
    gradients = twin.manual.backward(params, cache)
    names = [name for name, d in gradients.items() if np.any(d)]
    while True:
        name = str(rng.choice(names))
        sizes = np.abs(gradients[name])
        large = np.argwhere(sizes >= SMALLEST_ENTRY * sizes.max())
        yield name, tuple(int(i) for i in large[rng.integers(len(large))])


def trials(
    twin: Twin, points: int, loss_factors: tuple[float, ...] = LOSS_FACTORS, only_target: bool = False
) -> Iterator[Trial]:
    """Plant every error size at some points of a twin, each in an entry of its own, in both precisions."""
    for seed in range(points):
        fixed = at_point(twin, seed)
        drawn = entries(fixed, np.random.default_rng([seed, 2]))
        for factor in loss_factors:
            there = scaled(fixed, factor)
            for dtype, errors in ERRORS.items():
                for error in (TARGET[dtype],) if only_target else errors:
                    name, index = next(drawn)
                    wrong = with_wrong_entry(there, name, index, error)
                    verdict = check(wrong, dtype=dtype, seed=seed).verdict
                    yield Trial(twin.name, seed, dtype, factor, error, name, index, verdict)


def markdown(found: list[Trial]) -> str:
    """Give the detection of each error size by loss factor, and every miss at or above the target."""
    parts = []
    for dtype, errors in ERRORS.items():
        rows = [[f"times {f:g}", *(_caught(found, dtype, f, e) for e in errors)] for f in LOSS_FACTORS]
        parts += [f"{dtype}, caught of asked:", table(["loss", *[f"e = {e:g}" for e in errors]], rows)]
    missed = [t for t in found if not t.caught and t.error >= TARGET[t.dtype]]
    parts.append(
        f"{count_text(len(found))} wrong entries in {len({t.twin for t in found})} twins; missed at "
        f"{TARGET['float64']:g} (float64) and {TARGET['float32']:g} (float32) or larger: {len(missed)}."
    )
    parts += [f"- {t}" for t in missed]
    return "\n\n".join(parts)


def _caught(found: list[Trial], dtype: str, factor: float, error: float) -> str:
    asked = [t for t in found if (t.dtype, t.loss_factor, t.error) == (dtype, factor, error)]
    return f"{sum(t.caught for t in asked)} of {len(asked)}"


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; exit status 1 if an error of the target's size or larger was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection.smallest_error", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--names", nargs="+", default=catalog.names())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/detection.md")
    options = parser.parse_args(arguments)
    found = [t for name in options.names for t in trials(small(catalog.get(name)), options.points)]
    print(json.dumps([asdict(t) for t in found]) if options.json else markdown(found))
    if options.write:
        put("smallest error", markdown(found))
    return 1 if any(not t.caught and t.error >= TARGET[t.dtype] for t in found) else 0


if __name__ == "__main__":
    sys.exit(main())
