"""Texts for TensorBoard: what was trained, what the check says of it, and the derivation."""

import dataclasses
import inspect
from types import SimpleNamespace
from typing import Any

from gradtwin.core.errors import InputError
from gradtwin.training.plan import Plan
from gradtwin.training.tensorboard import hyperparameters
from gradtwin.training.tensorboard.summaries import verbatim


def texts(plan: Plan) -> dict[str, str]:
    """Give all texts of a run, in Markdown: tag -> text."""
    return {"check": check(plan), "derivation": derivation(plan.manual), "settings": settings(plan)}


def settings(plan: Plan) -> str:
    """Write the settings as a table, with the loss and the note about the data."""
    rows = hyperparameters.settings(plan) | {"loss": plan.twin.loss, "source": plan.twin.source, "data": plan.twin.data}
    lines = [f"{name:<14} {value}" for name, value in rows.items() if value != ""]
    return verbatim("\n".join([*lines, *([plan.note] if plan.note else [])]))


def check(plan: Plan) -> str:
    """Check the gradients of the training at the twin's operating point, and give the report.

    If the check cannot run on the user's code, the text says why; the training goes on.
    """
    from gradtwin.checking.check import check

    twin = dataclasses.replace(plan.twin, manual=plan.manual)
    try:
        return verbatim(str(check(twin, dtype=plan.settings.dtype, seed=plan.settings.seed or 0)))
    except InputError as error:
        return verbatim(f"This twin could not be checked.\n{error}")


def derivation(side: Any) -> str:
    """Give the derivation that the manual side is documented with: its docstring."""
    written = getattr(side, "node", side)
    documented = "" if isinstance(written, SimpleNamespace) else inspect.getdoc(written)
    return verbatim(documented or "The manual side has no docstring.")
