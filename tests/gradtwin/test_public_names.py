"""The names of the package: loaded when they are asked for, and functions where modules are called the same."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

import gradtwin


@pytest.mark.parametrize("name", sorted({*gradtwin.__all__} - {"__version__"}))
def test_every_public_name_is_where_the_package_says(name):
    """Its home is the module that defines it, or the room that holds it as a module."""
    thing, home = getattr(gradtwin, name), f"gradtwin.{gradtwin._HOMES[name]}"
    where = thing.__name__.rpartition(".")[0] if isinstance(thing, ModuleType) else thing.__module__
    assert where == home and name in dir(gradtwin)


def test_the_directory_of_the_package_holds_public_names_only():
    """What completion offers is what may be used."""
    assert sorted(dir(gradtwin)) == sorted(gradtwin.__all__)


@pytest.mark.parametrize(
    "imports",
    [
        "from gradtwin.shrink import at_point",
        "from gradtwin import catalog; assert catalog.get('xor').name == 'xor'",
        "from gradtwin import twin_files; twin_files.load",
        "import gradtwin.catalog; assert gradtwin.catalog.get('xor').name == 'xor'",
        "from gradtwin.cli import main",
    ],
)
def test_scripts_of_an_earlier_version_keep_running(imports):
    """What they import is found, and hides no public name."""
    code = f"{imports}\nimport gradtwin; assert gradtwin.shrink.__name__ == 'shrink' and callable(gradtwin.shrink)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_alone_loads_nothing_of_it():
    """Neither numpy nor the referee: what starts quickly can start quickly."""
    ours = "m.split('.')[0] in ('gradtwin', 'numpy') and sys.modules[m].__spec__"
    program = f"import sys, gradtwin; print(sorted(m for m in sys.modules if {ours}))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "['gradtwin', 'gradtwin.core', 'gradtwin.core.notebook', 'gradtwin.core.version']\n"


def test_an_unknown_name_is_refused_as_of_any_module():
    """With AttributeError, so that `hasattr` and `from gradtwin import` behave; submodules are no such names."""
    with pytest.raises(AttributeError, match="module 'gradtwin' has no attribute 'chekc'"):
        gradtwin.chekc  # noqa: B018
    assert importlib.import_module("gradtwin.twins.twin").__name__ == gradtwin.twins.twin.__name__
