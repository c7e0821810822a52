"""Which tensor belongs to which layer: the tags of histograms."""

import re
from collections.abc import Iterable, Mapping

from manual_grads import Array

KINDS = {"w": "weights", "b": "biases"}


def parameter_tag(name: str) -> str:
    """Give a parameter's tag: `layer2/weights` for W2, `layer1/biases` for b, `layer3/scale` for scale3."""
    word, layer = _split(name)
    return f"layer{layer}/{KINDS.get(word.lower(), word)}"


def parameter_scope(name: str) -> str:
    """Give a parameter's name in the graph: `layer2/W2` for W2, beside the operations of its layer."""
    return f"layer{_split(name)[1]}/" + re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def output_tags(
    values: Mapping[str, Array], output: str, parameters: Iterable[str], inputs: Iterable[str]
) -> dict[str, str]:
    """Find each layer's output among the named values of a forward pass.

    It is the last value computed with the layer's number in its name (`h1` after `z1` and `a1`), and for the
    last layer the network's own output.

    Args:
        values: the forward pass's values in the order they were computed.
        output: the name of the network's output, which need not have a number.
        parameters: the parameters' names; they tell how many layers there are.
        inputs: names of the batch's arrays, which are no layer's output.

    Returns:
        tag -> name, in the order of the layers.
    """
    not_computed = {*parameters, *inputs}
    layers = {_split(name)[1] for name in parameters}
    last: dict[int, str] = {}
    for name in values:
        layer = _split(name)[1]
        if name not in not_computed and re.search(r"\d$", name) and layer in layers:
            last[layer] = name
    if output in values:
        last[max(layers)] = output
    return {f"layer{layer}/output": last[layer] for layer in sorted(last)}


def _split(name: str) -> tuple[str, int]:
    """Split `W2` into ("W", 2); without a number there is one layer."""
    word, number = re.fullmatch(r"(.*?)(\d*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    return word or name, int(number or 1)
