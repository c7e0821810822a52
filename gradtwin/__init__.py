"""Check hand-derived gradients against TensorFlow's, and say who is wrong, where and why."""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Where each name is defined. It is imported when it is first asked for; `gradtwin --help` and `list` ask for none.
_HOMES = {
    "Disagreement": "errors",
    "History": "history",
    "InputError": "errors",
    "Report": "report",
    "TrainingDefaults": "twin",
    "Twin": "twin",
    "better_point": "referee.operating_point",
    "check": "check",
    "check_custom_gradient": "custom_gradient",
    "check_data_parallel": "data_parallel.check",
    "check_gradients": "check",
    "explain": "explain",
    "keras_params": "keras_side",
    "keras_reference": "keras_side",
    "shrink": "shrink",
    "shrink_gradients": "shrink",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    thing = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package; three of its functions are called as their modules are, and the names are the functions'."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the module gradtwin.check would otherwise put it where gradtwin.check() is.
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
