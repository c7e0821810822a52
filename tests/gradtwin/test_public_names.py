"""The names of the package: loaded when they are asked for, and functions where modules are called the same."""

import importlib
import subprocess
import sys

import pytest

import gradtwin


@pytest.mark.parametrize("name", gradtwin.__all__)
def test_every_public_name_is_where_the_package_says(name):
    """Its home is the module that defines it."""
    thing = getattr(gradtwin, name)
    assert thing.__module__ == f"gradtwin.{gradtwin._HOMES[name]}" and name in dir(gradtwin)


@pytest.mark.parametrize("name", ["check", "explain", "shrink"])
def test_importing_a_module_does_not_hide_the_function_of_its_name(name):
    """Before the function was ever asked for, too."""
    program = (
        f"import importlib, gradtwin; importlib.import_module('gradtwin.{name}'); "
        f"print(gradtwin.{name}.__module__, callable(gradtwin.{name}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == f"gradtwin.{name} True\n"


def test_the_package_alone_loads_nothing_of_it():
    """Neither numpy nor the referee: what starts quickly can start quickly."""
    program = "import sys, gradtwin; print(sorted(m for m in sys.modules if m.split('.')[0] in ('gradtwin', 'numpy')))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "['gradtwin']\n"


def test_an_unknown_name_is_refused_as_of_any_module():
    """With AttributeError, so that `hasattr` and `from gradtwin import` behave; submodules are no such names."""
    with pytest.raises(AttributeError, match="module 'gradtwin' has no attribute 'chekc'"):
        gradtwin.chekc  # noqa: B018
    assert importlib.import_module("gradtwin.twins.twin").__name__ == gradtwin.twins.twin.__name__
