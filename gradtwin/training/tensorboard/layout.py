"""The page "Custom Scalars": both sides in one chart, their gap below it."""

from typing import Any

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
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.custom_scalar import layout_pb2
    from tensorboard.util import tensor_util

    categories = CHARTS | ({TOGETHER: CHARTS[TOGETHER] | TEST_CHARTS} if tested else {})
    page = layout_pb2.Layout(
        category=[
            layout_pb2.Category(title=title, chart=[_chart(layout_pb2, *chart) for chart in charts.items()])
            for title, charts in categories.items()
        ]
    )
    return Summary.Value(
        tag="custom_scalars__config__",
        tensor=tensor_util.make_tensor_proto(page.SerializeToString()),
        metadata=SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="custom_scalars")),
    )


def _chart(layout_pb2: Any, title: str, tags: list[str]) -> Any:
    lines = layout_pb2.MultilineChartContent(tag=[f"^{tag}" for tag in tags])
    return layout_pb2.Chart(title=title, multiline=lines)
