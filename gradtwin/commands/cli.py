"""The command line: read what was asked, call the library, hand what comes of it to `gradtwin.commands.terminal`.

Nothing here loads TensorFlow: each command imports what it needs when it runs, so that `gradtwin --help` and
`gradtwin list` answer at once.

Exit status: 0 all well; 1 a check failed; 2 wrong usage or bad input, with one line on stderr; 130 stopped by
Ctrl-C.
"""

import contextlib
import dataclasses
import importlib.metadata
import itertools
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TextIO, cast

import typer

from gradtwin.commands.command_line import (
    BAD_INPUT,
    CHECK_FAILED,
    INTERRUPTED,
    figures_that_begin_with,
    twins_that_begin_with,
)
from gradtwin.commands.sweep import sweep_cases
from gradtwin.core.chatter import let_idle_threads_sleep, silence_tensorflow
from gradtwin.core.dtypes import DEFAULT_DTYPES, Dtype
from gradtwin.core.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from gradtwin.core.report import Report
    from gradtwin.twins.twin import Twin

TrainingDtype = Literal["float64", "float32"]
Route = Literal["tape", "gradients", "xla", "mirrored", "multiworker"]
Optimizer = Literal["gd", "adam"]
Form = Literal["html", "md", "json", "junit"]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

app = typer.Typer(
    epilog="Example: gradtwin check xor",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
        words = sys.argv[1:] if arguments is None else arguments
        if words in (["list"], ["list", "--json"]):
            # To read options Typer loads Pydantic, which takes longer than to name all twins.
            status = list_twins(json=len(words) > 1)
        else:
            status = app(words, prog_name="gradtwin", standalone_mode=False)
        sys.stdout.flush()
        return status or 0
    except InputError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        # The reader has gone (`gradtwin list | head -1`); leave Python nothing to complain about at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _refuse(
            f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        )
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        # Typer's usage errors have had several base classes in its history; all of them can word themselves.
        if not hasattr(error, "format_message"):
            raise
        command = getattr(getattr(error, "ctx", None), "command_path", "gradtwin")
        return _refuse(f"{_worded(error.format_message())} {command} --help names what there is.")


@app.callback(invoke_without_command=True)
def gradtwin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Check hand-written gradients against TensorFlow's, and train both sides in lockstep."""
    if version:
        typer.echo(f"gradtwin {importlib.metadata.version('gradtwin')}")
    elif context.invoked_subcommand is None:
        from gradtwin.commands import terminal as rendering

        rendering.print_first_steps()


@app.command("list", epilog="Example: gradtwin list --json")
def list_twins(json: Json = False) -> None:
    """Name every twin, with its size, loss, data and source."""
    from gradtwin.commands import terminal as rendering
    from gradtwin.twins import catalog

    rows = [rendering.twin_row(twin) for twin in catalog.twins()]
    if json:
        rendering.print_json(rows)
    else:
        rendering.print_twins(rows)


@app.command(epilog="Example: gradtwin check xor --dtype float64 --route tape --seed 7")
def check(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | FILE.py[:OBJECT]]...",
            help="What to check; every twin if absent.",
            autocompletion=twins_that_begin_with,
        ),
    ] = None,
    dtype: Annotated[Dtype | None, typer.Option(help="Only this dtype.")] = None,
    route: Annotated[Route | None, typer.Option(help="Only this way to TensorFlow's gradient.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Where TensorFlow computes, such as GPU:0; the CPU if absent.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the operating point.")] = 0,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Ask more witnesses, and check second derivatives too.")
    ] = False,
    shrink_to: Annotated[
        Path | None,
        typer.Option(metavar="FILE.py", help="Write the smallest example that still fails, as a script."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare every hand-written gradient with TensorFlow's.

    Without --dtype in float64 and float32, without --route by three routes: eager tape, graph, XLA. Two more cut the
    batch for two replicas: mirrored on two devices, multiworker in two processes.
    """
    from gradtwin.backend.tensorflow_side import PARALLEL_ROUTES, ROUTES
    from gradtwin.commands import terminal as rendering

    if shrink_to is not None:
        _refuse_to_replace(shrink_to)
    with _stdout_kept_clean(json):
        twins = _asked_for(targets)
        if not targets and route in PARALLEL_ROUTES:
            twins = _with_examples(twins)
        reports = _checks(twins, dtype, route, seed, thorough, device)
        count = len(twins) * (1 if dtype else len(DEFAULT_DTYPES)) * (1 if route else len(ROUTES))
        done = list(reports) if json else rendering.print_checks(reports, count)
        if shrink_to is not None:
            _write_smallest(twins, done, shrink_to, thorough, device)
        elif not json:
            _offer_smallest(done)
    if json:
        rendering.print_json([report.to_dict() for report in done])
    if not all(report.agrees for report in done):
        raise typer.Exit(CHECK_FAILED)


@app.command("explain", epilog="Example: gradtwin explain neuron")
def explain_twin(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME | FILE.py[:OBJECT]",
            help="Whose chain rule.",
            show_default=False,
            autocompletion=twins_that_begin_with,
        ),
    ],
    step: Annotated[
        int | None, typer.Option(min=0, help="In the midst of a training: after so many updates of train's defaults.")
    ] = None,
    fault: Annotated[
        str | None, typer.Option(metavar="ID", help="With this fault planted in it; gradtwin faults NAME lists them.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Draws the example; the source's own start if absent.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the chain rule on an example: each step's formula, its local gradient, and its value by three ways."""
    from gradtwin.commands import terminal as rendering
    from gradtwin.explanation.explain import explain

    with _stdout_kept_clean(json):
        twins = _asked_for([name])
        if len(twins) > 1:
            raise InputError(f"{name} holds {len(twins)} twins: name one, {' or '.join(twins)}.")
        with rendering.waiting("computing every step", shown=not json):
            explanation = explain(*twins.values(), step=step, fault=fault, seed=seed)
    if json:
        rendering.print_json([explanation.to_dict()])
    else:
        rendering.print_explanation(explanation)


@app.command("train", epilog="Example: gradtwin train xor --steps 500 --learning-rate 0.1 --learning-rate 0.01")
def train_twins(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME | FILE.py[:OBJECT]...",
            help="What to train.",
            show_default=False,
            autocompletion=twins_that_begin_with,
        ),
    ],
    steps: Annotated[int | None, typer.Option(help="How many updates.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the data, instead of steps.")] = None,
    learning_rate: Annotated[
        list[float] | None, typer.Option(help="Give it more than once for a run of each.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draws start, batches and masks; the source's own start if absent.")
    ] = None,
    dtype: Annotated[TrainingDtype, typer.Option(help="Of everything on both sides.")] = "float64",
    optimizer: Annotated[Optimizer | None, typer.Option(help="Gradient descent or Adam.")] = None,
    keep: Annotated[float | None, typer.Option(help="Probability that dropout keeps a unit.")] = None,
    hidden: Annotated[
        list[int] | None, typer.Option(help="Width of a hidden layer; give it once for each layer.")
    ] = None,
    data: Annotated[str | None, typer.Option(metavar="FILE", help="A CSV table, the label last.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the MNIST files are.")] = None,
    logdir: Annotated[Path, typer.Option(help="Where TensorBoard's files go.")] = Path("logs"),
    json: Json = False,
) -> None:
    """Train both sides in lockstep from one start, on the same batches and dropout masks.

    What is left out is the twin's own: steps, learning rate, batch size, optimizer, dropout.
    """
    from gradtwin.commands import runs
    from gradtwin.commands import terminal as rendering

    with _stdout_kept_clean(json):
        planned = runs.arrange(
            _asked_for(names).values(), learning_rate or [None], hidden or (), steps=steps, epochs=epochs,
            batch_size=batch_size, seed=seed, dtype=dtype, optimizer=optimizer, keep=keep, data=data,
            data_dir=data_dir,
        )  # fmt: skip
        histories = []
        for run in planned:
            with rendering.training_progress(run.twin.name, shown=not json) as progress:
                histories.append(run.train(logdir, progress))
            if not json:
                rendering.print_history(histories[-1], run.twin)
            if histories[-1].interrupted:
                break
    if json:
        rendering.print_json([history.to_dict() for history in histories])
    if histories[-1].interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command("replay", epilog="Example: gradtwin replay 001-handset 003-dW")
def replay_figures(
    figures: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FIGURE]...", help="Which ones; all if absent.", autocompletion=figures_that_begin_with
        ),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the MNIST files are.")] = None,
    json: Json = False,
) -> None:
    """Reproduce the figures printed in the source documents, with both sides."""
    from gradtwin.commands import terminal as rendering
    from gradtwin.replay import replay

    with rendering.waiting("computing the printed figures", shown=not json):
        rows = replay(figures, data_dir)
    if json:
        rendering.print_json([row.to_dict() for row in rows])
    else:
        rendering.print_replay(rows)
    if any(row.reproduced is False for row in rows):
        raise typer.Exit(CHECK_FAILED)


@app.command("faults", epilog="Example: gradtwin faults neuron --sample 3")
def score_faults(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Whose faults, each with its line; all if absent.",
            autocompletion=twins_that_begin_with,
        ),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many of each twin.")] = None,
    half: Annotated[int | None, typer.Option(min=1, max=2, help="Only one half; no rule is tuned on half 2.")] = None,
    json: Json = False,
) -> None:
    """Plant faults in every backward pass, and count how many the check sees, places and explains."""
    from gradtwin.commands import terminal as rendering
    from gradtwin.faults.score import score_each
    from gradtwin.twins import catalog

    twins = [catalog.get(name) for name in names or catalog.names()]
    rows = score_each(twins, sample, half)
    if json:
        done = list(rows)
        rendering.print_json([row.to_dict() for row in done])
    else:
        done = rendering.print_faults(rows, each=bool(names))
    if not all(row.caught for row in done):
        raise typer.Exit(CHECK_FAILED)


app.command("sweep", epilog="Example: gradtwin sweep xor --axis seed=0..9 --workers 1")(sweep_cases)


@app.command("report", epilog="Example: gradtwin report gates neuron --output report.html")
def write_report(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME | FILE.py[:OBJECT]]...",
            help="What to report on; every twin if absent.",
            autocompletion=twins_that_begin_with,
        ),
    ] = None,
    output: Annotated[
        list[Path] | None,
        typer.Option(help="The file, report.html if absent; give it more than once for several forms of one report."),
    ] = None,
    format: Annotated[
        Form | None, typer.Option(help="What the file holds; by its name's ending if absent.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write verdicts, error maps, trainings and planted faults into one file: for a browser, a pull request or CI."""
    from gradtwin.commands import terminal as rendering
    from gradtwin.reporting.dossier import gather
    from gradtwin.reporting.forms import forms_of, write_all

    files = forms_of(output or [Path("report.html")], format, force=force)
    with _stdout_kept_clean(json=True), rendering.telling() as tell:
        dossier = gather(_asked_for(names), progress=tell)
    write_all(dossier, files, force=force)
    rendering.print_report_files(dossier, list(files))
    if not dossier.passed:
        raise typer.Exit(CHECK_FAILED)


@app.command(epilog="Example: gradtwin board --logdir logs --port 6007")
def board(
    logdir: Annotated[Path, typer.Option(help="Where the runs are.")] = Path("logs"),
    port: Annotated[int, typer.Option(help="Where it listens; 0: any free port.")] = 6006,
) -> None:
    """Open the runs in TensorBoard, on this machine only, until Ctrl-C."""
    from gradtwin.training.tensorboard import tensorboard

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that TensorBoard does not outlive us
    port = port or tensorboard.free_port()
    process = tensorboard.launch(logdir, port)
    try:
        typer.echo(tensorboard.where_to_look(port))
        if not tensorboard.has_runs(logdir):
            typer.echo(f"There are no runs in {logdir} yet: gradtwin train xor makes one, and it will appear.")
        status = process.wait()
    except KeyboardInterrupt:
        return
    finally:
        process.terminate()
        process.wait()
    if status:
        raise InputError(f"TensorBoard ended with status {status}.")


def _asked_for(targets: list[str] | None) -> "dict[str, Twin]":
    """Find the twins of the names and files on the command line, each under what names it there."""
    from gradtwin.twins import catalog, twin_files

    twins: dict[str, Twin] = {}
    for target in targets or catalog.names():
        twins |= (
            twin_files.load(target) if twin_files.is_file_target(target) else {target: catalog.get(target)}
        )
    return twins


def _checks(
    twins: "dict[str, Twin]",
    dtype: Dtype | None,
    route: Route | None,
    seed: int,
    thorough: bool,
    device: str | None,
) -> "Iterator[Report]":
    from gradtwin.backend.tensorflow_side import ROUTES, load_tensorflow
    from gradtwin.checking.check import check as check_twin
    from gradtwin.checking.settings import OF_TWINS, CheckSettings
    from gradtwin.commands.side_by_side import side_by_side
    from gradtwin.twins import catalog

    ways = itertools.product([dtype] if dtype else DEFAULT_DTYPES, [route] if route else ROUTES)
    settings = [CheckSettings(*way, device=device, seed=seed, thorough=thorough) for way in ways]

    def checks_of(target: str) -> "list[Report]":
        return [one_check(target, setting) for setting in settings]

    def one_check(target: str, setting: CheckSettings) -> "Report":
        report = check_twin(twins[target], **setting.options(OF_TWINS))
        return dataclasses.replace(report, command=setting.command(target))

    if catalog.are_built_in(twins.values()):
        load_tensorflow()
        yield from itertools.chain.from_iterable(side_by_side(checks_of, twins))
    else:
        for target in twins:
            yield from (one_check(target, setting) for setting in settings)


def _with_examples(twins: "dict[str, Twin]") -> "dict[str, Twin]":
    """Leave out, of all twins, those whose batch has no examples to cut, and say which."""
    from gradtwin.commands.examples import has_examples

    kept = {target: twin for target, twin in twins.items() if has_examples(twin)}
    print(f"No batch of examples to cut, so left out: {', '.join(name for name in twins if name not in kept)}.\n")
    return kept


def _refuse_to_replace(file: Path) -> None:
    """Refuse a place for a script before the checks run."""
    from gradtwin.checking.shrink_script import refuse_to_replace

    refuse_to_replace(file)


def _offer_smallest(reports: "list[Report]") -> None:
    """Say how to get the smallest example of the first failure."""
    failed = next((report for report in reports if not report.agrees), None)
    if failed is not None:
        print(f"The smallest example that fails, as a script: {failed.command} --shrink-to smallest.py")


def _write_smallest(
    twins: "dict[str, Twin]", reports: "list[Report]", file: Path, thorough: bool, device: str | None
) -> None:
    """Write the smallest example of the first failure to a file."""
    from gradtwin.backend.tensorflow_side import PARALLEL_ROUTES
    from gradtwin.checking.settings import CheckSettings
    from gradtwin.checking.shrink import shrink

    failed = next((report for report in reports if not report.agrees), None)
    if failed is None:
        return
    settings = CheckSettings(failed.dtype, failed.route, device, seed=failed.seed, thorough=thorough)
    target = next(target for target in twins if failed.command == settings.command(target))
    # A batch that shrinks to one example cannot be cut; a wrong manual gradient is wrong on one device too.
    route = "tape" if failed.route in PARALLEL_ROUTES else failed.route
    smallest = shrink(
        twins[target], dtype=failed.dtype, route=route, seed=failed.seed, thorough=thorough, device=device, where=target
    )
    print(f"{smallest.write(file)}: {smallest.size}; python {file} repeats it.")


@contextlib.contextmanager
def _stdout_kept_clean(json: bool) -> Iterator[None]:
    """Send what a user's own code prints to stderr while stdout is to hold one JSON document."""
    with contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
        yield


def _worded(message: str) -> str:
    """Close a usage error with a full stop, or with the question what was meant."""
    message = message.replace("Value error, ", "").rstrip(".?")
    choice = re.search(r"'([^']+)' is not one of (.+)$", message)
    if choice:
        return f"{message}." + did_you_mean(choice[1], re.findall(r"\w+", choice[2]))
    message = re.sub(r" \(Possible options: (.*)\)$", r". Did you mean \1", message)
    return message + ("?" if "Did you mean" in message else ".")


def _refuse(line: str) -> int:
    """Say in one line on stderr what was wrong."""
    typer.echo(f"gradtwin: {' '.join(line.split())}", err=True)
    return BAD_INPUT
