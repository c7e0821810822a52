"""Texts of a run: the check's report, the derivation, the settings."""

import dataclasses

import pytest

from gradtwin.faults.source_variants import zoo_of_000
from gradtwin.training.plan import make_plan
from gradtwin.training.settings import TrainingSettings
from gradtwin.training.tensorboard import texts
from gradtwin.twins import catalog
from manual_grads.networks import xor


def _plain(markdown):
    assert all(line.startswith("    ") for line in markdown.splitlines())
    return "\n".join(line[4:] for line in markdown.splitlines())


def test_the_check_of_a_right_gradient_agrees():
    """Its headline, and a line for each tensor."""
    report = _plain(texts.check(make_plan(catalog.get("xor"))))
    assert report.startswith("xor  float64  tape  seed 0: agree")
    for name in ("loss", "dW1", "db1", "dW2", "db2", "dx"):
        assert f"\n  {name} " in report


def test_the_check_is_of_the_side_and_the_dtype_that_are_trained():
    """The source's variant of the zoo is refused, with its cause."""
    plan = make_plan(catalog.get("zoo"), TrainingSettings(manual=zoo_of_000, variant="F000", dtype="float32"))
    report = _plain(texts.check(plan))
    assert report.startswith("zoo  float32  tape  seed 0: disagree, blame: manual")
    assert "likely cause" in report


def test_a_twin_that_cannot_be_checked_is_told_and_not_raised():
    """It can be trained all the same: training needs no gradient of a name the check asks for."""

    def forward(params, x, t):
        loss, cache = xor.forward(params, x, t)
        return loss, cache

    class NoPoint:
        init_params, backward = staticmethod(xor.init_params), staticmethod(xor.backward)

    NoPoint.forward = staticmethod(forward)
    twin = dataclasses.replace(catalog.get("xor"), manual=NoPoint, batch=lambda rng: "no batch")
    assert _plain(texts.check(make_plan(twin))).startswith("This twin could not be checked.\nTwin 'xor'")


@pytest.mark.parametrize("name", [name for name in catalog.names() if catalog.get(name).manual is not None])
def test_every_twin_has_its_derivation(name):
    """From the code itself, so that an installed package has it: the formula of each gradient of a parameter."""
    words = _plain(texts.derivation(catalog.get(name).manual))
    assert "d" in words and "=" in words
    assert "no docstring" not in words and "namespace" not in words.lower()


def test_the_derivation_of_xor_has_the_formulas():
    """As on its page."""
    assert "dW1 = xᵀ dz1" in texts.derivation(xor)


def test_a_side_without_a_docstring_says_so():
    """A stranger's object."""

    class Bare:
        pass

    assert _plain(texts.derivation(Bare)) == "The manual side has no docstring."


def test_the_settings_have_the_loss_and_what_is_said_of_the_data():
    """One a line, and the note below."""
    plan = make_plan(catalog.get("xor"), TrainingSettings(seed=4))
    plan = dataclasses.replace(plan, note="The digits are used instead.")
    lines = _plain(texts.settings(plan)).splitlines()
    assert "seed           4" in lines
    assert any(line.startswith("loss           -(1/N)") for line in lines)
    assert lines[-1] == "The digits are used instead."
