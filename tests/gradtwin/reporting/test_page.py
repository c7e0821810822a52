"""The HTML page: one file that loads nothing, says everything, and takes a stranger's words for words."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from gradtwin.core.report import label
from gradtwin.reporting.dossier import Dossier
from gradtwin.reporting.page import html_page
from gradtwin.reporting.words import headline
from gradtwin.twins import catalog

VOID = {"meta", "path", "circle", "br", "img", "link", "input"}


class Outline(HTMLParser):
    """What stands in a document: its elements, its text, and whether they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Give the attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(dossier: Dossier) -> str:
    return html_page(dossier)


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_a_strangers_words_are_words_everywhere(outline: Outline, dossier: Dossier) -> None:
    """No script element comes of a name, a loss or a docstring; the text shows them letter by letter."""
    assert not outline.all("script") and not outline.all("td</td")
    evil = dossier.pages[-1]
    assert "<script>" in evil.target and outline.text.count(evil.target) >= 4
    assert evil.about in outline.text and evil.page in outline.text
    assert not any(name.startswith("on") for _, attributes in outline.elements for name in attributes)


def test_the_page_asks_for_nothing(page: str, outline: Outline) -> None:
    """No address but those within it, no script, no image, no style from elsewhere; and it forbids itself the rest."""
    links = [attributes["href"] or "" for attributes in outline.all("a")]
    assert links and all(link.startswith("#") for link in links)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {n for n, _ in outline.elements}
    assert "url(" not in page and "@import" not in page and "http" not in page.replace("http-equiv", "")
    (policy,) = [m["content"] for m in outline.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None and policy.startswith("default-src 'none'")


def test_every_place_that_is_linked_or_referred_to_is_there_once(outline: Outline) -> None:
    """Anchors, labels and descriptions name elements of the page, and no name is given twice."""
    names = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(names) == len(set(names))
    wanted = {str(attributes["href"])[1:] for attributes in outline.all("a")}
    for _, attributes in outline.elements:
        wanted |= set(str(attributes.get("aria-labelledby", "")).split())
    assert wanted <= set(names)


def test_headings_come_in_order_and_tables_say_what_they_are(outline: Outline) -> None:
    """One h1, no level skipped; every table has a caption, and heads with a scope."""
    levels = [int(name[1]) for name, _ in outline.elements if re.fullmatch("h[1-6]", name)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(below - above <= 1 for above, below in zip(levels, levels[1:], strict=False))
    assert len(outline.all("table")) == len(outline.all("caption")) > 5
    assert all(head.get("scope") in ("row", "col") for head in outline.all("th"))
    charts = [svg for svg in outline.all("svg") if "aria-hidden" not in svg]
    assert charts and all(svg["role"] == "img" and "aria-labelledby" in svg for svg in charts)
    assert len(outline.all("title")) == len(charts) + 1 and len(outline.all("desc")) == len(charts)


def test_the_page_says_what_the_checks_found(outline: Outline, dossier: Dossier) -> None:
    """Every twin, tensor and verdict; the failure's three values, cause and command; faults, versions, machine."""
    for shown in dossier.pages:
        assert shown.target in outline.text
        for report in shown.reports:
            assert all(label(tensor.name) in outline.text for tensor in report.tensors)
    wrong = dossier.pages[-1].reports[0]
    assert wrong.cause is not None and wrong.cause in outline.text
    assert repr(wrong.tensors[1].worst.manual) in outline.text
    assert f"repeat: {wrong.command}" in outline.text
    for row in dossier.faults:
        assert row.fault in outline.text
    for value in (*dossier.versions.values(), *dossier.machine.values(), dossier.command):
        assert value in outline.text
    assert "Wrong gradients in" in outline.text


def test_maps_curves_and_boundary_are_drawn(page: str, dossier: Dossier) -> None:
    """A map for each gradient of each twin, two charts for each training, one boundary for xor."""
    assert page.count('<svg class="map"') == sum(len(shown.maps) for shown in dossier.pages)
    trained = [shown for shown in dossier.pages if shown.history is not None]
    assert len(trained) >= 2
    assert page.count('<svg class="chart"') == 2 * len(trained)
    assert page.count('<svg class="plane"') == 1
    assert page.count('class="curve manual"') == page.count('class="curve tensorflow"') == len(trained) + 1


def test_a_wrong_gradient_is_red_on_its_map(page: str, dossier: Dossier) -> None:
    """The shade beyond 64 ulp is drawn for the twin whose gradient lacks a factor, and for no other."""
    first = page.index("t3m0-t")
    assert 'class="shade5"' in page[first:]
    assert 'class="shade5"' not in page[page.index("t0m0-t") : page.index('id="t3"')].replace(
        '<path class="shade5" d="M0 0h1v1h-1z"/>', ""
    )


def test_no_path_user_or_host_is_named(page: str) -> None:
    """The stranger's twin was given with its folder; a report is sent around."""
    import getpass
    import platform

    assert "/home/" not in page and "somebody" not in page
    assert platform.node() not in page
    user = getpass.getuser()
    assert user == "root" or not re.search(rf"\b{re.escape(user)}\b", page)


def test_a_page_of_right_twins_has_passed(right: Dossier) -> None:
    """Its headline says so, and so does the document's title."""
    text = html_page(right)
    assert "<title>Gradtwin report: passed</title>" in text and 'class="headline passed"' in text
    assert headline(right) in unescape(text)
    assert right.command in text and all(name in catalog.names() for name in right.command.split()[2:])
