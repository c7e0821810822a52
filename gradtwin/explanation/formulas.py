"""Read the formulas of a page: what its docstring and the comments beside its lines say of each tensor.

A page states its network under `Forward` and its derivation under `Backward`, several formulas a line, two or more
blanks between them; a line of `backward` has `# z2 = a1 W2 + b2  ->  dW2 = a1ᵀ dz2` beside it. A node has both
directions in one docstring. A formula for any layer (`dWi = a(i-1)ᵀ dzi`) is written out for the layer asked for.
"""

import ast
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.explanation.formula_values import GREEK, CannotRead, compute, spelled_out, value_of
from manual_grads import Array

_LETTER = f"[A-Za-z{''.join(GREEK)}]"
_NAME = rf"{_LETTER}(?:{_LETTER}|[0-9])*(?:\([iL]-1\))?"
_FORMULA = re.compile(rf"^(?P<name>{_NAME})(?:_[a-z]+)?\s*=\s*(?P<text>\S.*)$")
_SHAPE = re.compile(rf"(?<!\w)(?P<name>{_NAME}) \[(?P<axes>[^\[\]]+)\]")
_BRACKETS = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class Formula:
    """A tensor's name, and what it is equal to: one expression, or several with ` = ` between them.

    Attributes:
        name: the tensor's, as code writes it.
        text: the right-hand side, as the page writes it.
        place: where it stands: "line 5" of the docstring, or "line 48 of xor.py".
    """

    name: str
    text: str
    place: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.name} = {self.text}"

    @property
    def expressions(self) -> list[str]:
        """The equal expressions, one by one."""
        return self.text.split(" = ")

    def values(self, known: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> list[Array]:
        """Compute all of the equal expressions that can be read.

        Args:
            known: tensors and counts by name.
            shape: that of the tensor the formula stands for.

        Raises:
            CannotRead: not one of them can be; it names the place, the text and the reason.
        """
        found = [value for text in self.expressions if (value := value_of(text, known, shape)) is not None]
        if not found:
            try:
                compute(self.expressions[-1], known, shape)
            except CannotRead as error:
                raise CannotRead(f"{self.place}: cannot read {str(self)!r}: {error}.") from None
        return found


@dataclass(frozen=True)
class PageFormulas:
    """The formulas of one page.

    Attributes:
        forward: of the values, by name.
        backward: of the gradients, by name (`dW2`).
        depth: how many layers the network has, which is what L means in `zL`; 0 where layers have no numbers.
        text: the page's docstring.
    """

    forward: dict[str, Formula]
    backward: dict[str, Formula]
    depth: int = 0
    text: str = ""

    def value(self, name: str) -> Formula | None:
        """Find the formula of a value, such as `z2`; `p = aL` is followed to the end."""
        return self._followed(name, self.forward, r"[a-z]L")

    def gradient(self, name: str) -> Formula | None:
        """Find the formula of a tensor's gradient, such as `dz2` for z2; `dx = da0` is followed to the end."""
        return self._followed(f"d{name}", self.backward, r"d[a-z]0")

    def _followed(self, name: str, formulas: dict[str, Formula], only_a_name: str) -> Formula | None:
        """Write out a formula, and where it is nothing but another name that no tensor has, that one's behind it."""
        found = _written_out(name, formulas, self.depth)
        if found is None or name not in formulas or not re.fullmatch(only_a_name, formulas[name].text):
            return found
        behind = _written_out(found.text, formulas, self.depth)
        return found if behind is None else Formula(found.name, f"{found.text} = {behind.text}", found.place)

    def loss(self, tensors: Iterable[str]) -> Formula | None:
        """Find the formula of the loss: what the page computes last under a name that is no tensor's."""
        known = set(tensors)
        rest = [name for name in self.forward if name in ("L", "E") and name not in known]
        return _written_out(rest[-1], self.forward, self.depth) if rest else None

    def why_missing(self, name: str) -> str:
        """Say why a name such as `dx` has no formula: it stands in the middle of a line, or is missing."""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if re.search(rf"(?<![\w∂]){re.escape(name)}(?:_[a-z]+)?\s*=", spelled_out(line)):
                return (
                    f"line {number}: cannot read '{name} = ...' there. A formula starts its line, or has two blanks "
                    "before it; those of a network stand under Forward or Backward."
                )
        found = ", ".join((*self.forward, *self.backward)) or "none"
        return f"The page has no formula for {name}; its formulas are {found}."

    def counts(self, tensors: Mapping[str, Any]) -> dict[str, float]:
        """Give the letters of the page's shapes their numbers: D of `x [B, D]` is how many columns x has."""
        counts: dict[str, float] = {}
        for found in _SHAPE.finditer(self.text):
            shape = np.shape(tensors.get(spelled_out(found["name"]), ()))
            axes = [axis.strip() for axis in found["axes"].split(",")]
            if len(axes) == len(shape):
                counts = {axis: float(size) for axis, size in zip(axes, shape, strict=True)} | counts
        return counts

    def completed(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Add to some tensors what the page itself defines by formulas of them, such as `m = mean_k x_k`."""
        known, waiting = dict(tensors), [*self.forward.values(), *self.backward.values()]
        while waiting:
            left = []
            for formula in waiting:
                value = None if formula.name in known else value_of(formula.expressions[-1], known, keep_axes=True)
                if value is not None:
                    known[formula.name] = value
                elif formula.name not in known:
                    left.append(formula)
            if len(left) == len(waiting):
                break
            waiting = left
        return known


def formulas_of(manual: Any, params: Iterable[str]) -> PageFormulas:
    """Read the formulas of a manual side.

    Args:
        manual: a page of `manual_grads.networks`, the side of a node, or anybody's side.
        params: the names of its parameters; the highest number among them is the number of layers.

    Returns:
        What could be read; a side that states no formulas has none.
    """
    depth = max((int(number[0]) for name in params if (number := re.search(r"\d+$", name))), default=0)
    page = page_of(manual)
    if getattr(manual, "node", None) is not None:
        values, gradients = _split(_formulas(page))
        return PageFormulas(values, {"dy": Formula("dy", "g")} | gradients, depth, page)
    beside_values, beside_gradients = _split(_comments(getattr(manual, "backward", None)))
    forward = {formula.name: formula for formula in _formulas(*_block(page, "Forward"))}
    backward = _split(_formulas(*_block(page, "Backward")))[1]
    return PageFormulas(beside_values | forward, beside_gradients | backward, depth, page)


def first_sentence(manual: Any) -> str:
    """Give the first line of a side's docstring, without its formulas."""
    text = page_of(manual)
    return text.strip().partition("\n")[0] if _block(text, "Forward")[0] else ""


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
        if module is not None and _block(module.__doc__ or "", "Forward")[0]:
            return inspect.getdoc(module) or ""
    return ""


def _block(page: str, title: str) -> tuple[str, int]:
    """Cut out the lines from a title on to the next title, such as `Backward` or `Shapes:`; say where they start."""
    found = re.search(rf"^{title}\b(.*?)(?=^[A-Z]\w+(?::|\s)|\Z)", page, flags=re.MULTILINE | re.DOTALL)
    return (found[1], page.count("\n", 0, found.start(1)) + 1) if found else ("", 1)


def _comments(function: Any) -> Iterator[Formula]:
    """Read the comments of a function, the two sides of an arrow as two segments."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return
    comments = "\n".join(line.rstrip("\n").partition("  # ")[2].replace("->", "  ") for line in lines)
    yield from _formulas(comments, first, f" of {Path(inspect.getfile(function)).name}")


def _formulas(text: str, first: int = 1, where: str = "") -> Iterator[Formula]:
    """Yield every segment that is a formula; `first` is the number of the text's first line."""
    for number, line in enumerate(text.split("\n"), start=first):
        for segment in re.split(r"\s{2,}", re.sub(r"\s+= ", " = ", line)):
            found = _FORMULA.match(segment.strip().rstrip(",;:."))
            if found:
                yield Formula(spelled_out(found["name"]), without_prose(found["text"]), f"line {number}{where}")


def without_prose(text: str) -> str:
    """Cut a sentence off behind a formula: from the first comma or semicolon outside all brackets."""
    depth = 0
    for position, sign in enumerate(text):
        depth += (sign in _BRACKETS) - (sign in _BRACKETS.values())
        if depth == 0 and sign in ",;":
            return text[:position].rstrip()
    return re.sub(r"\s+\([a-z]{3,} [^()]*\)$", "", text)


def _split(formulas: Iterable[Formula]) -> tuple[dict[str, Formula], dict[str, Formula]]:
    """Sort formulas into those of values and those of gradients, the first of each name."""
    values: dict[str, Formula] = {}
    gradients: dict[str, Formula] = {}
    for formula in formulas:
        (gradients if re.match(r"d[A-Za-z]", formula.name) else values).setdefault(formula.name, formula)
    return values, gradients


def _written_out(name: str, formulas: dict[str, Formula], depth: int) -> Formula | None:
    """Find a formula by its name, or write out the one for any layer."""
    if name in formulas:
        return _at_layer(name, formulas[name], 0, depth) if depth else formulas[name]
    numbered = re.fullmatch(r"([A-Za-z]+)(\d+)", name)
    if numbered is None:
        return None
    base, layer = numbered[1], int(numbered[2])
    for general, i in ((f"{base}L", depth), (f"{base}i", layer), (f"{base}(i-1)", layer + 1)):
        if general in formulas and (general != f"{base}L" or layer == depth):
            return _at_layer(name, formulas[general], i, depth)
    return None


def _at_layer(name: str, formula: Formula, i: int, depth: int) -> Formula:
    """Put numbers in the places of i and L: `a(i-1)ᵀ dzi` at i = 2 is `a1ᵀ dz2`."""
    text = formula.text.replace("(i-1)", str(i - 1)).replace("(L-1)", str(depth - 1))
    text = re.sub(r"(?<![A-Za-z])(d?[A-Za-z])i(?![A-Za-z])", rf"\g<1>{i}", text)
    text = re.sub(r"(?<![A-Za-z])(d?[A-Za-z])L(?![A-Za-z])", rf"\g<1>{depth}", text)
    return Formula(name, text, formula.place)


# ---- the formula of a page that has none: its line of code -------------------------------------------


def right_hand_side(line: str, name: str) -> str:
    """Take what a line of code assigns, or puts under a key: the formula of a page that has none."""
    try:
        statements = ast.parse(line if "=" in line or line.startswith("return") else f"{{{line}}}").body
    except SyntaxError:
        return ""
    if len(statements) > 1:
        statements = [statement for statement in statements if _assigns(statement, name)]
    tree = statements[0] if len(statements) == 1 else None
    value = getattr(tree, "value", None)
    if isinstance(value, ast.Dict):
        value = next((v for k, v in zip(value.keys, value.values, strict=True) if _is_key(k, name)), None)
    return "" if value is None else ast.unparse(value)


def _assigns(statement: ast.stmt, name: str) -> bool:
    """Whether a statement gives a value to `name` or `d<name>`."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id in (name, f"d{name}") for target in targets)


def _is_key(key: ast.expr | None, name: str) -> bool:
    return isinstance(key, ast.Constant) and key.value == name
