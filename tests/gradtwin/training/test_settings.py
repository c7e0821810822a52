"""The name of a run spells its settings."""

from dataclasses import fields, replace

import pytest

from gradtwin.training.settings import RunSettings

ADAM = RunSettings("float32", 0.1, "adam", 1800, seed=None, batch_size=None, keep=None, variant="", log_every=18)


def test_a_name_tells_the_settings():
    """Everything that was chosen, the learning rate first."""
    chosen = replace(ADAM, learning_rate=1e-3, batch_size=100, keep=0.7, seed=0, variant="F000-1")
    assert chosen.name == "lr0.001-adam-1800steps-batch100-keep0.7-seed0-float32-F000-1"


def test_what_was_not_chosen_is_not_in_the_name():
    """No batch size, no dropout, the source's own start."""
    assert ADAM.name == "lr0.1-adam-1800steps-float32"


def test_names_sort_by_learning_rate():
    """In full, so that 1e-05 does not come after 0.1."""
    names = [replace(ADAM, learning_rate=rate).name for rate in (1e-5, 3e-4, 0.001, 0.01, 0.1, 0.5, 1.0)]
    assert names == sorted(names)
    assert names[0].startswith("lr0.00001-")


@pytest.mark.parametrize(("rate", "name"), [(1e-5, "lr0.00001-"), (1e300, "lr1e+300-"), (1e-200, "lr1e-200-")])
def test_a_rate_that_would_fill_a_line_is_written_with_its_exponent(rate, name):
    """Three hundred digits are no directory's name."""
    assert replace(ADAM, learning_rate=rate).name.startswith(name)


def test_a_variant_of_any_name_stays_inside_its_directory():
    """A stranger's word becomes part of a path."""
    assert replace(ADAM, variant="../up").name == "lr0.1-adam-1800steps-float32-_up"


def test_two_settings_that_differ_have_two_names():
    """All but the interval of the log, which changes nothing of the training."""
    others = {"dtype": "float64", "learning_rate": 0.2, "optimizer": "gd", "steps": 7, "seed": 3, "batch_size": 9,
              "keep": 0.5, "variant": "other"}  # fmt: skip
    assert {field.name for field in fields(ADAM)} == {*others, "log_every"}
    assert len({replace(ADAM, **{name: value}).name for name, value in others.items()} - {ADAM.name}) == len(others)
