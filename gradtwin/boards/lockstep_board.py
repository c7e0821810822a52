"""Both sides of one training in TensorBoard, under equal tags so that their curves overlay."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.boards import layers, summaries
from gradtwin.boards.event_file import EventFile
from gradtwin.boards.run_directories import new_run_directory
from gradtwin.errors import InputError
from gradtwin.training_plan import Plan
from manual_grads import Array, Params

SIDES = ("manual", "tensorflow")
IMAGES = 3


class LockstepBoard:
    """Write `logdir/<twin>/<run>/manual` and `.../tensorflow`.

    Args:
        plan: what is trained.
        logdir: the directory of all runs.
        name: the run's name; the directory gets a number after it.
        reference: the reference's forward, whose graph is drawn.

    Raises:
        InputError: the directory cannot be made or written to; then nothing is left there.
    """

    def __init__(self, plan: Plan, logdir: str | Path, name: str, reference: Callable[..., Any]) -> None:
        batch = dict(zip(plan.twin.batch_names(plan.rows), plan.rows, strict=True))
        graph = summaries.graph(reference, plan.start, batch)
        self._plan = plan
        self._inputs = tuple(batch)
        with new_run_directory(logdir, plan.twin.name, name) as directory:
            self.directory = directory
            self._files = {side: EventFile(directory / side) for side in SIDES}
            self._files["tensorflow"].add_graph(graph)
            self._add_images()
            self.flush()

    def add_curves(
        self, step: int, curves: Mapping[str, Mapping[str, float | None]], gaps: Mapping[str, float]
    ) -> None:
        """Add a point to each side's curves, and to the gap's curve of each parameter under both sides.

        Args:
            step: updates done so far.
            curves: side -> tag -> number; None is left out.
            gaps: parameter -> largest difference between the sides.
        """
        between = {f"gap/{name}": gap for name, gap in gaps.items()}
        for side, numbers in curves.items():
            points = {tag: number for tag, number in {**numbers, **between}.items() if number is not None}
            self._files[side].add(step, [summaries.scalar(tag, number) for tag, number in points.items()])

    def add_histograms(self, step: int, side: str, params: Params, values: Mapping[str, Array]) -> None:
        """Add the distributions of each layer's weights, biases and outputs."""
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray | np.generic)}
        outputs = layers.output_tags(arrays, self._plan.twin.output, params, self._inputs)
        tagged = {layers.parameter_tag(name): value for name, value in params.items()}
        tagged |= {tag: arrays[name] for tag, name in outputs.items()}
        self._files[side].add(step, [summaries.histogram(tag, array) for tag, array in sorted(tagged.items())])

    def flush(self) -> None:
        """Make everything written so far readable, whatever happens next."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Close both files."""
        for file in self._files.values():
            file.close()

    def abandon(self) -> None:
        """Close both files after an error, which is the one to report."""
        for file in self._files.values():
            with suppress(InputError):
                file.close()

    def _add_images(self) -> None:
        if self._plan.image_shape is None:
            return
        pixels = self._plan.rows[0][:IMAGES].reshape(-1, *self._plan.image_shape, 1)
        for file in self._files.values():
            file.add(0, [summaries.images("input", pixels)])
