"""The HParams page of a sweep: a row for each combination of twin, dtype, route, widths and learning rate.

Each row is a directory with one event file: the settings, and the sums over the seeds that the columns show.
"""

from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.sweep.driver import Summary
from gradtwin.sweep.tally import Group, GroupTally
from gradtwin.training.tensorboard import hyperparameters, summaries
from gradtwin.training.tensorboard.event_file import EventFile
from gradtwin.training.tensorboard.run_directories import as_directory_name, new_run_directory

WORDS = ("twin", "dtype", "route", "widths")
NUMBERS = ("learning_rate",)
# A tag and the title of its column. A case without a number counts as infinite, which TensorBoard draws too.
RESULTS = (
    ("sweep/largest", "largest error over bound, or gap"),
    ("sweep/cases", "cases"),
    ("sweep/failed", "failed"),
    ("sweep/rounding", "rounding"),
    ("sweep/disagree", "disagree"),
)


def refuse_file(logdir: Path) -> None:
    """Refuse a log directory that is a file, before anything is computed for it."""
    if logdir.exists() and not logdir.is_dir():
        raise InputError(f"The log directory {logdir} is a file, or lies below one. Give a directory.")


def write(summary: Summary, logdir: Path) -> Path:
    """Write a row for each combination.

    Returns:
        The new directory, `logdir/sweep/<name of the results>-run001`.

    Raises:
        InputError: it cannot be written.
    """
    with new_run_directory(logdir, "sweep", as_directory_name(summary.folder.name)) as directory:
        for number, (group, tally) in enumerate(summary.tally.groups.items()):
            _write_row(directory / _name(group, number), group, tally)
    return directory


def _name(group: Group, number: int) -> str:
    words = [group.twin, group.dtype, group.route, group.widths]
    rate = [] if group.learning_rate is None else [f"lr{group.learning_rate:g}"]
    shown = [word for word in (*words, *rate) if word != "-"]
    return as_directory_name(f"{number:04d}-" + "-".join(shown))


def _write_row(directory: Path, group: Group, tally: GroupTally) -> None:
    events = EventFile(directory)
    events.add(0, hyperparameters.opened(_settings(group), directory.name, _columns()))
    numbers = (tally.largest, tally.cases, tally.failed, tally.outcomes["rounding"], tally.outcomes["disagree"])
    values = [summaries.scalar(tag, number) for (tag, _), number in zip(RESULTS, numbers, strict=True)]
    events.add(0, [*values, hyperparameters.end(not tally.failed)])
    events.close()


def _settings(group: Group) -> dict[str, str | float]:
    words: dict[str, str | float] = {name: getattr(group, name) for name in WORDS}
    return words if group.learning_rate is None else words | {"learning_rate": group.learning_rate}


def _columns() -> Any:
    from tensorboard.plugins.hparams import api_pb2

    kinds = dict.fromkeys(WORDS, api_pb2.DATA_TYPE_STRING) | dict.fromkeys(NUMBERS, api_pb2.DATA_TYPE_FLOAT64)
    return api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, type=kind, differs=True) for name, kind in kinds.items()],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(group="", tag=tag), display_name=title) for tag, title in RESULTS
        ],
    )
