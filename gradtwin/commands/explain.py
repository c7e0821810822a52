"""The command `gradtwin explain`: the chain rule on an example."""

import click

from gradtwin.commands.command_line import (
    AT_LEAST_0,
    TARGET,
    Command,
    as_json,
    one_twin,
    print_json,
    stdout_kept_clean,
    twins_that_begin_with,
)


@click.command(cls=Command, epilog="Example: gradtwin explain neuron")
@click.argument("name", metavar=TARGET, help="Network to explain.", shell_complete=twins_that_begin_with)
@click.option("--step", type=AT_LEAST_0, help="Explain the network after this many training steps.")
@click.option("--fault", metavar="ID", help="Plant this fault first; gradtwin faults NAME lists them.")
@click.option("--seed", type=AT_LEAST_0, help="Draws the example (default: the source's own start).")
@as_json
def command(name: str, step: int | None, fault: str | None, seed: int | None, as_json: bool) -> None:
    """Show the chain rule on an example: each step's formula, local gradient and value, computed in three ways."""
    from rich.text import Text

    from gradtwin.commands.terminal import console, waiting
    from gradtwin.explanation.explain import explain
    from gradtwin.explanation.text import lines_of

    with stdout_kept_clean(as_json):
        twin = one_twin(name)
        with waiting("computing every step", shown=not as_json):
            explanation = explain(twin, step=step, fault=fault, seed=seed)
    if as_json:
        print_json([explanation.to_dict()])
        return
    out = console()
    for text, style in lines_of(explanation, min(out.width, 100)):
        out.print(Text(text, style=style), soft_wrap=True)
