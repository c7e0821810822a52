"""What a notebook shows of a report, a history and a twin."""

import re
from typing import Any

import numpy as np
import pytest

from gradtwin import Twin, check, train
from gradtwin.training.history import gap_sentence
from gradtwin.twins import catalog

EXTERNAL = re.compile(r"https?:|src=|href=|url\(|<script|<link|<img|@import", re.IGNORECASE)


def test_a_report_shows_its_verdict_and_every_tensor() -> None:
    """A few kilobytes of table, nothing to load."""
    shown = check("xor")._repr_html_()
    assert "xor: agree" in shown and all(f">{name}<" in shown for name in ("loss", "dz2", "dW2", "db2", "dx"))
    assert len(shown) < 20_000 and not EXTERNAL.search(shown)


def test_a_failure_says_where_and_why(evil: Twin) -> None:
    """The failing entry, the cause and the command, as on the terminal."""
    report = check(evil)
    shown = report._repr_html_()
    assert "disagree, blame: manual" in shown and report.cause is not None and report.cause in shown


@pytest.mark.parametrize("of", ["twin", "report"])
def test_a_strangers_markup_is_text(of: str, evil: Twin) -> None:
    """Name, loss and source are escaped."""
    shown = (evil if of == "twin" else check(evil))._repr_html_()
    assert "<script" not in shown and "&lt;script&gt;alert(1)" in shown
    assert not EXTERNAL.search(shown)


def test_a_history_shows_both_sides_and_their_curves() -> None:
    """Loss, accuracy and gap in numbers, and both losses over the updates."""
    history = train("xor", steps=300)
    shown = history._repr_html_()
    assert f"{history.manual['loss']:.8g}" in shown and gap_sentence(history) in shown
    assert shown.count("<polyline") == 2 and 'role="img"' in shown
    assert len(shown) < 20_000 and not EXTERNAL.search(shown)


def test_a_diverged_history_is_shown_too(diverged: Any) -> None:
    """Infinities have no place on a chart, and make no error."""
    shown = diverged._repr_html_()
    assert gap_sentence(diverged) in shown and "<svg" in shown
    assert not re.search(r'points="[^"]*(nan|inf)', shown)


def test_a_history_of_one_step_has_no_curve() -> None:
    """A line needs two points."""
    assert "<polyline" not in train("xor", steps=1)._repr_html_()


def test_a_twin_shows_what_it_is() -> None:
    """Its loss, data, source and widths."""
    shown = catalog.get("wide")._repr_html_()
    assert "wide" in shown and "2-10-1" in shown and "xor" in shown and not EXTERNAL.search(shown)
    assert np.size(catalog.get("wide").start()["W1"]) == 20


def test_the_numeric_check_is_shown_where_it_was_asked_for() -> None:
    """Its rows stand below ours."""
    report = check("gates", numeric=True)
    assert "Numeric check" in report._repr_html_() and "Numeric check" not in check("gates")._repr_html_()
