"""Write what the pages take from the code: the commands, the code of every network, the rooms and their modules.

    python docs/generate.py

The command reference (commands.md) is made whole from the command line's own declarations. A derivation page and
the architecture keep their text; what stands between the two marks is written anew. `tests/docs` fails when a page
differs from what this writes.
"""

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))  # this directory is no package

import rooms  # noqa: E402

BEGIN = "<!-- from here to the end mark written by docs/generate.py -->"
END = "<!-- end mark -->"


def generated() -> dict[Path, str]:
    """Give every page that is generated in whole or in part, as it should be."""
    return {DOCS / "commands.md": command_reference()} | _drawn_from_imports() | {
        page: with_code(page.read_text(encoding="utf-8"), code) for page, code in _code_of_pages().items()
    }


def main() -> None:
    """Write the pages that differ, and name them."""
    for page, text in generated().items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(ROOT))


# ---- the architecture ---------------------------------------------------------------------------------


def _drawn_from_imports() -> dict[Path, str]:
    """Give the picture of the rooms, and the page with the list of their modules."""
    page = rooms.PAGE.read_text(encoding="utf-8")
    return {DOCS / "assets" / "rooms.svg": rooms.picture(), rooms.PAGE: with_code(page, rooms.module_list())}


# ---- the code of a network --------------------------------------------------------------------------


def with_code(page: str, code: str) -> str:
    """Put a section into a page, between the marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the two marks, {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{code}\n\n{END}{after}"


def _code_of_pages() -> dict[Path, str]:
    from gradtwin.twins import catalog

    networks = [twin for twin in catalog.twins() if not twin.name.startswith("node_")]
    pages = {DOCS / "derivations" / f"{twin.name}.md": _code_of(twin) for twin in networks}
    return pages | {DOCS / "derivations" / "nodes.md": _code_of_nodes()}


def _code_of(twin: Any) -> str:
    reference = twin.reference.replace(".", "/") + ".py"
    return "\n\n".join(
        [
            _facts(twin),
            f"By hand, `{_path_of(twin.manual)}`:",
            _fenced(_hand_code(twin.manual)),
            f"In TensorFlow, forward only, `{reference}`:",
            _fenced(_function_without_docstring(ROOT / reference, "forward")),
        ]
    )


def _facts(twin: Any) -> str:
    """Say what the catalogue knows: size, loss, data, and how it is trained."""
    plan, size = twin.training, sum(p.size for p in twin.start(None).values())
    batch = "the whole data set at a time" if plan.batch_size is None else f"batches of {plan.batch_size}"
    optimizer = {"gd": "gradient descent", "adam": "Adam"}[plan.optimizer]
    keep = f", dropout keeps {plan.keep:g}" if plan.keep is not None else ""
    how = f"by {optimizer}, learning rate {plan.learning_rate:g}, {plan.steps:,} steps, {batch}{keep}"
    data = {"fixed": "fixed numbers, not trained", "random": "random numbers, not trained"}
    trained = data.get(twin.data, f"trained on {twin.data} {how}")
    return f"In the catalogue: {size:,} parameters, `L = {twin.loss}`, reduction {twin.reduction}; {trained}."


def _hand_code(module: ModuleType) -> str:
    """Take forward, backward and their helpers from a page, in its order."""
    functions = [f for _, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__]
    shown = [f for f in functions if f.__name__ in ("forward", "backward") or f.__name__.startswith("_")]
    shown.sort(key=lambda f: f.__code__.co_firstlineno)
    return "\n\n\n".join(inspect.getsource(f).rstrip() for f in shown)


def _code_of_nodes() -> str:
    from manual_grads import nodes

    classes = [c for _, c in inspect.getmembers(nodes, inspect.isclass) if c.__module__ == nodes.__name__]
    classes.sort(key=lambda c: inspect.getsourcelines(c)[1])
    code = "\n\n\n".join(inspect.getsource(c).rstrip() for c in classes)
    return f"{_node_table()}\n\nBy hand, `{_path_of(nodes)}`:\n\n{_fenced(code)}"


def _node_table() -> str:
    """Give every node of the catalogue a row with the formulas of its docstring."""
    from gradtwin.explanation.formulas import formulas_of
    from gradtwin.twins import catalog

    rows = ["| twin | value | gradients |", "|---|---|---|"]
    for twin in catalog.twins():
        if twin.name.startswith("node_"):
            page = formulas_of(twin.manual, ())
            gradients = [str(formula) for name, formula in page.backward.items() if name != "dy"]
            cells = [", ".join(map(_code, formulas)) for formulas in (map(str, page.forward.values()), gradients)]
            rows.append(f"| `{twin.name}` | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


def _function_without_docstring(file: Path, name: str) -> str:
    """Read a function's source without importing its module; what its docstring says stands on the page."""
    source = file.read_text(encoding="utf-8")
    (function,) = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == name]
    lines, first = source.splitlines(), function.body[0]
    head, body = lines[function.lineno - 1 : first.lineno - 1], lines[(first.end_lineno or 0) : function.end_lineno]
    return "\n".join([*head, *body])


def _path_of(module: ModuleType) -> str:
    return str(Path(inspect.getfile(module)).resolve().relative_to(ROOT))


def _fenced(code: str) -> str:
    return f"```python\n{code}\n```"


# ---- the command reference ---------------------------------------------------------------------------

HEAD = """# Commands

Written by `docs/generate.py` from the declarations of the command line; `--help` after a command says the same.

| exit status | |
|---|---|
| 0 | all well |
| 1 | a check failed, or a figure was not reproduced |
| 2 | wrong usage or bad input, with one line on stderr |
| 130 | stopped by Ctrl-C; what was logged is readable, and the summary so far is printed |

`--json` prints one JSON document on stdout and nothing else. Colours are for terminals only, and `NO_COLOR` takes them
away. `gradtwin --install-completion` installs completion of commands, options, twins and figures for the shell at hand
(`--show-completion` prints it).
"""


def command_reference() -> str:
    """Describe every command with its arguments, options and example."""
    from gradtwin.commands.cli import COMMANDS, app

    return "\n".join([HEAD, *(_command(app.get_command(click.Context(app), name)) for name in COMMANDS)])


def _command(command: Any) -> str:
    context = click.Context(command, info_name=f"gradtwin {command.name or ''}".strip(), **command.context_settings)
    arguments = [p.make_metavar(context) for p in command.params if isinstance(p, click.Argument)]
    name = command.callback.__module__.rpartition(".")[2]
    usage = " ".join(["gradtwin", name, *arguments, "[options]"])
    rows = [
        f"| {_label(p, context)} | {_takes(p)} | {_default(p, context)} | {(p.help or '').replace('|', '&#124;')} |"
        for p in command.params
    ]
    return "\n".join(
        [
            f"## gradtwin {name}\n",
            f"{inspect.getdoc(command.callback)}\n",
            f"```\n{usage}\n```\n",
            f"For example:\n\n```sh\n{(command.epilog or '').removeprefix('Example: ')}\n```\n",
            "| | takes | default | |\n|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _label(parameter: click.Parameter, context: click.Context) -> str:
    return _code(parameter.make_metavar(context)) if isinstance(parameter, click.Argument) else _code(parameter.opts[0])


def _takes(parameter: click.Parameter) -> str:
    """Say what may follow an option; several times where it is a list."""
    if isinstance(parameter, click.Argument) or getattr(parameter, "is_flag", False):
        return ""
    kind, again = parameter.type, ", more than once" if parameter.multiple else ""
    if isinstance(kind, click.Choice):
        return " or ".join(_code(choice) for choice in kind.choices) + again
    limits = [f"at least {kind.min}"] if getattr(kind, "min", None) is not None else []
    limits += [f"at most {kind.max}"] if getattr(kind, "max", None) is not None else []
    words = {"integer": "a whole number", "integer range": "a whole number", "float": "a number", "text": "a word",
             "path": "a path"}  # fmt: skip
    word = _code(parameter.metavar) if parameter.metavar else words[kind.name]
    return ", ".join([word, *limits]) + again


def _default(parameter: click.Parameter, context: click.Context) -> str:
    """Give a default that the page of help shows as such."""
    shown = parameter.get_help_extra(context) if isinstance(parameter, click.Option) else {}
    return _code(shown["default"]) if "default" in shown else ""


def _code(text: str) -> str:
    """Set a word in code; a bar would end its cell in one of the two dialects of Markdown, however it is escaped."""
    return f"<code>{text.replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
