"""The report for programs: one JSON document, and JUnit XML, which CI systems show as tests."""

import re
from typing import Any
from xml.etree import ElementTree

from gradtwin.core.plain import document
from gradtwin.core.report import Report, failure_lines, judgement
from gradtwin.reporting import words
from gradtwin.reporting.dossier import Dossier, ErrorMap, TwinPage, history_row

# Characters that XML 1.0 cannot contain, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def json_document(dossier: Dossier) -> str:
    """Write the report as one JSON document."""
    rows = {
        "passed": dossier.passed,
        "headline": words.headline(dossier),
        "date": dossier.date,
        "seed": dossier.seed,
        "versions": dossier.versions,
        "machine": dossier.machine,
        "command": dossier.command,
        "twins": [_twin(page) for page in dossier.pages],
    }
    return document(rows)


def _twin(page: TwinPage) -> dict[str, Any]:
    return {
        "twin": page.target,
        "verdict": words.verdict_of(page.reports),
        "agrees": page.agrees,
        "about": page.about,
        "page": page.page,
        "checks": [report.to_dict() for report in page.reports],
        "errors": [_map(shown) for shown in page.maps],
        "training": None if page.history is None else history_row(page.history) | _curves(page),
        "untrained": page.untrained,
        "boundary": None if page.boundary is None else vars(page.boundary),
        "faults": [row.to_dict() for row in page.faults],
        "commands": page.commands,
    }


def _map(shown: ErrorMap) -> dict[str, Any]:
    return {"name": shown.name, "shape": list(shown.shape), "exact": shown.exact, "ulps": shown.ulps}


def _curves(page: TwinPage) -> dict[str, Any]:
    """Give the curves at the logged steps only: all losses of a long training would fill the document."""
    history = page.history
    assert history is not None
    every = [step for step in history.logged.get("step", []) if step < history.steps]
    return {
        "step": every,
        "losses_manual": [history.losses_manual[step] for step in every],
        "losses_tensorflow": [history.losses_tensorflow[step] for step in every],
        "gaps": [history.gaps[step] for step in every],
    }


# ---- JUnit -----------------------------------------------------------------------------------------


def junit_document(dossier: Dossier) -> str:
    """Write the report as JUnit XML: a suite a twin, a case for each check and each planted fault."""
    root = ElementTree.Element("testsuites", name="gradtwin")
    for page in dossier.pages:
        _suite(root, page, dossier)
    suites = root.findall("testsuite")
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, page: TwinPage, dossier: Dossier) -> None:
    failures = sum(not report.agrees for report in page.reports) + sum(not row.caught for row in page.faults)
    suite = ElementTree.SubElement(
        root, "testsuite", name=_xml(page.target), tests=str(len(page.reports) + len(page.faults)),
        failures=str(failures), errors="0", skipped="0", time=f"{sum(page.seconds):.3f}",
    )  # fmt: skip
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (dossier.versions | dossier.machine).items():
        ElementTree.SubElement(properties, "property", name=name, value=_xml(value))
    for report, seconds in zip(page.reports, page.seconds, strict=True):
        _check_case(suite, page, report, seconds)
    for row in page.faults:
        case = ElementTree.SubElement(suite, "testcase", classname=f"gradtwin.faults.{_xml(page.target)}",
                                      name=_xml(row.fault), time="0")  # fmt: skip
        if not row.caught:
            message = f"planted fault missed: {row.verdict}"
            ElementTree.SubElement(case, "failure", message=_xml(message), type="missed").text = _xml(row.line)


def _check_case(suite: ElementTree.Element, page: TwinPage, report: Report, seconds: float) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"gradtwin.check.{_xml(page.target)}", name=f"{report.dtype} {report.route}",
        time=f"{seconds:.3f}",
    )  # fmt: skip
    if not report.agrees:
        failure = ElementTree.SubElement(case, "failure", message=_xml(judgement(report)), type=report.verdict)
        failure.text = _xml("\n".join([*failure_lines(report), *report.notes]))
    elif report.notes:
        ElementTree.SubElement(case, "system-out").text = _xml("\n".join(report.notes))


def _xml(text: str) -> str:
    """Replace what XML cannot contain."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
