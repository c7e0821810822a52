"""The examples in the docstrings of the public functions run as they stand."""

import dataclasses
import doctest
import inspect

import numpy as np
import pytest
import tensorflow as tf

import gradtwin

MAIN = ("check", "check_custom_gradient", "check_gradients", "explain", "train")
NAMES = {"gradtwin": gradtwin, "np": np, "tf": tf, "dataclasses": dataclasses}
FUNCTIONS = [name for name in gradtwin.__all__ if inspect.isfunction(getattr(gradtwin, name))]


def example_of(name):
    """Give the example in a public function's docstring, if there is one."""
    docstring = inspect.getdoc(getattr(gradtwin, name)) or ""
    return doctest.DocTestParser().get_doctest(docstring, dict(NAMES), name, None, None)


EXAMPLES = {name: example for name in FUNCTIONS if (example := example_of(name)).examples}


def failures_of(example):
    """Run an example, and give what came instead of what it shows."""
    said = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    return "".join(said)


def test_the_main_functions_have_examples():
    """One each, under the heading that Google's style gives it."""
    assert set(MAIN) <= set(EXAMPLES)
    assert all("\nExample:\n" in inspect.getdoc(getattr(gradtwin, name)) for name in EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_shows_what_comes(name):
    """With numpy as np, tensorflow as tf, dataclasses and gradtwin at hand."""
    assert failures_of(EXAMPLES[name]) == ""


def test_an_example_that_shows_something_else_is_seen():
    """The verdict of a wrong gradient, said to be `agree`."""
    wrong = 'Do.\n\nExample:\n    >>> gradtwin.check("xor").verdict\n    \'disagree\'\n'
    example = doctest.DocTestParser().get_doctest(wrong, dict(NAMES), "wrong", None, None)
    assert "'agree'" in failures_of(example)
