"""TensorBoard in a real browser, on real runs: every page finds its data, and the curves are the history's."""

import dataclasses
import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

from gradtwin.training import lockstep as training
from gradtwin.training import tensorboard as boards
from gradtwin.twins import catalog

SIDES = ("manual", "tensorflow")
HTML = "<img src=x onerror='window.hurt=1'><b>mine</b>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """XOR at two learning rates, the zoo, the digits, and a stranger's twin with HTML for a name."""
    logdir = tmp_path_factory.mktemp("logs")
    stranger = dataclasses.replace(catalog.get("xor"), name=HTML)
    digits = catalog.get("mnist").resize((64, 32, 16, 10))
    return {
        "logdir": logdir,
        "xor": training.train("xor", logdir=logdir),
        "xor slow": training.train("xor", learning_rate=0.01, logdir=logdir),
        "zoo": training.train("zoo", logdir=logdir),
        "digits": training.train(digits, data="digits", steps=300, logdir=logdir),
        "stranger": training.train(stranger, steps=50, logdir=logdir),
    }


@pytest.fixture(scope="module")
def board(runs):
    """The address of a TensorBoard that has read all of them to their end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = boards.launch(runs["logdir"], port)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_read(address, runs)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_read(address, runs):
    names = {_run(history) for history in runs.values() if hasattr(history, "run")}
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            tags = _get(f"{address}/data/plugin/scalars/tags")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            tags = {}
        whole = [name for name in names if {"final/gap"} <= set(tags.get(name, ()))]
        if len(whole) == len(names) and all("final/loss" in tags.get(f"{name}/{SIDES[1]}", ()) for name in names):
            return
        time.sleep(0.5)
    raise AssertionError(f"TensorBoard did not read {names}, only {sorted(tags)}")


def _run(history):
    return "/".join(history.directory.split("/")[-2:])


def _get(url, **query):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.load(answer)


def _series(browser, chart_title):
    """The curves of one chart of the page as the page holds them: name -> [[step, number], ...]."""
    return browser.run(
        """
        const all = selector => roots.flatMap(root => [...root.querySelectorAll(selector)]);
        const isWithin = (node, ancestor) => {
            for (let at = node; at; at = at.parentNode ?? at.host) if (at === ancestor) return true;
            return false;
        };
        const card = all('tf-custom-scalar-multi-line-chart-card').find(card => card.title === arguments[0]);
        const charts = all('vz-line-chart2').filter(chart => card && isWithin(chart, card));
        return Object.fromEntries(charts.flatMap(chart =>
            Object.entries(chart._seriesDataCache ?? {}).map(([name, points]) =>
                [name, points.map(point => [point.step, String(point.scalar)])])));
        """,
        chart_title,
    )


def test_an_error_on_the_console_is_seen(browser, board):
    """Planted: a page that asks for a file that is not there, and one that throws."""
    for script in ("fetch('/data/plugin/nowhere')", "setTimeout(() => { throw new Error('planted') })"):
        browser.open(f"{board}/#scalars")
        browser.wait_for_text("Scalars")
        browser.run(script)
        time.sleep(1)
        with pytest.raises(AssertionError, match=r"nowhere|planted"):
            browser.assert_no_errors()


# ---- the curves -------------------------------------------------------------------------------------


def test_custom_scalars_draw_both_sides_with_the_gap_below(browser, board, runs):
    """The values in the page's two loss curves are those of the JSON history, and so are the gaps below them."""
    history, name = runs["xor"], _run(runs["xor"])
    browser.open(f"{board}/#custom_scalars")
    browser.wait_for_text("Manual and TensorFlow together", "The gap between them")
    wanted = {f"loss ({name}/{side})" for side in SIDES}
    browser.wait_for(lambda: wanted <= set(_series(browser, "loss")), "both losses")
    logged = json.loads(json.dumps(history.to_dict()))["logged"]
    drawn = _series(browser, "loss")
    for side in SIDES:
        steps, values = zip(*drawn[f"loss ({name}/{side})"], strict=True)
        assert list(steps) == logged["step"]
        np.testing.assert_array_equal(np.float32([float(v) for v in values]), np.float32(logged[f"loss_{side}"]))
    title = "parameters, gap in ulp: log10(1 + ulp)"
    browser.wait_for(lambda: f"gap_ulp/W1 ({name})" in _series(browser, title), "the gap")
    gaps = _series(browser, title)
    for parameter in ("W1", "b1", "W2", "b2"):
        values = np.array([float(value) for _, value in gaps[f"gap_ulp/{parameter} ({name})"]])
        np.testing.assert_allclose(values, np.log10(1 + np.array(logged["gap_ulp"][parameter])), rtol=1e-6, atol=1e-7)
    text = browser.text()
    assert text.index("Manual and TensorFlow together") < text.index("The gap between them")
    time.sleep(3)  # the curves are drawn a moment after their data have come
    browser.screenshot("custom_scalars")
    browser.assert_no_errors()


def test_the_data_behind_the_page_are_the_histories(board, runs):
    """By TensorBoard's HTTP interface, for every run: loss and accuracy of both sides at every logged step."""
    for history in (runs[name] for name in ("xor", "xor slow", "zoo", "digits", "stranger")):
        for side in SIDES:
            for tag in ("loss", "accuracy"):
                points = _get(
                    f"{board}/data/plugin/scalars/scalars", run=f"{_run(history)}/{side}", tag=tag
                )
                assert [step for _, step, _ in points] == history.logged["step"]
                np.testing.assert_array_equal(
                    np.float32([value for *_, value in points]), np.float32(history.logged[f"{tag}_{side}"])
                )


def test_time_series_overlay_both_sides(browser, board, runs):
    """One card for a tag, with all runs in it."""
    browser.open(f"{board}/#timeseries")
    browser.wait_for_text("accuracy", _run(runs["xor"]).split("/")[1])
    browser.wait_for(lambda: browser.find("scalar-card, card-view"), "cards")
    time.sleep(4)
    browser.screenshot("time_series")
    browser.assert_no_errors()


def test_scalars_show_the_gap_of_every_parameter(browser, board, runs):
    """Filtered by tag: the absolute gap of W1 under both sides."""
    browser.open(f"{board}/#scalars&tagFilter=gap%2FW1")
    browser.wait_for_text("gap/W1")
    browser.wait_for(
        lambda: browser.run(
            "return roots.flatMap(r => [...r.querySelectorAll('vz-line-chart2')])"
            ".some(c => Object.keys(c._seriesDataCache ?? {}).length >= 4)"
        ),
        "curves",
    )
    time.sleep(3)
    browser.screenshot("scalars")
    browser.assert_no_errors()


# ---- settings ---------------------------------------------------------------------------------------


def test_hparams_show_two_learning_rates_side_by_side(browser, board, runs):
    """A row for each run with its twin, settings, and where it ended."""
    browser.open(f"{board}/#hparams")
    browser.wait_for_text("learning_rate", "0.10000", "0.010000", "loss, manual", "dtype", "optimizer", "seed", "twin")
    text = browser.text()
    for name in ("xor", "xor slow", "zoo"):
        assert f"{runs[name].manual['loss']:.5g}"[:6] in text
    assert "adam" in text and "zoo" in text
    time.sleep(2)
    browser.screenshot("hparams")
    browser.assert_no_errors()


def test_a_name_with_html_is_text_everywhere(browser, board, runs):
    """No page makes an element of it, and it is shown as it was written."""
    for page, shown in (("hparams", HTML[:20]), ("text&tagFilter=settings", HTML), ("custom_scalars", "mine")):
        browser.open(f"{board}/#{page}")
        browser.wait_for_text(shown)
        time.sleep(1)
        assert browser.run("return window.hurt ?? null") is None
        assert not [element for element in browser.find("b") if element.text == "mine"]
        browser.assert_no_errors()
    browser.screenshot("html_in_a_name")


# ---- distributions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "element"), [("histograms", "vz-histogram-timeseries"), ("distributions", "vz-distribution-chart")]
)
@pytest.mark.parametrize("what", ["weights", "biases", "output", "weights_gradient", "biases_gradient"])
def test_distributions_of_both_sides(browser, board, runs, page, element, what):
    """Of weights, biases, outputs and gradients, by layer."""
    tag = f"layer1/{what}"
    browser.open(f"{board}/#{page}&tagFilter={urllib.parse.quote(tag + '$', safe='')}")
    browser.wait_for_text(tag)
    browser.wait_for(lambda: len(browser.find(element)) >= 4, element)
    browser.wait_for(
        lambda: browser.run(
            "return roots.flatMap(r => [...r.querySelectorAll(arguments[0])])"
            ".filter(e => (e.shadowRoot ?? e).querySelectorAll('path').length > 2).length >= 2",
            element,
        ),
        "drawn charts",
    )
    time.sleep(1)
    browser.screenshot(f"{page}_{what}")
    browser.assert_no_errors()


# ---- pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ("input", ["digits"]),
        ("decision_boundary", ["xor", "xor slow", "stranger"]),
        ("first_layer_weights", ["xor", "zoo", "digits"]),
        ("confusion_matrix", ["zoo", "digits"]),
        ("gradient_error_ulp", ["xor", "zoo", "digits"]),
    ],
)
def test_images_are_shown(browser, board, runs, tag, names):
    """Each run's picture is loaded and has its size; how it learns can be followed step by step."""
    browser.open(f"{board}/#images&tagFilter={tag}")
    browser.wait_for_text(tag)
    browser.wait_for(
        lambda: len([e for e in browser.find("img") if int(e.get_property("naturalWidth") or 0) >= 8]) >= len(names),
        "loaded pictures",
    )
    for name in names:
        run = _run(runs[name]) + ("/manual" if tag == "input" else "")
        frames = _get(f"{board}/data/plugin/images/images", run=run, tag=tag, sample=0)
        steps = [frame["step"] for frame in frames]
        if tag == "decision_boundary":
            assert steps[0] == 0 and steps[-1] == runs[name].steps and len(steps) >= 6
        assert steps == sorted(set(steps)) and steps
    time.sleep(1)
    browser.screenshot(f"images_{tag}")
    browser.assert_no_errors()


# ---- words, graph, precision and recall -------------------------------------------------------------


def test_the_graph_has_a_box_for_each_layer(browser, board, runs):
    """The page begins with the first run, a copy of XOR: two layers and the loss. Every run has a graph."""
    browser.open(f"{board}/#graphs")
    browser.wait_for_text("layer1", "layer2", "loss")
    assert "layer3" not in browser.text()
    graphs = _get(f"{board}/data/plugin/graphs/info")
    for name in ("xor", "xor slow", "zoo", "digits", "stranger"):
        assert graphs[f"{_run(runs[name])}/tensorflow"]["run_graph"]
    time.sleep(2)
    browser.screenshot("graph")
    browser.assert_no_errors()


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("check", ["xor  float64  tape  seed 0: agree", "zoo  float64  tape  seed 0: agree"]),
        ("derivation", ["dW1 = xᵀ dz1", "dW = xᵀ dz"]),
        ("settings", ["learning_rate  0.01", "optimizer      adam"]),
    ],
)
def test_texts_are_shown(browser, board, runs, tag, words):
    """The check's report, the derivation, the settings."""
    browser.open(f"{board}/#text&tagFilter={tag}")
    browser.wait_for_text(*words)
    browser.screenshot(f"text_{tag}")
    browser.assert_no_errors()


def test_the_zoo_has_a_curve_of_precision_and_recall_for_each_class(browser, board, runs):
    """Seven classes, both sides in each chart."""
    browser.open(f"{board}/#pr_curves")
    browser.wait_for_text(*(f"zoo/class {k}" for k in (0, 1)), f"{_run(runs['zoo'])}/manual")
    time.sleep(3)
    browser.screenshot("pr_curves")
    browser.assert_no_errors()
    for side in SIDES:
        run = f"{_run(runs['zoo'])}/{side}"
        (curves,) = _get(f"{board}/data/plugin/pr_curves/pr_curves", run=run, tag="zoo/class 0").values()
        assert curves[-1]["step"] == 500
        assert max(np.array(curves[-1]["precision"]) * np.array(curves[-1]["recall"])) == 1.0
