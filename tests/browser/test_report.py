"""The report in a browser: opened from disk, in light and dark, on a phone and on paper, by keyboard and by axe."""

import base64
from importlib.resources import files

import pytest

from gradtwin.commands import cli
from gradtwin.reporting.page import html_page
from gradtwin.twins import catalog

TWINS = ("xor", "wide", "zoo", "node_relu")

WRONG = '''
from types import SimpleNamespace
import numpy as np, tensorflow as tf
from gradtwin import Twin
side = SimpleNamespace(
    init_params=lambda rng: {"w": rng.normal(size=(2, 3))},
    forward=lambda params, x: ((x @ params["w"]).sum(), {"x": x}),
    backward=lambda params, cache: {"w": 2 * cache["x"].T @ np.ones_like(cache["x"] @ params["w"])},
)
wrong = Twin(name="<script>document.title = 'bad'</script>", manual=side, batch=lambda rng: (rng.normal(size=(4, 2)),),
             reference=lambda params, x: tf.reduce_sum(x @ params["w"]), loss="<img src=x onerror=alert(1)>")
'''


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of right twins and a stranger's wrong one, on disk."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "mine.py").write_text(WRONG)
    path = folder / "report.html"
    words = ["report", *TWINS, str(folder / "mine.py"), "--output", str(path)]
    assert cli.run(words) == 1
    return path


@pytest.fixture
def page(browser, report):
    """The report, open."""
    browser.open(report.as_uri())
    yield browser
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def scheme(browser, which):
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": which}]}
    )


def resize(browser, width):
    browser.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )


def violations(browser):
    """Ask axe-core; give what it finds serious or critical, each with the elements it is about."""
    axe = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
    browser.driver.execute_script(axe)
    found = browser.driver.execute_async_script(
        """const done = arguments[0];
        axe.run().then(r => done(r.violations)).catch(e => done([{impact: 'critical', id: String(e), nodes: []}]));"""
    )
    return [
        (entry["id"], [node["html"][:120] for node in entry["nodes"][:3]])
        for entry in found
        if entry["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("which", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(page, which, width):
    """In both colour schemes, wide and on a phone."""
    scheme(page, which)
    resize(page, width)
    assert violations(page) == []
    page.screenshot(f"report_{which}_{width}")


def test_axe_would_find_a_fault_planted_in_the_page(page):
    """The check above sees: a chart without a name, a colour too faint, a table head without text."""
    page.driver.execute_script(
        """document.querySelector('svg.chart').removeAttribute('aria-labelledby');
        document.querySelector('svg.chart title').remove();
        document.querySelector('.headline').style.color = 'var(--line)';"""
    )
    assert {"svg-img-alt", "color-contrast"} <= {name for name, _ in violations(page)}


def test_the_page_loads_nothing_and_says_nothing_on_the_console(page):
    """Opened from disk: no request but its own, no error, and no stranger's script has run."""
    assert page.driver.execute_script("return performance.getEntriesByType('resource').map(r => r.name)") == []
    assert page.driver.title == "Gradtwin report: failed"
    assert not page.find("script") and not page.find("img")
    page.assert_no_errors()


def test_every_part_is_there(page):
    """Verdicts, tables, maps, both curves and their gap, boundaries, faults, versions and commands."""
    text = page.text()
    assert all(name in text for name in (*TWINS, "mine.py:wrong", "Wrong gradients in", "Planted faults", "tensorflow"))
    assert "gradtwin check mine.py:wrong" in text
    assert len(page.find("svg.map")) > 20 and len(page.find("svg.plane")) == 2
    assert len(page.find("svg.chart")) == 2 * len(page.find("svg.chart .curve.manual"))
    visible = page.driver.execute_script(
        "return [...document.querySelectorAll('svg path.curve')].every(p => p.getBoundingClientRect().width > 0)"
    )
    assert visible


def test_colours_follow_the_scheme(page):
    """Light paper in light, dark paper in dark."""
    papers = {}
    for which in ("light", "dark"):
        scheme(page, which)
        colour = page.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        papers[which] = sum(int(part) for part in colour.strip("rgb()").split(","))
    assert papers["light"] > 700 and papers["dark"] < 120


@pytest.mark.parametrize("width", [390, 320, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    """Wide tables scroll in their own box; the page itself does not."""
    resize(page, width)
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_the_verdicts_first(page):
    """The first tab stop skips to the verdicts; links and boxes that scroll follow, each with a visible outline."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    body = page.driver.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    focused = page.driver.switch_to.active_element
    assert focused.text.startswith("Skip") and focused.is_displayed() and focused.location["x"] >= 0
    assert page.driver.execute_script("return getComputedStyle(arguments[0]).outlineStyle", focused) != "none"
    focused.send_keys(Keys.ENTER)
    assert page.driver.current_url.endswith("#verdicts")


def test_on_paper_it_is_light_whole_and_without_navigation(page, screenshots):
    """In dark mode too: the colours are those of paper, and the boxes that scroll show all of their table."""
    scheme(page, "dark")
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})
    pdf = base64.b64decode(printed["data"])
    (screenshots / "report.pdf").write_bytes(pdf)
    assert pdf.startswith(b"%PDF")
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    shown = page.driver.execute_script(
        """const of = e => getComputedStyle(e), boxes = [...document.querySelectorAll('.scroll')];
        return [of(document.body).backgroundColor, of(document.querySelector('nav')).display,
            boxes.every(box => of(box).overflowX == 'visible')]"""
    )
    assert shown == ["rgb(255, 255, 255)", "none", True]


def test_the_report_of_all_twins_is_under_3_mb(browser, tmp_path):
    """All nineteen, as `gradtwin report` writes them; axe finds nothing serious in it either."""
    path = tmp_path / "all.html"
    assert cli.run(["report", "--output", str(path)]) == 0
    assert path.stat().st_size < 3_000_000
    browser.open(path.as_uri())
    assert violations(browser) == []
    assert all(name in browser.text() for name in catalog.names())
    browser.assert_no_errors()
    browser.screenshot("report_all")


def test_the_page_is_made_by_the_library_too(browser, tmp_path):
    """`html_page(gather(...))` is what the command writes."""
    from gradtwin.reporting.dossier import gather

    (tmp_path / "page.html").write_text(html_page(gather({"gates": catalog.get("gates")})), encoding="utf-8")
    browser.open((tmp_path / "page.html").as_uri())
    assert "All hand-written gradients agree" in browser.text()
    assert violations(browser) == []
