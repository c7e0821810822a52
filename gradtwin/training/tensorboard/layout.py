"""The page "Custom Scalars": both sides in one chart, their gap below it."""

from typing import Any

from gradtwin.training.tensorboard.summaries import values_of

TOGETHER = "Manual and TensorFlow together"
BETWEEN = "The gap between them"

# Title -> the beginnings of the tags that are drawn in it.
CHARTS = {
    TOGETHER: {
        "loss": ["loss$"],
        "accuracy": ["accuracy$"],
    },
    BETWEEN: {
        "parameters, gap in ulp: log10(1 + ulp)": ["gap_ulp/"],
        "parameters, relative gap: log10(ε + |m - t| / max(|m|, |t|))": ["gap_relative/"],
        "gradients, gap in ulp: log10(1 + ulp)": ["gradient_gap_ulp/"],
        "gradients, relative gap: log10(ε + |m - t| / max(|m|, |t|))": ["gradient_gap_relative/"],
    },
}
TEST_CHARTS = {"loss on the test set": ["test/loss$"], "accuracy on the test set": ["test/accuracy$"]}


def layout(tested: bool) -> Any:
    """Lay the page out; TensorBoard merges the equal layouts of all runs into one.

    Args:
        tested: whether there is a test set.
    """
    from tensorboard.plugins.custom_scalar import layout_pb2, summary

    categories = CHARTS | ({TOGETHER: CHARTS[TOGETHER] | TEST_CHARTS} if tested else {})
    page = layout_pb2.Layout(
        category=[
            layout_pb2.Category(title=title, chart=[_chart(layout_pb2, *chart) for chart in charts.items()])
            for title, charts in categories.items()
        ]
    )
    (value,) = values_of(summary.pb(page))
    return value


def _chart(layout_pb2: Any, title: str, tags: list[str]) -> Any:
    lines = layout_pb2.MultilineChartContent(tag=[f"^{tag}" for tag in tags])
    return layout_pb2.Chart(title=title, multiline=lines)
