"""The documentation's site, opened from a disk: formulas are set, and nothing is asked of the network."""

from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md"))

HEIGHTS = "return [...document.querySelectorAll('math')].map(formula => formula.getBoundingClientRect().height);"
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth;"
ASKED = "return performance.getEntriesByType('resource').map(entry => entry.name);"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def address(site, page):
    """Give the address of a page of the site on the disk."""
    return (site / str(page.with_suffix(".html")).replace("README", "index")).as_uri()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_is_readable_and_asks_the_network_for_nothing(page, browser, site):
    """Every formula has a height, the page is no wider than the window, the console is silent."""
    browser.open(address(site, page))
    browser.wait_for(lambda: browser.find("h1"), f"heading of {page}")
    assert [height for height in browser.run(HEIGHTS) if height < 5] == []
    assert browser.run(WIDER) <= 0
    assert [url for url in browser.run(ASKED) if not url.startswith("file:")] == []
    browser.assert_no_errors()


def test_the_pages_leave_pictures_to_look_at(browser, site):
    """One with formulas and code, one of the tutorial."""
    for page in (Path("derivations/neuron.md"), Path("tutorial.md")):
        browser.open(address(site, page))
        browser.wait_for(lambda: browser.run(HEIGHTS), f"formulas of {page}")
        browser.screenshot(f"docs_{page.stem}")


def test_a_request_to_the_network_would_be_seen(browser, tmp_path):
    """A page with a script of another host is caught by the same question."""
    page = tmp_path / "page.html"
    page.write_text("<h1>x</h1><script src='http://127.0.0.1:9/mathjax.js'></script>")
    browser.open(page.as_uri())
    asked = [url for url in browser.run(ASKED) if not url.startswith("file:")]
    assert asked == ["http://127.0.0.1:9/mathjax.js"]
