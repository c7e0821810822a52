"""Check hand-derived gradients against TensorFlow's, and say who is wrong, where and why."""

from gradtwin.check import check, check_gradients
from gradtwin.custom_gradient import check_custom_gradient
from gradtwin.data_parallel.check import check_data_parallel
from gradtwin.errors import Disagreement, InputError
from gradtwin.explain import explain
from gradtwin.history import History
from gradtwin.keras_side import keras_params, keras_reference
from gradtwin.referee.operating_point import better_point
from gradtwin.report import Report
from gradtwin.shrink import shrink, shrink_gradients
from gradtwin.training import train
from gradtwin.twin import TrainingDefaults, Twin

__all__ = [
    "Disagreement",
    "History",
    "InputError",
    "Report",
    "TrainingDefaults",
    "Twin",
    "better_point",
    "check",
    "check_custom_gradient",
    "check_data_parallel",
    "check_gradients",
    "explain",
    "keras_params",
    "keras_reference",
    "shrink",
    "shrink_gradients",
    "train",
]
