"""What one `gradtwin train` sets going: a run for each twin, learning rate and declared variant."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.training.history import History
from gradtwin.training.lockstep import Progress, train
from gradtwin.training.plan import make_plan
from gradtwin.twins.twin import Twin


@dataclass(frozen=True, eq=False)
class Run:
    """One training to be done: a twin and the arguments of `gradtwin.training.lockstep.make_plan`."""

    twin: Twin
    settings: dict[str, Any] = field(default_factory=dict)

    def train(self, logdir: str | Path | None, progress: Progress | None = None) -> History:
        """Train both sides; see `gradtwin.training.lockstep.train`."""
        return train(self.twin, logdir=logdir, progress=progress, **self.settings)


def arrange(
    twins: Iterable[Twin], learning_rates: Sequence[float | None], hidden: Sequence[int] = (), **settings: Any
) -> list[Run]:
    """Make the runs, and refuse what cannot be trained before the first one starts.

    Args:
        twins: what to train.
        learning_rates: one run for each; None is the twin's own.
        hidden: widths of the hidden layers, where they are to be others than the twin's.
        settings: as in `gradtwin.training.lockstep.train`, for all runs.

    Returns:
        The runs, those of one twin in a row.

    Raises:
        InputError: a setting is impossible for one of the twins.
    """
    sized = [_with_hidden(twin, tuple(hidden)) if hidden else twin for twin in twins]
    runs = [
        Run(twin, settings | {"learning_rate": rate} | variant)
        for twin in sized
        for rate in learning_rates
        for variant in _variants(twin, settings)
    ]
    if len(runs) > 1:  # a single run is looked at by `train` itself before it writes anything
        for run in runs:
            make_plan(run.twin, **run.settings)
    return runs


def _with_hidden(twin: Twin, hidden: tuple[int, ...]) -> Twin:
    if twin.resize is None or twin.widths is None or len(twin.widths) < 3:
        raise InputError(f"Twin {twin.name!r} has no hidden layers of any width: leave --hidden out.")
    return twin.resize((twin.widths[0], *hidden, twin.widths[-1]))


def _variants(twin: Twin, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the twin as it is, and beside it its source's own faulty program where that printed a training."""
    yield {}
    from gradtwin.faults.source_variants import zoo_of_000

    if twin.name == "zoo" and settings.get("seed") is None and settings.get("data") is None:
        yield {"manual": zoo_of_000, "variant": "F000-1+F000-2"}
