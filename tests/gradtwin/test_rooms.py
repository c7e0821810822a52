"""The rooms of gradtwin/ stand in one order, and every import points down; no import is excepted."""

import graphlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("docs_rooms", ROOT / "docs" / "rooms.py")
house = importlib.util.module_from_spec(spec)
spec.loader.exec_module(house)

ROOMS = list(house.rooms())
MODULES = house.sources()
IMPORTS = house.imports()


def upward(imports: dict[str, set[str]]) -> list[str]:
    """List the imports that point to a higher room, or to the root of the package."""
    depth = {room: i for i, room in enumerate(["", *ROOMS])}
    return [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in sorted(others)
        if depth[house.room_of(other)] < depth[house.room_of(module)]
    ]


def test_every_module_lies_in_a_room_of_the_map():
    """In the root there are the public names, the pytest plugin and `python -m gradtwin`, and nothing else."""
    outside = {module for module in MODULES if not house.room_of(module)}
    assert outside == {"gradtwin", "gradtwin.__main__", "gradtwin.pytest_plugin"}
    assert {house.room_of(module) for module in MODULES} - {""} == set(ROOMS)


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
    planted = IMPORTS | {module: house.imports_of(module, line, MODULES)}
    assert [text.split()[0] for text in upward(planted)] == [module]


def test_a_planted_circle_is_seen():
    """Of two modules of one room."""
    planted = IMPORTS | {"gradtwin.core.errors": {"gradtwin.core.report"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(planted).prepare()


@pytest.mark.slow
def test_every_module_can_be_imported_alone():
    """Before any other, and without a warning: none leans on what another has imported."""
    code = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    for loaded in [m for m in sys.modules if m.split(".")[0] in ("gradtwin", "manual_grads", "tf_reference")]:
        del sys.modules[loaded]
"""
    alone = [sys.executable, "-W", "error", "-c", code, *sorted(MODULES.keys() - {"gradtwin.__main__"})]
    done = subprocess.run(alone, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
