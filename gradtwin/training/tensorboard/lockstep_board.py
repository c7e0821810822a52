"""Both sides of one training in TensorBoard, under equal tags so that their curves overlay."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.core.errors import InputError
from gradtwin.training.plan import Plan
from gradtwin.training.tensorboard import gaps, hyperparameters, layers, layout, pictures, summaries, texts
from gradtwin.training.tensorboard.event_file import EventFile
from gradtwin.training.tensorboard.run_directories import new_run_directory
from manual_grads import Array, Params

SIDES = ("manual", "tensorflow")
# What belongs to both sides: their gap, pictures, texts, the row of the HParams.
BOTH = ""
IMAGES = 3
# A distribution is some hundred times the size of a point on a curve, a picture a thousand times, and the gradients
# that go with a picture cost as much as fifty steps of XOR.
MOST_PICTURES = 5
DISTRIBUTIONS_PER_PICTURE = 2


@dataclass(frozen=True, eq=False)
class Side:
    """One side at one moment.

    Attributes:
        params: the parameters.
        values: the named values of a forward pass, without dropout.
        gradients: the gradient of the step to come, of the parameters and of what else is known; empty
            where they were not asked for.
    """

    params: Params
    values: Mapping[str, Array]
    gradients: Mapping[str, Array | None]


class LockstepBoard:
    """Write `logdir/<twin>/<run>`, and `manual` and `tensorflow` in it.

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
        words = texts.texts(plan)
        self._plan = plan
        self._inputs = tuple(batch)
        self._plane = pictures.plane(plan.twin, plan.rows)
        self._outputs: dict[str, str] | None = None
        with new_run_directory(logdir, plan.twin.name, name) as directory:
            self.directory = directory
            self._files = {side: EventFile(directory / side) for side in (BOTH, *SIDES)}
            self._files["tensorflow"].add_graph(graph)
            row = f"{directory.parent.name}/{directory.name}"
            self._files[BOTH].add(0, [layout.layout(plan.test_rows is not None), *hyperparameters.start(plan, row)])
            self._files[BOTH].add(0, [summaries.text(tag, text) for tag, text in words.items()])
            self._add_images()
            self.flush()

    # ---- when ----------------------------------------------------------------------------------------

    def distributions_are_due(self, step: int) -> bool:
        """Whether this logged step is one of the ten or so with distributions."""
        return step % max(1, self._steps_between_pictures // DISTRIBUTIONS_PER_PICTURE) == 0

    def pictures_are_due(self, step: int) -> bool:
        """Whether this logged step is one of the five or fewer with pictures."""
        return step % self._steps_between_pictures == 0

    @property
    def _steps_between_pictures(self) -> int:
        points = -(-self._plan.settings.steps // self._plan.settings.log_every)
        per_picture = -(-points // MOST_PICTURES)
        per_picture += per_picture > 1 and per_picture % DISTRIBUTIONS_PER_PICTURE
        return self._plan.settings.log_every * per_picture

    # ---- curves --------------------------------------------------------------------------------------

    def add_curves(
        self, step: int, curves: Mapping[str, Mapping[str, float | None]], between: Mapping[str, float]
    ) -> None:
        """Add a point to each side's curves, and to the gap's curve of each parameter under both sides.

        Args:
            step: updates done so far.
            curves: side -> tag -> number; None is left out.
            between: parameter -> largest difference between the sides.
        """
        gap = [summaries.scalar(f"gap/{name}", largest) for name, largest in between.items()]
        for side, numbers in curves.items():
            own = [summaries.scalar(tag, number) for tag, number in numbers.items() if number is not None]
            self._files[side].add(step, own + gap)

    def add_gaps(self, step: int, of_what: str, manual: Params, tensorflow: Params) -> dict[str, dict[str, float]]:
        """Add a point to the curves of the gap in ulp and of the relative gap of each array.

        Args:
            step: updates done so far.
            of_what: what the tags begin with, "" or "gradient_".
            manual: name -> array.
            tensorflow: the same names.

        Returns:
            The numbers before they were put on their logarithmic scales: `gap_ulp` and `gap_relative`, each
            name -> number.
        """
        found = gaps.measure(manual, tensorflow)
        points = [summaries.scalar(f"{of_what}gap_ulp/{name}", gap.log_ulp) for name, gap in found.items()]
        points += [summaries.scalar(f"{of_what}gap_relative/{name}", gap.log_relative) for name, gap in found.items()]
        self._files[BOTH].add(step, points)
        return {
            "gap_ulp": {name: gap.ulp for name, gap in found.items()},
            "gap_relative": {name: gap.relative for name, gap in found.items()},
        }

    # ---- distributions -------------------------------------------------------------------------------

    def layer_outputs(self, values: Mapping[str, Array]) -> dict[str, str]:
        """Find the layers' outputs among a forward pass's values: tag -> name."""
        if self._outputs is None:
            arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray | np.generic)}
            self._outputs = layers.output_tags(arrays, self._plan.twin.output, self._plan.start, self._inputs)
        return self._outputs

    def add_distributions(self, step: int, sides: Mapping[str, Side]) -> None:
        """Add the distributions of each layer's weights, biases and outputs, and of their gradients.

        The gradients that only one side knows are left out; those of the parameters get curves of their gap.
        """
        found = self.layer_outputs(sides["manual"].values)
        outputs = {tag: name for tag, name in found.items() if all(name in now.values for now in sides.values())}
        tags = {layers.parameter_tag(name): name for name in self._plan.start} | outputs
        gradients = _known_gradients(sides, tags.values())
        for side, now in sides.items():
            arrays = {tag: (now.values if tag in outputs else now.params)[name] for tag, name in tags.items()}
            known = gradients[side]
            arrays |= {f"{tag}_gradient": known[name] for tag, name in tags.items() if name in known}
            self._files[side].add(step, [summaries.histogram(tag, array) for tag, array in sorted(arrays.items())])
        ours, theirs = (
            {name: gradients[side][name] for name in self._plan.start if name in gradients[side]} for side in SIDES
        )
        if ours:
            self.add_gaps(step, "gradient_", ours, theirs)

    # ---- pictures ------------------------------------------------------------------------------------

    def add_pictures(self, step: int, sides: Mapping[str, Side], evaluate: Mapping[str, pictures.Evaluate]) -> None:
        """Add what the network looks like at this moment.

        Args:
            step: updates done so far.
            sides: both sides.
            evaluate: side -> the function that gives the named values of a forward pass.
        """
        twin, first = self._plan.twin, next(iter(self._plan.start))
        drawn = {
            "first_layer_weights": pictures.first_layer_weights(
                {side: now.params[first] for side, now in sides.items()}, self._plan.image_shape
            )
        }
        gradients = _known_gradients(sides, self._plan.start)
        if gradients["manual"]:
            drawn["gradient_error_ulp"] = pictures.gradient_error(gradients["manual"], gradients["tensorflow"])
        if self._plane is not None and all(twin.output in now.values for now in sides.values()):
            drawn["decision_boundary"] = pictures.decision_boundary(self._plane, twin.output, evaluate)
        self._add_drawn(step, drawn)

    def add_classes(self, step: int, predictions: Mapping[str, Array], targets: Array) -> None:
        """Add the confusion matrix and each class's curve of precision and recall, of a task with several classes.

        Args:
            step: updates done so far.
            predictions: side -> [N, C].
            targets: [N, C], one-hot.
        """
        if self._plan.twin.task != "multiclass" or targets.shape[1] > pictures.MOST_CLASSES:
            return
        self._add_drawn(step, {"confusion_matrix": pictures.confusion_matrix(predictions, targets)})
        name = self.directory.parent.name
        for side, scores in predictions.items():
            curves = [
                summaries.precision_recall(f"{name}/class {k}", scores[:, k], targets[:, k] > 0.5)
                for k in range(targets.shape[1])
            ]
            self._files[side].add(step, curves)

    def _add_drawn(self, step: int, drawn: Mapping[str, pictures.Picture]) -> None:
        values = [
            summaries.picture(tag, [encoded], size, pictures.DESCRIPTIONS[tag])
            for tag, (encoded, size) in drawn.items()
        ]
        self._files[BOTH].add(step, values)

    def _add_images(self) -> None:
        if self._plan.image_shape is None:
            return
        pixels = self._plan.rows[0][:IMAGES].reshape(-1, *self._plan.image_shape, 1)
        for side in SIDES:
            self._files[side].add(0, [summaries.images("input", pixels)])

    # ---- the end -------------------------------------------------------------------------------------

    def add_results(
        self, step: int, results: dict[str, dict[str, float | None]], manual: Params, tensorflow: Params
    ) -> None:
        """Add where the training ended: the numbers of the run's row among the HParams.

        Args:
            step: updates done.
            results: side -> name -> number; None is left out.
            manual: the last parameters.
            tensorflow: the same names.
        """
        apart = [float(np.abs(manual[name] - theirs).max(initial=0.0)) for name, theirs in tensorflow.items()]
        logs = [gap.log_ulp for gap in gaps.measure(manual, tensorflow).values()]
        between: dict[str, float | None] = {"gap": max(apart), "gap_ulp": max(logs, default=0.0)}
        for side, numbers in (results | {BOTH: between}).items():
            found = {f"final/{name}": number for name, number in numbers.items() if number is not None}
            self._files[side].add(step, [summaries.scalar(tag, number) for tag, number in found.items()])

    def flush(self) -> None:
        """Make everything written so far readable, whatever happens next."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """End the run's row as a success and close all files."""
        self._files[BOTH].add(self._plan.settings.steps, [hyperparameters.end(succeeded=True)])
        for file in self._files.values():
            file.close()

    def abandon(self) -> None:
        """Close all files after an error, which is the one to report."""
        with suppress(InputError):
            self._files[BOTH].add(self._plan.settings.steps, [hyperparameters.end(succeeded=False)])
        for file in self._files.values():
            with suppress(InputError):
                file.close()


def _known_gradients(sides: Mapping[str, Side], names: Iterable[str]) -> dict[str, Params]:
    """Give each side's gradients of those tensors whose gradient all sides know."""
    found: dict[str, Params] = {side: {} for side in sides}
    for name in names:
        gradients = {side: now.gradients.get(name) for side, now in sides.items()}
        for side, gradient in gradients.items():
            if all(one is not None for one in gradients.values()):
                found[side][name] = np.asarray(gradient)
    return found
