"""What holds for all tests."""

import sys

import pytest

from gradtwin.tensorflow_side import load_tensorflow


@pytest.fixture(autouse=True, scope="session")
def tensorflow_with_two_processors():
    """Start the TensorFlow that the tests have imported as Gradtwin starts its own: with two logical devices."""
    if "tensorflow" in sys.modules:
        load_tensorflow()
