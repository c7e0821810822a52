"""The command `gradtwin train`: train both sides in lockstep."""

from pathlib import Path
from typing import Any

import click

from gradtwin.commands.command_line import (
    A_FILE,
    INTERRUPTED,
    TARGET,
    Command,
    OneOf,
    as_json,
    print_json,
    stdout_kept_clean,
    twins_asked_for,
    twins_that_begin_with,
)
from gradtwin.core.dtypes import DEFAULT_DTYPES


@click.command(
    cls=Command, epilog="Example: gradtwin train xor --steps 99 --learning-rate 1 --learning-rate 0.1"
)
@click.argument("names", nargs=-1, required=True, metavar=f"{TARGET}...", help="Networks to train.",
                shell_complete=twins_that_begin_with)  # fmt: skip
@click.option("--steps", type=int, help="Number of steps.")
@click.option("--epochs", type=int, help="Number of passes over the data, instead of --steps.")
@click.option("--learning-rate", type=float, multiple=True, help="Repeat the option for one run at each rate.")
@click.option("--batch-size", type=int, help="Examples in a batch.")
@click.option("--seed", type=int, help="Draws the start, batches and dropout masks (default: the source's own start).")
@click.option("--dtype", type=OneOf(DEFAULT_DTYPES), default="float64", help="Floating-point format of both sides.")
@click.option("--optimizer", type=OneOf(["gd", "adam"]), help="Gradient descent or Adam.")
@click.option("--keep", type=float, help="Probability that dropout keeps a unit.")
@click.option("--hidden", type=int, multiple=True, help="Width of a hidden layer; repeat the option for each layer.")
@click.option("--data", metavar="FILE", help="Train on this CSV file; its last column is the label.")
@click.option("--data-dir", type=A_FILE, help="Directory of the MNIST files.")
@click.option("--logdir", type=A_FILE, default=Path("logs"), help="Directory of TensorBoard's files.")
@as_json
def command(
    names: tuple[str, ...],
    learning_rate: tuple[float, ...],
    hidden: tuple[int, ...],
    logdir: Path,
    as_json: bool,
    **settings: Any,
) -> int:
    """Train both sides in lockstep from one start, on the same batches and dropout masks.

    Each twin has its own defaults: steps, learning rate, batch size, optimizer, dropout.
    """
    from gradtwin.commands.runs import planned_runs
    from gradtwin.commands.train_terminal import print_history, training_progress
    from gradtwin.training.settings import TrainingSettings

    with stdout_kept_clean(as_json):
        asked = TrainingSettings(**settings)
        planned = planned_runs(twins_asked_for(names).values(), learning_rate or [None], hidden, asked)
        histories = []
        for run in planned:
            with training_progress(run.twin.name, shown=not as_json) as progress:
                histories.append(run.train(logdir, progress))
            if not as_json:
                print_history(histories[-1], run.twin)
            if histories[-1].interrupted:
                break
    if as_json:
        print_json([history.to_dict() for history in histories])
    return INTERRUPTED if histories[-1].interrupted else 0
