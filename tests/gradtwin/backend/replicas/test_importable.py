"""A function of a file is found again by another process."""

import importlib.util
import sys

import pytest

from gradtwin import InputError
from gradtwin.backend.replicas.importable import importable
from gradtwin.backend.tensorflow_side import resolve
from gradtwin.twins import catalog


@pytest.fixture
def users_module(tmp_path, monkeypatch):
    """Import a user's file as `gradtwin check FILE.py` does, and forget it afterwards."""
    file = tmp_path / "users_forward.py"
    file.write_text("def forward(params, x):\n    return x\n\nclass Side:\n    def forward(p):\n        pass\n")
    spec = importlib.util.spec_from_file_location("users_forward", file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "users_forward", module)
    spec.loader.exec_module(module)
    return module


def test_a_function_of_a_users_file_is_loaded_from_the_file(users_module, monkeypatch):
    """Where the module is not known yet and its name leads nowhere; the path is left as it was."""
    where = importable(users_module.forward)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "users_forward")
    assert where.load()({}, 5) == 5
    assert where.load() is sys.modules["users_forward"].forward


def test_a_function_of_a_class_is_found_by_its_dots(users_module):
    """A side may be a class."""
    assert importable(users_module.Side.forward).load() is users_module.Side.forward


def test_every_reference_of_the_catalogue_can_be_imported_elsewhere():
    """They are functions of modules."""
    forwards = [resolve(twin.reference) for twin in catalog.twins()]
    assert [importable(forward).load() for forward in forwards] == forwards


def test_a_function_that_was_replaced_under_its_name_is_refused(users_module, monkeypatch):
    """Another process would import the other one."""
    forward = users_module.forward
    monkeypatch.setattr(users_module, "forward", print)
    with pytest.raises(InputError, match="Route multiworker runs the reference in two other processes"):
        importable(forward)
