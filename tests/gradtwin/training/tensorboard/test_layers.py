"""Tags of histograms: which tensor belongs to which layer."""

import numpy as np
import pytest

from gradtwin.training.tensorboard import layers
from gradtwin.twins import catalog


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("W1", "layer1/weights"), ("b12", "layer12/biases"), ("W", "layer1/weights"), ("w", "layer1/weights"),
        ("b", "layer1/biases"), ("scale3", "layer3/scale"), ("7", "layer7/7"),
    ],
)  # fmt: skip
def test_a_parameter_lies_in_the_layer_of_its_number(name, tag):
    """Without a number there is one layer."""
    assert layers.parameter_tag(name) == tag


@pytest.mark.parametrize(
    ("twin", "expected"),
    [
        ("gates", {"layer1/output": "f"}),
        ("neuron", {"layer1/output": "a1"}),
        ("zoo", {"layer1/output": "p"}),
        ("xor", {"layer1/output": "a1", "layer2/output": "p"}),
        ("deep", {"layer1/output": "a1", "layer2/output": "a2", "layer3/output": "a3", "layer4/output": "p"}),
        ("mnist", {f"layer{i}/output": f"h{i}" for i in range(1, 5)} | {"layer5/output": "p"}),
    ],
)
@pytest.mark.parametrize("side", ["manual", "tensorflow"])
def test_a_layers_output_is_the_last_of_its_values(twin, expected, side):
    """On both sides the same names, so that equal tags mean equal tensors."""
    from gradtwin.backend.tensorflow_side import resolve

    twin = catalog.get(twin)
    params, batch = twin.point()
    batch = batch[:2]
    forward = {"manual": lambda *given: twin.manual.forward(*given)[1], "tensorflow": resolve(twin.reference)}[side]
    values = forward(params, *batch)
    assert layers.output_tags(values, twin.output, params, twin.batch_names(batch)) == expected


def test_a_graph_name_is_one_tensorflow_takes():
    """Blanks and the like are replaced."""
    assert layers.parameter_scope("my weight2") == "layer2/my_weight2"


def test_without_an_output_the_numbered_values_remain():
    """An outsider's side may name no output."""
    values = {"x1": np.zeros(1), "z1": np.zeros(1), "loss": np.zeros(())}
    assert layers.output_tags(values, "", ["W1"], ["x1"]) == {"layer1/output": "z1"}


def test_a_weight_kept_in_the_cache_is_no_output():
    """Hand code often keeps W1 in its cache; the layer's output is what was computed."""
    values = {"W1": np.ones((2, 3)), "z1": np.ones((4, 3))}
    assert layers.output_tags(values, "z1", ["W1", "b1"], ["x"]) == {"layer1/output": "z1"}
    assert layers.output_tags({"W1": np.ones((2, 3))}, "z1", ["W1", "b1"], ["x"]) == {}
