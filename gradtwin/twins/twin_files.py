"""Twins in a user's own Python file: `FILE.py` for all of them, `FILE.py:OBJECT` for one."""

import dataclasses
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.twins.twin import Twin


def is_file_target(target: str) -> bool:
    """Tell `FILE.py` and `FILE.py:OBJECT` from the name of a twin."""
    return _split(target)[0].endswith(".py")


def load(target: str) -> dict[str, Twin]:
    """Import a user's file and give the twins asked for.

    Args:
        target: `FILE.py` for every Twin at its top level, in order; `FILE.py:OBJECT` for a Twin of that
            name, or any object with the attributes `manual`, `reference` and `batch`; what else it has of
            Twin's fields counts too.

    Returns:
        The twins, one or more, each under the `FILE.py:OBJECT` that names it.

    Raises:
        InputError: there is no such file or object, the file does not import, or nothing in it is a twin.
    """
    file, _, name = _split(target)
    module = _import(Path(file))
    found = vars(module)
    if name:
        if name not in found:
            raise InputError(
                f"{file} has no {name!r}.{did_you_mean(name, [n for n in found if n[0] != '_'])}"
            )
        return {target: as_twin(found[name], name, target)}
    twins = {f"{file}:{name}": value for name, value in found.items() if isinstance(value, Twin)}
    if not twins:
        raise InputError(
            f"{file} holds no gradtwin.Twin at its top level; name another object as {file}:OBJECT."
        )
    return twins


def _split(target: str) -> tuple[str, str, str]:
    head, colon, tail = target.rpartition(":")
    return (head, colon, tail) if head.endswith(".py") else (target, "", "")


def _import(file: Path) -> ModuleType:
    if not file.is_file():
        raise InputError(f"There is no file {file}.")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None  # a name that ends in .py always has a loader
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))  # a script's own folder, as `python FILE.py` has it
    sys.modules.setdefault(file.stem, module)
    load_tensorflow()  # in silence: the file is about to load it with all its messages
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InputError(f"{file} does not import: {_described(error, file)}") from error
    return module


def _described(error: BaseException, file: Path) -> str:
    """Word an exception of the user's code with the deepest line of the user's file in it."""
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, SyntaxError):
        return what
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if Path(at.filename) == file]
    return f"{what} (line {lines[-1]})" if lines else what


def as_twin(candidate: Any, name: str, target: str) -> Twin:
    """Take a Twin as it is, and make one of an object with `manual`, `reference` and `batch`.

    Args:
        candidate: the object; what else it has of Twin's fields counts too.
        name: what the twin is called if the object has no name of its own.
        target: what the user calls the object, for the error message.

    Raises:
        InputError: it lacks one of the three.
    """
    if isinstance(candidate, Twin):
        return candidate
    missing = [side for side in ("manual", "reference", "batch") if not hasattr(candidate, side)]
    if missing:
        raise InputError(
            f"{target} is no twin but a {type(candidate).__name__}: expected a gradtwin.Twin, or an object "
            f"with manual, reference and batch; it has no {', no '.join(missing)}."
        )
    fields = [field.name for field in dataclasses.fields(Twin) if hasattr(candidate, field.name)]
    return Twin(**({"name": name} | {field: getattr(candidate, field) for field in fields}))
