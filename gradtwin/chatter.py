"""Keep TensorFlow's start-up messages from the user's terminal."""

import os

_QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # C++: nothing below fatal; no notes on CPU features, CUDA or XLA
    "TF_ENABLE_ONEDNN_OPTS": "0",  # the same order of summation everywhere, and no message about it
}


def silence_tensorflow() -> None:
    """Set TensorFlow's environment variables for silence where the user has not set them.

    Only what runs before TensorFlow's first import has an effect.
    """
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
