"""The report for programs and for pull requests: valid, whole, and a stranger's words escaped."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

from gradtwin.core.verdicts import Verdict
from gradtwin.reporting.documents import json_document, junit_document
from gradtwin.reporting.dossier import Dossier
from gradtwin.reporting.markdown import markdown
from gradtwin.reporting.page import html_page
from gradtwin.reporting.words import headline


def refuse(constant: str) -> None:
    raise AssertionError(f"JSON has no {constant}")


def test_the_json_holds_checks_errors_curves_faults_and_surroundings(dossier: Dossier) -> None:
    """One document, without NaN or infinity, whose checks are the reports' own."""
    document = json.loads(json_document(dossier), parse_constant=refuse)
    assert document["passed"] is False and len(document["twins"]) == len(dossier.pages)
    xor = document["twins"][1]
    assert [check["verdict"] for check in xor["checks"]] == ["agree"] * 6
    assert xor["checks"][0] == json.loads(json.dumps(dossier.pages[1].reports[0].to_dict()))
    assert len(xor["training"]["losses_manual"]) == len(xor["training"]["step"]) > 1
    assert len(xor["boundary"]["manual"]) == len(xor["boundary"]["second"])
    assert [row["fault"] for row in xor["faults"]] == [row.fault for row in dossier.pages[1].faults]
    assert document["versions"] == dossier.versions and document["machine"] == dossier.machine


def test_the_junit_has_a_case_for_each_check_and_fault(dossier: Dossier) -> None:
    """Well-formed; the wrong twin's six checks fail with the tensor, the values and the cause; counts add up."""
    root = ElementTree.fromstring(junit_document(dossier))
    suites = root.findall("testsuite")
    assert len(suites) == len(dossier.pages)
    for suite, page in zip(suites, dossier.pages, strict=True):
        cases = suite.findall("testcase")
        assert suite.get("name") == page.target
        assert len(cases) == int(suite.get("tests", "")) == len(page.reports) + len(page.faults)
        assert len(suite.findall("testcase/failure")) == int(suite.get("failures", "")) == 6 * (not page.agrees)
    failure = suites[-1].find("testcase/failure")
    assert failure is not None and failure.get("message", "").startswith("disagree, blame: manual")
    assert failure.text is not None and "likely cause" in failure.text
    assert root.get("failures") == "6"
    assert int(root.get("tests", "")) == sum(len(suite.findall("testcase")) for suite in suites)


def test_what_xml_cannot_hold_is_replaced(right: Dossier) -> None:
    """A control character in a name would make the document unreadable for every parser."""
    odd = replace(right, pages=(replace(right.pages[0], target="a\x00\x1bb\ud800"),))
    root = ElementTree.fromstring(junit_document(odd).encode("utf-8"))
    assert root.findall("testsuite")[0].get("name") == "a\ufffd\ufffdb\ufffd"


def test_the_markdown_says_the_same_and_takes_markup_for_words(dossier: Dossier) -> None:
    """Every table row has as many cells as its head; no tag but ours; verdicts, faults and commands are there."""
    text = markdown(dossier)
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"<[^>]*>", outside)) == {"<details>", "</details>", "<summary>", "</summary>"}
    for table in re.findall(r"(?:^\|.*\n)+", outside, flags=re.MULTILINE):
        counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(counts) == 1, table
    for page in dossier.pages[:3]:
        assert f"### {page.target}".replace("_", "\\_") in text
    assert "Wrong gradients in" in text and "likely cause" in text
    assert dossier.faults[0].fault.replace("_", "\\_") in text
    assert "gradtwin train xor --steps" in text and dossier.versions["tensorflow"] in text
    assert re.search(r"manual loss +[▁-█]", text)
    assert "/home/" not in text


def test_a_fence_is_longer_than_any_run_of_backticks_in_it(dossier: Dossier) -> None:
    """The stranger's name has a backtick; no block of code ends early."""
    lines = markdown(dossier).splitlines()
    opened: str | None = None
    for line in lines:
        if opened is None and re.fullmatch(r"`{3,}text", line):
            opened = line.removesuffix("text")
        elif opened == line:
            opened = None
    assert opened is None


def test_a_planted_fault_that_stays_unseen_fails_the_report(right: Dossier) -> None:
    """Every form says it: the headline, the table, the case of JUnit; digits lost are said too, and pass."""
    row = replace(right.pages[1].faults[0], caught=False, verdict="agree")
    missed = replace(right, pages=(replace(right.pages[1], faults=(row,)),))
    assert not missed.passed and "1 planted fault was missed" in headline(missed)
    failure = ElementTree.fromstring(junit_document(missed)).find(".//failure")
    assert failure is not None and failure.get("type") == "missed"
    assert "agree: missed" in markdown(missed) and 'class="missed"' in html_page(missed)
    report = replace(right.pages[1].reports[0], verdict=Verdict.ROUNDING)
    lost = replace(right.pages[1], reports=(report,), seconds=(0.1,))
    assert "digits were lost in xor" in headline(replace(right, pages=(lost,)))
