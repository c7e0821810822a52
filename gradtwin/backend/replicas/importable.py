"""A reference named so that another process can import it: its file or module, and its name there."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from gradtwin.core.errors import InputError


@dataclass(frozen=True)
class Importable:
    """A function at the top level of a module.

    Attributes:
        module: the module's name.
        file: the module's file.
        name: the function's name in it, with dots where it is an attribute of a class.
    """

    module: str
    file: str
    name: str

    def load(self) -> Callable[..., Any]:
        """Import the module, by its name where that leads to the file, else from the file, and give the function."""
        thing: Any = self._module()
        for part in self.name.split("."):
            thing = getattr(thing, part)
        return thing

    def _module(self) -> ModuleType:
        known = sys.modules.get(self.module)
        if known is not None and getattr(known, "__file__", None) == self.file:
            return known
        spec = _spec(self.module)
        if spec is not None and spec.origin == self.file:
            return importlib.import_module(self.module)
        spec = importlib.util.spec_from_file_location(self.module, self.file)
        assert spec is not None and spec.loader is not None  # the file was imported before, by another process
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(Path(self.file).parent))  # as `python FILE.py` has it
        sys.modules[self.module] = module
        spec.loader.exec_module(module)
        return module


def _spec(module: str) -> Any:
    try:
        return importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None


def importable(function: Callable[..., Any]) -> Importable:
    """Name a function for another process.

    Raises:
        InputError: it is defined inside another function, or in no file.
    """
    module, name = getattr(function, "__module__", ""), getattr(function, "__qualname__", "")
    found: Any = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not file or found is not function:
        what = name or f"a {type(function).__name__}"
        raise InputError(
            f"Route multiworker runs the reference in two other processes, which import it by its name: {what} is no "
            "function at the top level of a file. Move it there, or take route mirrored."
        )
    return Importable(Path(file).stem if module == "__main__" else module, str(Path(file).resolve()), name)
