"""The rooms of gradtwin/ stand in one order, and every import points down; no import is excepted."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "gradtwin").rglob("*.py"))
# The order is read off the page that tells it, lowest room first.
TOLD = re.search(r"```rooms\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.DOTALL)
ROOMS = [line.split()[0] for line in reversed(TOLD[1].splitlines())] if TOLD else []


def name_of(file: Path) -> str:
    """Give a file's name as a module."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file) for file in SOURCES}


def imports_of(module: str, text: str) -> set[str]:
    """Name the modules of gradtwin that a module imports: at its top, inside functions and for type checkers."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {inner if (inner := f"{node.module}.{a.name}") in MODULES else node.module for a in node.names}
    return {name for name in found if name.split(".")[0] == "gradtwin" and name != module}


def room_of(module: str) -> str:
    """Give a module's room; the root of the package is a room above all others."""
    return module.split(".")[1] if module.count(".") and module.split(".")[1] in ROOMS else ""


def upward(imports: dict[str, set[str]]) -> list[str]:
    """List the imports that point to a higher room, or to the root."""
    height = {room: i for i, room in enumerate([*ROOMS, ""])}
    return [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if height[room_of(other)] > height[room_of(module)]
    ]


IMPORTS = {name_of(file): imports_of(name_of(file), file.read_text(encoding="utf-8")) for file in SOURCES}


def test_every_module_lies_in_a_room_of_the_map():
    """In the root there are the public names, the pytest plugin and `python -m gradtwin`, and nothing else."""
    outside = {module for module in MODULES if not room_of(module)}
    assert outside == {"gradtwin", "gradtwin.__main__", "gradtwin.pytest_plugin"}
    assert {room_of(module) for module in MODULES} - {""} == set(ROOMS)


def test_every_import_points_down():
    """Those inside functions and for type checkers too."""
    assert upward(IMPORTS) == []


def test_no_two_modules_import_each_other():
    """Nor do three in a circle, inside one room neither."""
    graphlib.TopologicalSorter(IMPORTS).prepare()


@pytest.mark.parametrize(
    "line",
    [
        "from gradtwin.commands import cli",
        "import gradtwin.reporting.page",
        "def f():\n    from gradtwin.checking.check import check",
        "if TYPE_CHECKING:\n    from gradtwin import Report",
    ],
)
def test_a_planted_upward_import_is_seen(line):
    """In a module of a low room, wherever it stands."""
    module = "gradtwin.core.errors"
    planted = IMPORTS | {module: imports_of(module, line)}
    assert [text.split()[0] for text in upward(planted)] == [module]


def test_a_planted_circle_is_seen():
    """Of two modules of one room."""
    planted = IMPORTS | {"gradtwin.core.errors": {"gradtwin.core.report"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(planted).prepare()


def test_every_module_can_be_imported_alone():
    """Before any other, and without a warning: none leans on what another has imported."""
    code = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    for loaded in [m for m in sys.modules if m.split(".")[0] in ("gradtwin", "manual_grads", "tf_reference")]:
        del sys.modules[loaded]
"""
    alone = [sys.executable, "-W", "error", "-c", code, *sorted(MODULES - {"gradtwin.__main__"})]
    done = subprocess.run(alone, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
