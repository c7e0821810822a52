"""The local gradient in a formula: what its upstream gradient is multiplied with."""

import re

from gradtwin.explanation.formulas import Formula


def split_off(formula: Formula, names: tuple[str, ...], is_node: bool) -> tuple[str, str] | None:
    """Split a gradient's formula into the upstream gradient and the local one.

    `a1ᵀ dz2` is dz2 times the local gradient a1ᵀ; `Σ_n dz2_n` is a sum, whose local gradient is 1. A formula
    that holds two upstream gradients, or none, has no single local one.

    Returns:
        The name of the tensor upstream, and the local gradient's formula.
    """
    for expression in reversed(formula.expressions):
        found = [
            (m, m[1] or "y")
            for m in re.finditer(r"(?<![\w∂])(?:d([A-Za-z]\w*?)|g)(?:_[a-z]+)?(?![A-Za-z0-9])", expression)
            if (m[1] in names if m[1] else is_node)
        ]
        if len(found) == 1 and not (is_node and expression == "g"):
            match, tensor = found[0]
            return tensor, _without(expression, match)
    return None


def _without(expression: str, upstream: re.Match[str]) -> str:
    """Take the upstream gradient out of a product or a sum of products; what is left of it alone is 1."""
    before, after = expression[: upstream.start()].rstrip(" ∘·"), expression[upstream.end() :].lstrip(" ∘·")
    rest = re.sub(r"^(Σ(_[a-z])?\s*)+", "", f"{before} {after}".strip()) or "1"
    if rest.startswith("/"):
        return f"1 {rest}"
    return f"-{rest[1:].lstrip()}" if rest.startswith("-") else rest
