"""Read the formulas of a page: what its docstring and the comments beside its lines say of each tensor.

A page states its network under `Forward` and its derivation under `Backward`, several formulas a line, two or more
blanks between them; a line of `backward` has `# z2 = a1 W2 + b2  ->  dW2 = a1ᵀ dz2` beside it. A node has both
directions in one sentence. A formula for any layer (`dWi = a(i-1)ᵀ dzi`) is written out for the layer asked for.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_NAME = r"[A-Za-z][A-Za-z0-9]*(?:\([iL]-1\))?"
_FORMULA = re.compile(rf"^(?P<name>{_NAME})(?:_[a-z])?\s*=\s*(?P<text>\S.*)$")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Formula:
    """A tensor's name, and what it is equal to: one expression, or several with ` = ` between them."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name} = {self.text}"

    @property
    def expressions(self) -> list[str]:
        """The equal expressions, one by one."""
        return self.text.split(" = ")


@dataclass(frozen=True)
class PageFormulas:
    """The formulas of one page.

    Attributes:
        forward: of the values, by name.
        backward: of the gradients, by name (`dW2`).
        depth: how many layers the network has, which is what L means in `zL`; 0 where layers have no numbers.
    """

    forward: dict[str, str]
    backward: dict[str, str]
    depth: int = 0

    def value(self, name: str) -> Formula | None:
        """Find the formula of a value, such as `z2`; `p = aL` is followed to the end."""
        return self._followed(name, self.forward, r"[a-z]L")

    def gradient(self, name: str) -> Formula | None:
        """Find the formula of a tensor's gradient, such as `dz2` for z2; `dx = da0` is followed to the end."""
        return self._followed(f"d{name}", self.backward, r"d[a-z]0")

    def _followed(self, name: str, formulas: dict[str, str], only_a_name: str) -> Formula | None:
        """Write out a formula, and where it is nothing but another name that no tensor has, that one's behind it."""
        found = _written_out(name, formulas, self.depth)
        if found is None or not re.fullmatch(only_a_name, formulas.get(name, "")):
            return found
        behind = _written_out(found.text, formulas, self.depth)
        return found if behind is None else Formula(found.name, f"{found.text} = {behind.text}")

    def loss(self, tensors: Iterable[str]) -> Formula | None:
        """Find the formula of the loss: what the page computes last under a name that is no tensor's."""
        known = set(tensors)
        rest = [name for name in self.forward if name in ("L", "E") and name not in known]
        return _written_out(rest[-1], self.forward, self.depth) if rest else None


def formulas_of(manual: Any, params: Iterable[str]) -> PageFormulas:
    """Read the formulas of a manual side.

    Args:
        manual: a page of `manual_grads.networks`, the side of a node, or anybody's side.
        params: the names of its parameters; the highest number among them is the number of layers.

    Returns:
        What could be read; a side that states no formulas has none.
    """
    depth = max((int(number[0]) for name in params if (number := re.search(r"\d+$", name))), default=0)
    node = getattr(manual, "node", None)
    if node is not None:
        values, gradients = _split(_formulas(inspect.getdoc(node) or ""))
        return PageFormulas(values, {"dy": "g"} | gradients, depth)
    code = getattr(manual, "backward", None)
    page = page_of(manual)
    forward, backward = _block(page, "Forward"), _block(page, "Backward")
    beside = _split(_formulas(_comments(code)))
    return PageFormulas(
        {**beside[0], **dict(_formulas(forward))}, {**beside[1], **_split(_formulas(backward))[1]}, depth
    )


def first_sentence(manual: Any) -> str:
    """Give the first line of a side's docstring, without its formulas."""
    text = page_of(manual)
    return text.strip().partition("\n")[0] if _block(text, "Forward") else ""


def page_of(manual: Any) -> str:
    """Find a side's docstring: the node's, the module's or class's, or that of the module its backward stands in."""
    node = getattr(manual, "node", None)
    if node is not None:
        return inspect.getdoc(node) or ""
    own = inspect.getdoc(manual) if inspect.ismodule(manual) or inspect.isclass(manual) else None
    if own:
        return own
    for function in ("backward", "forward"):
        module = inspect.getmodule(getattr(manual, function, None))
        if module is not None and _block(module.__doc__ or "", "Forward"):
            return inspect.getdoc(module) or ""
    return ""


def _block(page: str, title: str) -> str:
    """Cut out the lines from a title on to the next title, such as `Backward` or `Shapes:`."""
    found = re.search(rf"^{title}\b(.*?)(?=^[A-Z]\w+(?::|\s)|\Z)", page, flags=re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _comments(function: Any) -> str:
    """Gather the comments of a function, the two sides of an arrow as two segments."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    return "\n".join(line.partition("  # ")[2].replace("->", "  ") for line in source.splitlines() if "  # " in line)


def _formulas(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name, right-hand side) of every segment that is a formula."""
    for segment in re.split(r"[^\S\n]{2,}|\n", re.sub(r"[^\S\n]+= ", " = ", text)):
        found = _FORMULA.match(segment.strip().rstrip(",;:."))
        if found:
            yield found["name"], _without_prose(found["text"])


def _without_prose(text: str) -> str:
    """Cut a sentence off behind a formula: from the first comma or semicolon outside all brackets."""
    depth = 0
    for position, sign in enumerate(text):
        depth += (sign in _BRACKETS) - (sign in _BRACKETS.values())
        if depth == 0 and sign in ",;":
            return text[:position].rstrip()
    return re.sub(r"\s+\([a-z]{3,} [^()]*\)$", "", text)


def _split(formulas: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Sort formulas into those of values and those of gradients, the first of each name."""
    values: dict[str, str] = {}
    gradients: dict[str, str] = {}
    for name, text in formulas:
        (gradients if re.match(r"d[A-Za-z]", name) else values).setdefault(name, text)
    return values, gradients


def _written_out(name: str, formulas: dict[str, str], depth: int) -> Formula | None:
    """Find a formula by its name, or write out the one for any layer."""
    if name in formulas:
        return Formula(name, _at_layer(formulas[name], 0, depth) if depth else formulas[name])
    numbered = re.fullmatch(r"([A-Za-z]+)(\d+)", name)
    if numbered is None:
        return None
    base, layer = numbered[1], int(numbered[2])
    for general, i in ((f"{base}L", depth), (f"{base}i", layer), (f"{base}(i-1)", layer + 1)):
        if general in formulas and (general != f"{base}L" or layer == depth):
            return Formula(name, _at_layer(formulas[general], i, depth))
    return None


def _at_layer(text: str, i: int, depth: int) -> str:
    """Put numbers in the places of i and L: `a(i-1)ᵀ dzi` at i = 2 is `a1ᵀ dz2`."""
    text = text.replace("(i-1)", str(i - 1)).replace("(L-1)", str(depth - 1))
    text = re.sub(r"(?<![A-Za-z])(d?[A-Za-z])i(?![A-Za-z])", rf"\g<1>{i}", text)
    return re.sub(r"(?<![A-Za-z])(d?[A-Za-z])L(?![A-Za-z])", rf"\g<1>{depth}", text)
