"""The page "HParams": every training as one row, its settings and where it ended.

A row belongs to the run's own directory; its numbers are the scalars `final/...` there and in `manual` and
`tensorflow` below it.
"""

from collections.abc import Mapping
from typing import Any

from gradtwin.training.plan import Plan
from gradtwin.training.settings import DTYPES, OPTIMIZERS
from gradtwin.training.tensorboard.summaries import values_of

# The columns. A setting that may be absent is a word, so that a column has one type. TensorBoard shows five: first
# those that are marked as differing, then the others in alphabetical order.
NUMBERS = ("learning_rate", "steps")
WORDS = ("twin", "optimizer", "seed", "dtype", "batch_size", "keep", "variant")
SHOWN = ("twin", "learning_rate", "optimizer", "seed", "dtype")
CHOICES = {"optimizer": OPTIMIZERS, "dtype": DTYPES}
# The directory below the run, the tag, and the column's title.
RESULTS = (
    ("manual", "final/loss", "loss, manual"),
    ("tensorflow", "final/loss", "loss, reference"),
    ("manual", "final/accuracy", "accuracy, manual"),
    ("tensorflow", "final/accuracy", "accuracy, reference"),
    ("", "final/gap", "largest gap"),
    ("", "final/gap_ulp", "largest gap, log10(1 + ulp)"),
)


def settings(plan: Plan) -> dict[str, str | float]:
    """Name the settings of a training; an absent one is a word."""
    run = plan.settings
    return {
        "twin": plan.twin.name,
        "learning_rate": run.learning_rate,
        "optimizer": run.optimizer,
        "steps": run.steps,
        "seed": "the twin's own" if run.seed is None else str(run.seed),
        "dtype": run.dtype,
        "batch_size": "all rows" if run.batch_size is None else str(run.batch_size),
        "keep": "no dropout" if run.keep is None else f"{run.keep:g}",
        "variant": run.variant or "none",
    }


def start(plan: Plan, row: str) -> list[Any]:
    """Open a row.

    Args:
        plan: what is trained.
        row: the row's title, by which rows of equal settings are told apart.

    Returns:
        The columns, which are the same in every run, and the row.
    """
    return opened(settings(plan), row, _columns())


def opened(settings: Mapping[str, str | float], row: str, columns: Any) -> list[Any]:
    """Open a row of any settings; `columns` is the same in every row of the table."""
    from tensorboard.plugins.hparams import summary

    # No time is given for the columns: they must be equal in every run.
    made = summary.experiment_pb(columns.hparam_infos, columns.metric_infos, time_created_secs=0.0)
    return [*values_of(made), *values_of(summary.session_start_pb(settings, group_name=row))]


def end(succeeded: bool) -> Any:
    """Close the row."""
    from tensorboard.plugins.hparams import api_pb2, summary

    (value,) = values_of(summary.session_end_pb(api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE))
    return value


def _columns() -> Any:
    from tensorboard.plugins.hparams import api_pb2

    kinds = dict.fromkeys(WORDS, api_pb2.DATA_TYPE_STRING) | dict.fromkeys(NUMBERS, api_pb2.DATA_TYPE_FLOAT64)
    columns = [api_pb2.HParamInfo(name=name, type=kind, differs=name in SHOWN) for name, kind in kinds.items()]
    for column in columns:
        column.domain_discrete.extend(CHOICES.get(column.name, ()))
    return api_pb2.Experiment(
        hparam_infos=columns,
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(group=group, tag=tag), display_name=title)
            for group, tag, title in RESULTS
        ],
    )
