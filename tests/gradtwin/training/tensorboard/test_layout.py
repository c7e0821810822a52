"""The page Custom Scalars: which curves stand in which chart."""

import re

import pytest
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.util import tensor_util

from gradtwin.training.tensorboard import layout


def _page(tested):
    value = layout.layout(tested)
    return layout_pb2.Layout.FromString(tensor_util.make_ndarray(value.tensor).item())


def test_the_page_is_found_by_tensorboard():
    """The one tag and plugin name that its server looks for."""
    value = layout.layout(True)
    assert value.tag == "custom_scalars__config__"
    assert value.metadata.plugin_data.plugin_name == "custom_scalars"


def test_both_sides_come_first_and_the_gap_below():
    """The first category has the loss, which each side writes under its run; the next one has the gaps."""
    together, between = _page(False).category
    assert [chart.title for chart in together.chart] == ["loss", "accuracy"]
    assert len(between.chart) == 4
    assert not together.closed and not between.closed


@pytest.mark.parametrize(
    ("tag", "titles"),
    [
        ("loss", ["loss"]),
        ("test/loss", ["loss on the test set"]),
        ("accuracy", ["accuracy"]),
        ("gap_ulp/W1", ["parameters, gap in ulp: log10(1 + ulp)"]),
        ("gradient_gap_ulp/W1", ["gradients, gap in ulp: log10(1 + ulp)"]),
        ("gap_relative/W1", ["parameters, relative gap: log10(ε + |m - t| / max(|m|, |t|))"]),
        ("gap/W1", []),
        ("final/loss", []),
        ("train/loss", []),
    ],
)
def test_a_tag_stands_in_one_chart(tag, titles):
    """By the rule of TensorBoard's server: a pattern that matches from the tag's beginning."""
    charts = [chart for category in _page(True).category for chart in category.chart]
    assert [chart.title for chart in charts if any(re.match(p, tag) for p in chart.multiline.tag)] == titles


def test_without_a_test_set_there_are_no_empty_charts_for_it():
    """XOR has none."""
    assert "test" not in str(_page(False))
