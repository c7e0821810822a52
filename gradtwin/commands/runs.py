"""The runs of one `gradtwin train`: one for each twin, learning rate and declared variant."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.training.history import History
from gradtwin.training.lockstep import Progress, train_as
from gradtwin.training.plan import make_plan
from gradtwin.training.settings import TrainingSettings
from gradtwin.twins.twin import Twin


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One training to be done."""

    twin: Twin
    settings: TrainingSettings

    def train(self, logdir: str | Path | None, progress: Progress | None = None) -> History:
        """Train both sides; see `gradtwin.train`."""
        return train_as(self.twin, self.settings, logdir, progress)


def planned_runs(
    twins: Iterable[Twin], learning_rates: Sequence[float | None], hidden: Sequence[int], settings: TrainingSettings
) -> list[PlannedRun]:
    """Plan the runs, and refuse what cannot be trained before the first one starts.

    Args:
        twins: what to train.
        learning_rates: one run for each; None is the twin's default.
        hidden: widths of the hidden layers; empty for those of the twin.
        settings: for all runs.

    Returns:
        The runs, those of one twin in a row.

    Raises:
        InputError: a setting is impossible for one of the twins.
    """
    sized = [_with_hidden(twin, tuple(hidden)) if hidden else twin for twin in twins]
    runs = [
        PlannedRun(twin, replace(settings, learning_rate=rate, **variant))
        for twin in sized
        for rate in learning_rates
        for variant in _variants(twin, settings)
    ]
    if len(runs) > 1:  # a single run is looked at by `train` itself before it writes anything
        for run in runs:
            make_plan(run.twin, run.settings)
    return runs


def _with_hidden(twin: Twin, hidden: tuple[int, ...]) -> Twin:
    if twin.resize is None or twin.widths is None or len(twin.widths) < 3:
        raise InputError(f"Twin {twin.name!r} has no hidden layers that can be resized. Leave --hidden out.")
    return twin.resize((twin.widths[0], *hidden, twin.widths[-1]))


def _variants(twin: Twin, settings: TrainingSettings) -> Iterator[dict[str, Any]]:
    """Give the twin as it is, and beside it its source's own faulty program where that printed a training."""
    yield {}
    from gradtwin.faults.source_variants import zoo_of_000

    if twin.name == "zoo" and settings.seed is None and settings.data is None:
        yield {"manual": zoo_of_000, "variant": "F000-1+F000-2"}
