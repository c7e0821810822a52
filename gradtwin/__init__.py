"""Check hand-derived gradients against TensorFlow's, and say who is wrong, where and why.

    import gradtwin

    print(gradtwin.check("xor"))          # a built-in network, written by hand in numpy and again in TensorFlow
    report = gradtwin.check_gradients(manual, reference, params, x, t)   # your gradient against TensorFlow's
    report.raise_for_disagreement()       # in a test
    gradtwin.train("xor", steps=500)      # both sides in lockstep; logdir= writes curves for TensorBoard
    print(gradtwin.explain("neuron"))     # the chain rule, step by step

`manual(params, *batch)` returns the loss and a dictionary of gradients in numpy, `reference(params, *batch)` the loss
as a TensorFlow scalar. A report has a verdict ("agree", "rounding", "kink", "disagree" or "undecidable"), the side to
blame, a likely cause and a row for each tensor. The command `gradtwin` does the same from a terminal.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gradtwin.core.notebook import draw_with
from gradtwin.core.version import __version__

if TYPE_CHECKING:
    from gradtwin.backend.keras_side import keras_params, keras_reference
    from gradtwin.checking.check import check, check_gradients
    from gradtwin.checking.custom_gradient import check_custom_gradient
    from gradtwin.checking.data_parallel import check_data_parallel
    from gradtwin.checking.shrink import at_point, shrink, shrink_gradients
    from gradtwin.core.errors import Disagreement, InputError
    from gradtwin.core.report import Report
    from gradtwin.explanation.explain import explain
    from gradtwin.referee.inspection.operating_point import better_point
    from gradtwin.training.history import History
    from gradtwin.training.lockstep import train
    from gradtwin.twins import catalog, twin_files
    from gradtwin.twins.twin import TrainingDefaults, Twin

# Where each public name is defined. It is imported when first asked for; `gradtwin --help` and `list` ask for none.
_HOMES = {
    "Disagreement": "core.errors",
    "History": "training.history",
    "InputError": "core.errors",
    "Report": "core.report",
    "TrainingDefaults": "twins.twin",
    "Twin": "twins.twin",
    "at_point": "checking.shrink",
    "better_point": "referee.inspection.operating_point",
    "catalog": "twins",
    "check": "checking.check",
    "check_custom_gradient": "checking.custom_gradient",
    "check_data_parallel": "checking.data_parallel",
    "check_gradients": "checking.check",
    "explain": "explanation.explain",
    "keras_params": "backend.keras_side",
    "keras_reference": "backend.keras_side",
    "shrink": "checking.shrink",
    "shrink_gradients": "checking.shrink",
    "train": "training.lockstep",
    "twin_files": "twins",
}

__all__ = [
    "__version__",
    "Disagreement",
    "History",
    "InputError",
    "Report",
    "TrainingDefaults",
    "Twin",
    "at_point",
    "better_point",
    "catalog",
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
    "twin_files",
]


def _drawn(record: Any) -> str:
    from gradtwin.reporting.notebook import html_of

    return html_of(record)


draw_with(_drawn)  # a Report, a History or a Twin in a notebook


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    # A name is a function or class of its home, or one of its modules.
    thing = getattr(home, name, None) or importlib.import_module(f"{home.__name__}.{name}")
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return list(__all__)


def _former(name: str, home: str) -> ModuleType:
    """Give a module that forwards to its present home, for scripts that earlier versions wrote."""
    module = ModuleType(f"{__name__}.{name}")
    module.__getattr__ = lambda thing: getattr(importlib.import_module(f"{__name__}.{home}"), thing)  # type: ignore[method-assign]
    return module


for _name, _home in (("catalog", "twins.catalog"), ("cli", "commands.cli"), ("shrink", "checking.shrink")):
    sys.modules[f"{__name__}.{_name}"] = _former(_name, _home)
