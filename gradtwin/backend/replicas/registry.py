"""What a traced all-reduce leaves behind.

TensorFlow writes its all-reduces and all-gathers with `tf.custom_gradient`, which in a graph registers a function
for ever, and with it the whole graph. Nobody differentiates through them here: they may go once a step is traced.
"""

from typing import Any

_THEIRS = "tensorflow.python.distribute."


def forget_reductions() -> None:
    """Take the gradients of TensorFlow's own reductions over replicas out of its registry; a stranger's stay."""
    from tensorflow.python.framework import ops

    known: dict[str, Any] = getattr(ops.gradient_registry, "_registry", {})
    for name, entry in list(known.items()):
        if name.startswith("CustomGradient-") and _is_a_reductions(entry.get("type")):
            del known[name]


def _is_a_reductions(registered: Any) -> bool:
    """Say whether a registered function, or the one that it wraps, closes over one of TensorFlow's distribution."""
    held = _held(registered)
    inner = [thing for one in held if callable(one) for thing in _held(one)]
    return any(str(getattr(thing, "__module__", "")).startswith(_THEIRS) for thing in (*held, *inner))


def _held(function: Any) -> list[Any]:
    return [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
