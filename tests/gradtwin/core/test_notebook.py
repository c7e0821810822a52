"""How a record gets its looks in a notebook: the code that draws it registers, and the record imports none of it."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from gradtwin.core import notebook


class Shown(notebook.ShownInNotebooks):
    """A record."""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin without a drawer, and leave none behind."""
    monkeypatch.setattr(notebook, "_drawers", [])
    yield


def test_a_record_nobody_draws_is_left_to_the_notebook() -> None:
    """IPython takes None for 'no HTML', and shows the text."""
    assert Shown()._repr_html_() is None


def test_the_last_drawer_that_registered_draws() -> None:
    """It is handed the record itself."""
    notebook.draw_with(lambda record: "first")
    notebook.draw_with(lambda record: f"<p>{type(record).__name__}</p>")
    assert Shown()._repr_html_() == "<p>Shown</p>"


def test_gradtwin_registers_its_own_drawer_without_loading_it() -> None:
    """In a fresh process a report is drawn as HTML, and reporting is loaded only then."""
    code = (
        "import sys, gradtwin\n"
        "from gradtwin.core.notebook import _drawers\n"
        "assert len(_drawers) == 1 and not any(name.startswith('gradtwin.reporting') for name in sys.modules)\n"
        "from gradtwin.core.report import Report\n"
        "from gradtwin.core.verdicts import Verdict\n"
        "shown = Report('t', 'float64', 'tape', 0, Verdict.AGREE, ())._repr_html_()\n"
        "assert '<table>' in shown and 'gradtwin.reporting.notebook' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
