"""How the memory of a process grows with what it has done, and how many of TensorFlow's graphs it holds on to."""

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

SAMPLES = 40


@dataclass(frozen=True)
class Growth:
    """Samples on the way.

    Attributes:
        done: how many were done at each.
        megabytes: resident memory of the process then.
        graphs: TensorFlow's graphs and traced functions alive then, after a collection of garbage.
    """

    done: tuple[int, ...]
    megabytes: tuple[float, ...]
    graphs: tuple[int, ...]

    @property
    def slope(self) -> float:
        """Kilobytes each one costs, fitted to the second half: by then everything is loaded and the caches are full."""
        half = len(self.done) // 2
        return float(np.polyfit(self.done[half:], self.megabytes[half:], 1)[0]) * 1024

    @property
    def gained(self) -> float:
        """Megabytes from the third quarter to the last, medians of both."""
        quarter = max(1, len(self.done) // 4)
        return median(self.megabytes[-quarter:]) - median(self.megabytes[-2 * quarter : -quarter])

    @property
    def more_graphs(self) -> int:
        """How many graphs more are alive at the end than half-way."""
        return self.graphs[-1] - self.graphs[len(self.graphs) // 2]


def watch(work: Callable[[int], None], count: int) -> Growth:
    """Call `work` with 0, 1, ... and look at memory now and then."""
    seen: list[tuple[int, float, int]] = []
    every = max(1, count // SAMPLES)
    for k in range(count):
        work(k)
        if (k + 1) % every == 0:
            graphs = living_graphs()
            seen.append((k + 1, resident(), graphs))
    return Growth(*(tuple(column) for column in zip(*seen, strict=True)))


def resident() -> float:
    """Give the megabytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def living_graphs() -> int:
    """Count TensorFlow's graphs and traced functions after a collection of garbage."""
    from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction
    from tensorflow.python.framework.ops import Graph

    gc.collect()
    return sum(isinstance(thing, Graph | ConcreteFunction) for thing in gc.get_objects())
