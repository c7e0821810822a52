"""The command `gradtwin board`: TensorBoard on the runs, on this machine only."""

import signal
import sys
from pathlib import Path

import click

from gradtwin.commands.command_line import A_FILE, Command
from gradtwin.core.errors import InputError


@click.command(cls=Command, epilog="Example: gradtwin board --logdir logs --port 6007")
@click.option("--logdir", type=A_FILE, default=Path("logs"), help="Directory of the runs.")
@click.option("--port", type=int, default=6006, help="Port to listen on; 0 takes any free one.")
def command(logdir: Path, port: int) -> None:
    """Open the runs in TensorBoard, on this machine only, until Ctrl-C."""
    from gradtwin.training.tensorboard import tensorboard

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that TensorBoard does not outlive us
    port = port or tensorboard.free_port()
    process = tensorboard.launch(logdir, port)
    try:
        click.echo(tensorboard.where_to_look(port))
        if not tensorboard.has_runs(logdir):
            click.echo(f"No runs in {logdir} yet. Start one with: gradtwin train xor")
        status = process.wait()
    except KeyboardInterrupt:
        return
    finally:
        process.terminate()
        process.wait()
    if status:
        raise InputError(f"TensorBoard ended with status {status}.")
