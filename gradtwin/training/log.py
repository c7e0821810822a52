"""What a training hands to TensorBoard, and when; nothing where no files are written."""

import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gradtwin.training.evaluation import ROWS_AT_ONCE, Score
from gradtwin.training.manual_side import ManualTrainer
from gradtwin.training.plan import Plan
from gradtwin.training.reference_side import ReferenceTrainer
from gradtwin.training.tensorboard.lockstep_board import SIDES, LockstepBoard, Side
from gradtwin.twins.twin import Batch
from manual_grads import Array, Params

# A training that is killed loses no more than this.
SECONDS_BETWEEN_SAVES = 0.3

Values = Mapping[str, Params]
Scores = Mapping[str, Score]


@dataclass(frozen=True)
class LogPoint:
    """One point of every curve.

    Attributes:
        step: updates done so far.
        loss: side -> its loss.
        accuracy: side -> its accuracy, None where the twin has none.
        gap: parameter -> largest difference between the sides.
    """

    step: int
    loss: Mapping[str, float]
    accuracy: Mapping[str, float | None]
    gap: Mapping[str, float]

    @property
    def curves(self) -> dict[str, dict[str, float | None]]:
        """The numbers of each side by their tags."""
        return {side: {"accuracy": self.accuracy[side], "loss": self.loss[side]} for side in SIDES}


class TrainingLog:
    """Look at both sides without moving them, and write down what is due.

    Args:
        plan: what is trained.
        board: where it is written; None writes nothing, and asks neither side for anything.
        manual: the manual side.
        tensorflow: the reference side.
    """

    def __init__(
        self, plan: Plan, board: LockstepBoard | None, manual: ManualTrainer, tensorflow: ReferenceTrainer
    ) -> None:
        self._plan = plan
        self._board = board
        self._manual, self._tensorflow = manual, tensorflow
        self._remembered: tuple[Params, Params] | None = None
        self._waiting: list[Callable[[], None]] = []
        self._points: list[LogPoint] = []
        self._fine_gaps: list[dict[str, dict[str, float]]] = []
        self._saved = time.monotonic()

    def remember(self) -> None:
        """Keep the parameters as they are now for the point that is logged next."""
        if self._board is not None:
            self._remembered = self._manual.params, self._tensorflow.params()

    def point(self, point: LogPoint) -> None:
        """Log a point of each curve, with the parameters that were remembered.

        Points are written several at once: one by one they would cost more than twice as much.
        """
        self._points.append(point)
        if self._board is not None and self._remembered is not None:
            self._later(functools.partial(self._write, self._board, point, *self._remembered))

    def _write(self, board: LockstepBoard, point: LogPoint, manual: Params, tensorflow: Params) -> None:
        self._fine_gaps.append(board.add_gaps(point.step, "", manual, tensorflow))
        board.add_curves(point.step, point.curves, point.gap)

    def table(self) -> dict[str, Any]:
        """Give all points by their columns; the gaps in ulp and relative, which files alone need, only with files."""
        table: dict[str, Any] = {"step": [point.step for point in self._points]}
        for tag in ("loss", "accuracy"):
            for side in SIDES:
                table[f"{tag}_{side}"] = [getattr(point, tag)[side] for point in self._points]
        table["gap"] = _columns([point.gap for point in self._points])
        for key in ("gap_ulp", "gap_relative"):
            table[key] = _columns([gaps[key] for gaps in self._fine_gaps])
        return table

    def _later(self, write: Callable[[], None]) -> None:
        self._waiting.append(write)
        self.save_if_due()

    def save_if_due(self) -> None:
        """Save what waits once it has waited long enough; asked for after every chunk, however rare the points are."""
        if self._board is not None and time.monotonic() > self._saved + SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Write the points that wait, and make everything readable."""
        if self._board is None:
            return
        while self._waiting:
            self._waiting.pop(0)()
        self._board.flush()
        self._saved = time.monotonic()

    def scores(self, step: int, of_what: str, scores: Scores) -> None:
        """Log loss and accuracy on the training or the test set."""
        numbers = {
            side: {f"{of_what}/loss": found.loss, f"{of_what}/accuracy": found.accuracy}
            for side, found in scores.items()
        }
        if self._board is not None:
            self._later(functools.partial(self._board.add_curves, step, numbers, {}))

    def state(self, step: int, batch: Batch, values: Values, *, last: bool = False) -> None:
        """Log distributions and pictures where they are due.

        Args:
            step: updates done so far.
            batch: what the step to come is taken on, with its masks: the gradients are of this.
            values: side -> named values of a forward pass on it, without masks.
            last: whether the training is over; then everything is due.
        """
        board = self._board
        if board is None:
            return
        distributions = last or board.distributions_are_due(step)
        drawn = last or board.pictures_are_due(step)
        if not (distributions or drawn):
            return
        # The gradients cost more than all the rest: they are taken with the pictures only.
        sides = self._sides(board, batch, values) if drawn else self._without_gradients(values)
        if distributions:
            board.add_distributions(step, sides)
        if drawn:
            board.add_pictures(step, sides, self._evaluate())
        if drawn and not last and self._plan.settings.batch_size is None:
            output = self._plan.twin.output
            self._classes(board, step, {side: values[side].get(output) for side in SIDES}, self._plan.rows)

    def end(self, step: int, scores: Scores, test: Scores | None) -> None:
        """Log the state after the last update and where the training ended.

        Args:
            step: updates done.
            scores: both sides on the training set.
            test: both sides on the test set, where there is one.
        """
        board = self._board
        if board is None:
            return
        self.save()
        few = tuple(array[:ROWS_AT_ONCE] if array.ndim else array for array in self._plan.rows)
        self.state(step, few, {side: evaluate(few) for side, evaluate in self._evaluate().items()}, last=True)
        scored, rows = (scores, self._plan.rows) if test is None else (test, self._plan.test_rows)
        self._classes(board, step, {side: scored[side].predictions for side in SIDES}, rows or ())
        board.add_results(
            step,
            {side: {"loss": found.loss, "accuracy": found.accuracy} for side, found in scores.items()},
            self._manual.params,
            self._tensorflow.params(),
        )

    def _evaluate(self) -> dict[str, Any]:
        return {"manual": self._manual.evaluate, "tensorflow": self._tensorflow.evaluate}

    def _without_gradients(self, values: Values) -> dict[str, Side]:
        return {
            "manual": Side(self._manual.params, values["manual"], {}),
            "tensorflow": Side(self._tensorflow.params(), values["tensorflow"], {}),
        }

    def _sides(self, board: LockstepBoard, batch: Batch, values: Values) -> dict[str, Side]:
        named = dict(zip(self._plan.twin.batch_names(batch), batch, strict=True))
        names = [*self._plan.start, *board.layer_outputs(values["manual"]).values()]
        ours, theirs = self._manual.gradients(batch), self._tensorflow.gradients(named, names)
        return {
            "manual": Side(self._manual.params, values["manual"], ours),
            "tensorflow": Side(self._tensorflow.params(), values["tensorflow"], theirs),
        }

    @staticmethod
    def _classes(board: LockstepBoard, step: int, predictions: Mapping[str, Array | None], rows: Batch) -> None:
        known = {side: found for side, found in predictions.items() if found is not None and found.size}
        if len(known) == len(SIDES) and len(rows) > 1:
            board.add_classes(step, known, rows[1])


def _columns(rows: list[Mapping[str, float]] | list[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
