"""Train both sides of a twin in lockstep: one start, the same batches and masks, two update rules."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.backend.tensorflow_side import resolve
from gradtwin.core.blocks import blocks
from gradtwin.core.errors import InputError
from gradtwin.core.interrupts import stop_request
from gradtwin.training.batches import Chunk, chunks, longest_chunk
from gradtwin.training.evaluation import Score, accuracy, score
from gradtwin.training.history import OF_HISTORY, History, first_divergence
from gradtwin.training.log import LogPoint, TrainingLog
from gradtwin.training.manual_side import ManualTrainer
from gradtwin.training.plan import Plan, make_plan
from gradtwin.training.reference_side import ReferenceTrainer
from gradtwin.training.settings import TrainingSettings
from gradtwin.training.tensorboard.lockstep_board import SIDES, LockstepBoard
from gradtwin.twins import catalog
from gradtwin.twins.datasets import Dataset
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array

Progress = Callable[[int, int], None]
Scores = dict[str, Score]


def train(
    twin: Twin | str,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    logdir: str | Path | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    dtype: str = "float64",
    optimizer: str | None = None,
    keep: float | None = None,
    data: Dataset | str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: Progress | None = None,
    log_every: int | None = None,
    manual: Any = None,
    variant: str = "",
) -> History:
    """Train both sides from one start and record how far they drift apart.

    Every step evaluates first and updates afterwards. Both sides get the same batches (one permutation of
    the rows an epoch, cut into batches, the last may be short) and the same dropout masks; each has its own
    gradients and its own update rule. Ctrl-C ends the training after the step at hand.

    Example:
        >>> history = gradtwin.train("xor", steps=100, learning_rate=0.5)
        >>> history.steps, history.diverged_at, history.gap < 1e-12
        (100, None, True)

    Args:
        twin: a twin or the name of a built-in one.
        steps: how many updates; the twin's default if None.
        epochs: passes over the data, instead of steps.
        learning_rate: the twin's default if None.
        logdir: where TensorBoard's files go, `logdir/<twin>/<run>/manual` and `.../tensorflow`; none are
            written if None.
        batch_size: rows in a batch; the twin's default if None, all rows if it has none.
        seed: draws start, batches and masks; None takes the source's own start, if there is one.
        dtype: "float64" or "float32", of everything on both sides.
        optimizer: "gd" or "adam"; the twin's default if None.
        keep: the probability that dropout keeps a unit, where the twin has dropout; 1 switches it off.
        data: a `Dataset`, the name of one, or a CSV file, instead of the twin's own.
        data_dir: where MNIST lies.
        progress: called with (steps done, steps) as the training goes on.
        log_every: steps between two points of a curve; a hundredth of the steps if None.
        manual: another manual side in place of the twin's own, such as a faulty variant.
        variant: that side's name, which the run's name gets.

    Returns:
        What was recorded; see `History`.

    Raises:
        InputError: a setting is impossible, the data do not fit, or the log cannot be written.
    """
    asked = TrainingSettings(
        steps, epochs, learning_rate, batch_size, seed, dtype, optimizer, keep, data, data_dir, log_every, manual,
        variant,
    )  # fmt: skip
    return train_as(catalog.get(twin) if isinstance(twin, str) else twin, asked, logdir, progress)


def train_as(
    twin: Twin, asked: TrainingSettings, logdir: str | Path | None = None, progress: Progress | None = None
) -> History:
    """Train both sides as a record of settings asks for; see `train`."""
    plan = make_plan(twin, asked)
    reference = resolve(twin.reference)
    board = None if logdir is None else LockstepBoard(plan, logdir, plan.settings.name, reference)
    try:
        # A learning rate too large ends in infinities; the history shows them, numpy need not warn of each.
        with np.errstate(all="ignore"):
            history = _Lockstep(plan, reference, board).run(progress)
    except BaseException:
        if board is not None:
            board.abandon()
        raise
    if board is not None:
        board.close()
    return history


def largest_differences(manual: Mapping[str, Array], tensorflow: Mapping[str, Array]) -> dict[str, Array]:
    """Compare the parameters of both sides after each of several updates.

    Args:
        manual: each parameter after every update, stacked: [count, *shape].
        tensorflow: the same names and shapes.

    Returns:
        For each parameter the largest |manual - tensorflow| after each update, [count] float64; NaN where
        an entry is NaN or both are infinite.
    """
    return {name: _largest(manual[name], theirs) for name, theirs in tensorflow.items()}


def _largest(ours: Array, theirs: Array) -> Array:
    if len(ours) > 1:  # few entries, many updates
        difference = ours - theirs
        return np.abs(difference, out=difference).reshape(len(ours), -1).max(axis=1).astype(np.float64)
    largest = np.zeros(1)
    for one, two in blocks(ours, theirs):
        difference = one - two
        np.maximum(largest, np.abs(difference, out=difference).max(), out=largest)
    return largest


class _Lockstep:
    """One training under way."""

    def __init__(self, plan: Plan, reference: Callable[..., Any], board: LockstepBoard | None) -> None:
        self.plan = plan
        self.board = board
        settings = plan.settings
        self.manual = ManualTrainer(plan.manual, plan.start, settings.optimizer, settings.learning_rate)
        self.tensorflow = ReferenceTrainer(
            reference,
            plan.start,
            optimizer=settings.optimizer,
            learning_rate=settings.learning_rate,
            looped=longest_chunk(plan) > 1,
        )
        self.log = TrainingLog(plan, board, self.manual, self.tensorflow)
        self.losses: dict[str, list[Array]] = {side: [np.empty(0)] for side in SIDES}
        self.all_gaps: list[Array] = []
        self.done = 0
        self.test: Scores | None = None
        self.tested_at: int | None = None
        self._evaluate = {"manual": self.manual.evaluate, "tensorflow": self.tensorflow.evaluate}
        starts = self.manual.params, self.tensorflow.params()
        self._take_gaps(largest_differences(*({n: np.asarray(p)[None] for n, p in side.items()} for side in starts)))

    def run(self, progress: Progress | None) -> History:
        """Go through all chunks, or up to Ctrl-C, and sum up."""
        try:
            interrupted = self._go_through(progress)
        except BaseException:
            with suppress(InputError):  # the first error is the one to report
                self.log.save()
            raise
        return self._sum_up(interrupted)

    def _go_through(self, progress: Progress | None) -> bool:
        rng = np.random.default_rng((self.plan.settings.seed or 0, 1))
        with stop_request() as asked_to_stop:
            for chunk in chunks(self.plan, rng):
                self._take(chunk)
                if _tell(progress, self.done, self.plan.settings.steps) or asked_to_stop():
                    return True
        return False

    def _take(self, chunk: Chunk) -> None:
        """Take a chunk's steps on both sides, compare them, and log what is due."""
        accuracies = self._look(chunk) if chunk.first % self.plan.settings.log_every == 0 else None
        losses, states = self.manual.advance(chunk)
        their_losses, their_states = self.tensorflow.advance(chunk)
        if accuracies is not None:
            first = {"manual": float(losses[0]), "tensorflow": float(their_losses[0])}
            self.log.point(LogPoint(self.done, first, accuracies, self.gaps))
        self.losses["manual"].append(losses)
        self.losses["tensorflow"].append(np.array(their_losses, np.float64))
        self._take_gaps(largest_differences(states, their_states))
        self.done += chunk.count
        if self.plan.settings.batch_size is not None and self.done % self.plan.steps_per_epoch == 0:
            self._test()
        self.log.save_if_due()

    def _take_gaps(self, differences: Mapping[str, Array]) -> None:
        self.all_gaps.append(np.max(list(differences.values()), axis=0))
        self.gaps = {name: float(values[-1]) for name, values in differences.items()}

    # ---- looking at both sides without moving them -------------------------------------------------

    def _look(self, chunk: Chunk) -> dict[str, float | None]:
        """Give both sides' accuracy on the batch to come, without dropout; log the state if due."""
        batch = chunk.batch(0)
        rows = batch[: len(self.plan.rows)]
        values = {side: evaluate(rows) for side, evaluate in self._evaluate.items()}
        self.log.state(self.done, batch, values)
        self.log.remember()
        twin = self.plan.twin
        return {side: accuracy(twin.task, values[side].get(twin.output), rows) for side in SIDES}

    def _test(self) -> None:
        """Score both sides on the test set, once for each number of updates."""
        if self.plan.test_rows is None or self.tested_at == self.done:
            return
        self.tested_at = self.done
        self.test = self._scores(self.plan.test_rows)
        self.log.scores(self.done, "test", self.test)

    def _scores(self, rows: Batch) -> Scores:
        return {side: score(self.plan.twin, evaluate, rows) for side, evaluate in self._evaluate.items()}

    # ---- logging -----------------------------------------------------------------------------------

    def _log_end(self, scores: Scores) -> None:
        """Log the state after the last update."""
        if self.plan.settings.batch_size is None and self.plan.settings.keep is None:
            # Every step saw the whole training set: the end is one more point of the same curve.
            losses, accuracies = ({side: getattr(s, tag) for side, s in scores.items()} for tag in ("loss", "accuracy"))
            self.log.remember()
            self.log.point(LogPoint(self.done, losses, accuracies, self.gaps))
        else:
            self.log.scores(self.done, "train", scores)
        self.log.end(self.done, scores, self.test)

    # ---- the end -----------------------------------------------------------------------------------

    def _sum_up(self, interrupted: bool) -> History:
        plan, scores = self.plan, self._scores(self.plan.rows)
        self._test()
        self._log_end(scores)
        gaps = np.concatenate(self.all_gaps)
        settings = {name: getattr(plan.settings, name) for name in OF_HISTORY}
        return History(
            twin=plan.twin.name,
            run=self.board.directory.name if self.board else plan.settings.name,
            steps=self.done,
            manual=self._numbers("manual", scores),
            tensorflow=self._numbers("tensorflow", scores),
            gap=float(gaps[-1]),
            diverged_at=first_divergence(gaps),
            losses_manual=np.concatenate(self.losses["manual"]),
            losses_tensorflow=np.concatenate(self.losses["tensorflow"]),
            gaps=gaps,
            predictions={side: scores[side].predictions for side in SIDES},
            params={"manual": self.manual.params, "tensorflow": self.tensorflow.params()},
            logged=self.log.table(),
            interrupted=interrupted,
            directory=str(self.board.directory) if self.board else None,
            note=plan.note,
            **settings,
        )

    def _numbers(self, side: str, scores: Scores) -> dict[str, float | None]:
        numbers = {"loss": scores[side].loss, "accuracy": scores[side].accuracy}
        if self.test is None:
            return numbers
        return numbers | {"test_loss": self.test[side].loss, "test_accuracy": self.test[side].accuracy}


def _tell(progress: Progress | None, done: int, steps: int) -> bool:
    """Report progress; say whether Ctrl-C came meanwhile."""
    try:
        if progress is not None:
            progress(done, steps)
    except KeyboardInterrupt:
        return True
    return False
