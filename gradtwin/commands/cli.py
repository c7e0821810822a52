"""The command line: put the commands together, run one, and turn its outcome into an exit status.

A command's module is loaded when that command runs, and TensorFlow inside it only where it computes, so that `gradtwin
--help` and `gradtwin list` answer at once.

Exit status: 0 all well; 1 a check failed; 2 wrong usage or bad input, with one line on stderr; 130 stopped by Ctrl-C.
"""

import importlib
import os
import shutil
import sys
import textwrap
from typing import Any, NoReturn, TextIO, cast

import click

from gradtwin.commands.command_line import BAD_INPUT, HELP, INTERRUPTED
from gradtwin.core.chatter import let_idle_threads_sleep, silence_tensorflow
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.core.version import __version__

COMMANDS = ("list", "check", "explain", "train", "replay", "faults", "sweep", "report", "board")
SHELLS = ("bash", "zsh", "fish")
FIRST_STEPS = {
    "gradtwin check xor": "is every manual gradient right?",
    "gradtwin train xor": "both sides from one start, step by step",
    "gradtwin board": "the curves of both, in TensorBoard",
}


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    silence_tensorflow()
    let_idle_threads_sleep()
    cast(TextIO, sys.stdout).reconfigure(errors="replace")  # type: ignore[attr-defined]
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run one command line.

    Args:
        arguments: the words after `gradtwin`; those of the process if None.

    Returns:
        The exit status.
    """
    try:
        status = app.main(sys.argv[1:] if arguments is None else arguments, "gradtwin", standalone_mode=False)
        sys.stdout.flush()
        return status or 0
    except InputError as error:
        return _refuse(str(error))
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "gradtwin"
        return _refuse(f"{_with_full_stop(error.format_message())} See {command} --help.")
    except BrokenPipeError:
        # The reader has gone (`gradtwin list | head -1`); leave Python nothing to complain about at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED


class Commands(click.Group):
    """All commands, each loaded from the module of its name when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"gradtwin.commands.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _print_version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"gradtwin {__version__}")
        context.exit()


def _complete(context: click.Context, parameter: click.Parameter, shell: str | None) -> None:
    if shell is not None:
        from gradtwin.commands import completion

        shell = os.path.basename(os.environ.get("SHELL", "bash")) if shell == "this" else shell
        if shell not in SHELLS:
            raise InputError(f"Completion: expected {', '.join(SHELLS)}; got {shell!r}. Try {parameter.opts[0]} bash.")
        action = completion.install if parameter.name == "install_completion" else completion.script
        click.echo(action(context.command, shell))
        context.exit()


def _completion_option(name: str, text: str) -> Any:
    """Declare an option that takes a shell, or, standing alone, finds out which one this is."""
    return click.option(
        name, is_flag=False, flag_value="this", metavar="[SHELL]", help=text, expose_value=False, callback=_complete
    )


@click.group(cls=Commands, invoke_without_command=True, context_settings=HELP, epilog="Example: gradtwin check xor")
@click.option("--version", is_flag=True, help="Print the version.", expose_value=False, callback=_print_version)
@_completion_option("--install-completion", "Let this shell complete commands, options and names.")
@_completion_option("--show-completion", "Print the script that --install-completion installs.")
@click.pass_context
def app(context: click.Context) -> None:
    """Check hand-derived gradients against TensorFlow's, and train both sides in lockstep."""
    if context.invoked_subcommand is None:
        width = max(map(len, FIRST_STEPS))
        lines = [
            "Gradtwin compares hand-derived gradients with TensorFlow's. First steps:",
            "",
            *(f"  {command:<{width}}  {purpose}" for command, purpose in FIRST_STEPS.items()),
            "",
            "Your own gradient: gradtwin check FILE.py",
            "Every command and option: gradtwin --help",
        ]
        for line in lines:
            click.echo(textwrap.fill(line, shutil.get_terminal_size().columns, subsequent_indent="    "))


def _with_full_stop(message: str) -> str:
    return message if message.endswith((".", "?")) else f"{message}."


def _refuse(line: str) -> int:
    """Say on stderr, in one line, what was wrong."""
    print(" ".join(f"gradtwin: {line}".split()), file=sys.stderr)
    return BAD_INPUT
