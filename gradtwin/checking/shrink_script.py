"""The script that repeats a shrunk check: it imports the functions, and holds the numbers as literals."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.checking.settings import OF_FUNCTIONS, OF_TWINS, CheckSettings
from gradtwin.core.errors import InputError
from gradtwin.core.precision import is_floating
from gradtwin.core.report import Report
from gradtwin.core.whole_file import write_whole
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array, Params

HEADER = '"""The smallest example found by gradtwin'
FEW = 24
"""An array of more entries, most of them zero, is written as zeros and the others."""


@dataclass(frozen=True)
class Source:
    """The lines of a script that depend on what is checked.

    Attributes:
        paths: directories the imports need on the path.
        imports: lines that import or find the functions.
        call: the expression that runs the check, of `params` and `batch`.
    """

    paths: tuple[str, ...]
    imports: tuple[str, ...]
    call: str


def source_of_twin(twin: Twin, where: str | None, settings: CheckSettings) -> Source:
    """Say how a script finds a twin and checks it at `params` and `batch`.

    Args:
        twin: the twin.
        where: a name in the catalogue or `FILE.py:OBJECT`; None to look for the twin in the loaded modules.
        settings: how the check is made.

    Raises:
        InputError: the twin is at the top level of no module.
    """
    call = f"gradtwin.check(at_point(twin, params, batch), {settings.keywords(OF_TWINS)})"
    if where is None:
        paths, line = _import_of(twin, "twin")
        return Source(paths, ("import gradtwin", "from gradtwin import at_point", line), call)
    if ".py" not in where:
        module, find = "catalog", f"twin = catalog.get({where!r})"
    else:
        file, _, name = where.rpartition(":")
        target = f"{Path(file).resolve()}:{name}"
        module, find = "twin_files", f"(twin,) = twin_files.load({target!r}).values()"
    return Source((), ("import gradtwin", f"from gradtwin import at_point, {module}", "", find), call)


def source_of_functions(manual: Callable[..., Any], reference: Any, settings: CheckSettings) -> Source:
    """Say how a script imports two functions and checks them at `params` and `batch`.

    Raises:
        InputError: one of them is at the top level of no module.
    """
    (paths, first), (others, second) = _import_of(manual, "manual"), _import_of(reference, "reference")
    call = f"gradtwin.check_gradients(manual, reference, params, *batch, {settings.keywords(OF_FUNCTIONS)})"
    return Source(tuple(dict.fromkeys(paths + others)), ("import gradtwin", first, second), call)


def _import_of(thing: Any, alias: str) -> tuple[tuple[str, ...], str]:
    """Find the name of a thing at the top level of a module, and the directory that module is imported from."""
    if isinstance(thing, str):
        return (), f"{alias} = {thing!r}"
    module, name = _place_of(thing)
    if module is None:
        what = getattr(thing, "__qualname__", None) or f"the {type(thing).__name__}"
        raise InputError(
            f"The script cannot import {what}: expected it at the top level of a module; move it there."
        )
    file = Path(getattr(module, "__file__", None) or "")
    stem = file.stem if module.__name__ == "__main__" else module.__name__
    directory = file.resolve().parents[stem.count(".") + (file.stem == "__init__")]
    installed = importlib.util.find_spec(stem.partition(".")[0]) is not None and "site-packages" in str(file)
    return (() if installed else (str(directory),)), f"from {stem} import {name} as {alias}"


def _place_of(thing: Any) -> tuple[Any, str]:
    """Find the module and the name of a thing: its own module first, then any that holds it."""
    own = sys.modules.get(getattr(thing, "__module__", None) or "")
    for module in [own, *sys.modules.values()]:
        file = getattr(module, "__file__", None)
        if module is None or file is None or str(file).startswith(str(Path(__file__).parents[1])):
            continue
        for name, value in list(vars(module).items()):
            if value is thing and name.isidentifier():
                return module, name
    return None, ""


def write_script(file: Path, source: Source, params: Params, batch: Batch, report: Report, size: str) -> Path:
    """Write the script.

    Args:
        file: where to.
        source: what is checked.
        params: the parameters.
        batch: the batch's arrays.
        report: what the check says there.
        size: how small the example is.

    Raises:
        InputError: another file is there, or the disk is full. Then the file stays as it was.
    """
    refuse_to_replace(file)
    blame = f", blame: {report.blame}" if report.blame else ""
    lines = [
        f"{HEADER}: {report.twin}, {report.verdict}{blame}; {size}.",
        "",
        "It imports the functions from where they are, and exits with status 1 until the two sides agree.",
        '"""',
        "",
        "import dataclasses",
        "import sys",
        "",
        *(f"sys.path.insert(0, {path!r})" for path in source.paths),
        *_imports(params, batch),
        "",
        *source.imports,
        "",
        *_assignments("params", params),
        "",
        *_assignments("batch", dict(enumerate(batch))),
        "batch = tuple(batch.values())",
        "",
        f"report = {source.call}",
        'print(dataclasses.replace(report, command=f"python {sys.argv[0]}", notes=()))',
        "sys.exit(not report.agrees)",
    ]
    write_whole(file, "\n".join(lines) + "\n", replace=True)
    return file


def refuse_to_replace(file: Path) -> None:
    """Raise an InputError where a script would be written over something else, or nowhere."""
    if not file.parent.is_dir():
        raise InputError(f"Cannot write {file.name}: there is no directory {file.parent}.")
    if file.is_dir() or (file.exists() and not file.read_text(errors="replace").startswith(HEADER)):
        raise InputError(f"{file} exists and was not written by --shrink-to or shrink; choose another name.")


def _imports(params: Params, batch: Batch) -> list[str]:
    """Import numpy, and bfloat16 from where it comes from."""
    formats = {str(np.asarray(array).dtype) for array in (*params.values(), *batch)}
    return [*(["import ml_dtypes"] if "bfloat16" in formats else []), "import numpy as np"]


def _assignments(name: str, arrays: dict[Any, Array]) -> list[str]:
    """Write a dictionary of arrays as literals that give the same bits."""
    lines = [f"{name} = {{}}"]
    for key, array in arrays.items():
        array = np.asarray(array)
        kind = f"{'ml_dtypes' if array.dtype == 'bfloat16' else 'np'}.{array.dtype}"
        if is_floating(array):
            array = array.astype(np.float64)  # exact, and Python can write its numbers
        target = f"{name}[{key!r}]"
        flat = np.flatnonzero(array)
        if array.size > FEW and flat.size <= array.size // 4:
            lines.append(f"{target} = np.zeros({array.shape}, {kind})")
            lines += [f"{target}[{_index(array, int(i))}] = {array.flat[i].item()!r}" for i in flat]
        else:
            lines.append(f"{target} = np.array({array.tolist()!r}, {kind})")
    return lines


def _index(array: Array, flat: int) -> str:
    return ", ".join(str(int(i)) for i in np.unravel_index(flat, array.shape)) or "()"
