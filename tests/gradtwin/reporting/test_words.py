"""The sentences of the report: each says what the numbers behind it are."""

from dataclasses import replace
from typing import Any

from gradtwin.core.verdicts import Verdict
from gradtwin.reporting import words
from gradtwin.reporting.dossier import Dossier


def test_a_gap_is_given_with_the_step_from_which_it_was_too_large(diverged: Any) -> None:
    """Or it never was."""
    assert "nan, first above 1e-6 after step 2." in words.gap_sentence(diverged)
    assert "0.5, never above 1e-6." in words.gap_sentence(replace(diverged, gap=0.5, diverged_at=None))


def test_the_bound_that_is_explained_is_the_one_that_is_used(monkeypatch: Any) -> None:
    """The sentence has no number of its own."""
    monkeypatch.setattr(words, "AGREE_ULPS", 17.0)
    assert "Up to 17 ulp" in words.explanation() and "64" not in words.explanation()


def test_one_failure_on_several_routes_is_told_once(dossier: Dossier) -> None:
    """The routes stand together in its head; another dtype is told apart."""
    wrong = dossier.pages[-1].reports[0]
    reports = wrong, replace(wrong, route="xla"), replace(wrong, dtype="float32")
    told = words.failures(replace(dossier.pages[-1], reports=reports))
    assert [text.partition(":")[0] for text in told] == ["float64, tape, xla", "float32, tape"]
    assert words.failures(dossier.pages[1]) == []


def test_the_sum_of_the_planted_faults_counts_them(right: Dossier) -> None:
    """One missed of four is three of four."""
    rows = list(right.pages[1].faults)
    rows[0] = replace(rows[0], caught=False, verdict="agree")
    assert f"{len(rows) - 1} of {len(rows)} planted faults detected" in words.fault_sentence(rows)


def test_a_twins_row_has_its_gravest_verdict_and_largest_error(dossier: Dossier) -> None:
    """Those of all its checks, beside the losses of its training."""
    rows = words.verdict_table(dossier.pages).rows
    assert [row[1] for row in rows] == [Verdict.AGREE] * 3 + [Verdict.DISAGREE]
    xor = dossier.pages[1]
    largest = max(t.error_ulps for report in xor.reports if report.dtype == "float64" for t in report.tensors)
    assert xor.history is not None and rows[1][2] == f"{largest:.3g}"
    assert float(rows[1][4]) == float(f"{xor.history.manual['loss']:.8g}")
