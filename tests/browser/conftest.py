"""A real browser without a window: Debian's chromium, driven by selenium.

`make browser` runs these tests and fails where there is no chromium; `make test` leaves them out and says so.
"""

import os
import shutil
import time
from pathlib import Path

import pytest

SETTINGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1500,1400",
)  # fmt: skip
PATIENCE = 90

# Web components hide their contents from ordinary queries; these look into every shadow root.
INTO_SHADOWS = """
    const roots = [document];
    for (const root of roots)
        for (const element of root.querySelectorAll('*'))
            if (element.shadowRoot) roots.push(element.shadowRoot);
"""
TEXT = INTO_SHADOWS + """
    const words = [];
    for (const root of roots) {
        const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
        for (let node = nodes.nextNode(); node; node = nodes.nextNode())
            if (!node.parentElement?.closest('style, script')) words.push(node.data);
    }
    return words.join('\\n');
"""
ELEMENTS = INTO_SHADOWS + "return roots.flatMap(root => [...root.querySelectorAll(arguments[0])]);"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory):
    """Where pictures of the pages are left: `GRADTWIN_SCREENSHOTS`, or a directory of the test run."""
    named = os.environ.get("GRADTWIN_SCREENSHOTS")
    directory = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def browser(screenshots):
    """The browser, one for all tests."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.fail("There is no chromium with its chromedriver: apt-get install chromium chromium-driver.")
    options = Options()
    options.binary_location = chromium
    for setting in SETTINGS:
        options.add_argument(setting)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield Browser(driver, screenshots)
    finally:
        driver.quit()
        print(f"\nscreenshots: {screenshots}")


class Browser:
    """What the tests do with a page."""

    def __init__(self, driver, screenshots):
        self.driver, self._screenshots = driver, screenshots

    def open(self, url):
        """Load a page anew, and forget what was said on the console before."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get(url)

    def text(self):
        """All text on the page, that of web components too."""
        return self.driver.execute_script(TEXT)

    def find(self, selector):
        """All elements that match, inside web components too."""
        return self.driver.execute_script(ELEMENTS, selector)

    def run(self, script, *arguments):
        """Run JavaScript; `roots` are the document and all shadow roots."""
        return self.driver.execute_script(INTO_SHADOWS + script, *arguments)

    def wait_for(self, question, what):
        """Ask until the answer is true, and return it; fail with what was waited for."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = question()
            if answer:
                return answer
            time.sleep(0.3)
        self.screenshot(f"failed_{what}".replace("/", "_").replace(" ", "_"))
        where = f"after {PATIENCE} s on {self.driver.current_url}"
        raise AssertionError(f"Nothing of {what} {where}:\n{self.text()[:3000]}")

    def wait_for_text(self, *words):
        """Wait until all of these words stand on the page."""
        return self.wait_for(lambda: all(word in self.text() for word in words), " ".join(words))

    def screenshot(self, name):
        """Leave a picture of the page."""
        self.driver.save_screenshot(str(self._screenshots / f"{name}.png"))

    def assert_no_errors(self):
        """Nothing of severity SEVERE stands on the console: no exception, no file that was not found."""
        severe = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        assert severe == []
