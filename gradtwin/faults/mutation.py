"""Plant one fault in the source of a hand-written backward pass.

The backward function, and every `..._derivative` and `..._gradient` function it calls, is read from its source;
one expression is exchanged for a wrong one; the function is compiled anew in a copy of its own globals. The
forward pass stays as it is, so that the loss is right and its gradient is not.
"""

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from gradtwin.faults.operators import HELPERS, parsed, replaced
from gradtwin.twins.twin import Batch, Twin, node_side
from manual_grads import Array, Params

LAYERS = range(16)
Point = tuple[Params, Batch]


@dataclass(frozen=True)
class Source:
    """A function whose text can be broken: the function, its tree, and what it is called where it is used."""

    function: Callable[..., Any]
    tree: ast.FunctionDef
    called: str = ""


@dataclass(frozen=True)
class Site:
    """An expression of a source; `loop` is the variable of the loop over layers it stands in, "" outside of one."""

    source: Source
    expression: ast.expr
    statement: ast.stmt
    loop: str = ""


@dataclass(frozen=True)
class Page:
    """The hand-written side of a twin, as something whose backward pass can be exchanged."""

    twin: Twin

    @property
    def node(self) -> Any:
        """The node this twin wraps, None for a network."""
        return getattr(self.twin.manual, "node", None)

    @property
    def backward(self) -> Callable[..., Any]:
        """The backward function as it stands on the page."""
        return (self.node or self.twin.manual).backward

    def side(self, backward: Callable[..., Any]) -> Any:
        """Make a manual side with another backward function, all else as it is."""
        if self.node is not None:
            broken = SimpleNamespace(forward=self.node.forward, backward=backward)
            return node_side(broken, self.twin.manual.init_params)
        manual, names = self.twin.manual, ("init_params", "forward", "batch_names")
        kept = {name: getattr(manual, name) for name in names if hasattr(manual, name)}
        return SimpleNamespace(**kept, backward=backward)


def sources(page: Page) -> list[Source]:
    """Find the backward function and the derivative and gradient functions it calls."""
    found = [Source(page.backward, tree_of(page.backward))]
    for node in ast.walk(found[0].tree):
        if isinstance(node, ast.Call) and (called := ast.unparse(node.func)).endswith(("_derivative", "_gradient")):
            if called not in [source.called for source in found]:
                function = eval(called, _scope(page.backward))
                found.append(Source(function, tree_of(function), called))
    return found


def tree_of(function: Callable[..., Any]) -> ast.FunctionDef:
    """Read a function from its source, without its decorators and its docstring."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list = []
    if len(tree.body) > 1 and ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:]
    return tree


def sites(source: Source) -> Iterator[Site]:
    """Find the expressions a fault can be planted in: what is assigned, returned, looped over or tested."""
    yield from _sites_of(source, source.tree.body, "")


def _sites_of(source: Source, body: list[ast.stmt], loop: str) -> Iterator[Site]:
    for statement in body:
        if isinstance(statement, ast.Assign | ast.Return):
            value = statement.value
            if isinstance(value, ast.Dict):
                entries = [v for v in value.values if not isinstance(v, ast.Name)]
                yield from (Site(source, entry, statement, loop) for entry in entries)
            elif value is not None:
                yield Site(source, value, statement, loop)
        elif isinstance(statement, ast.For) and isinstance(statement.target, ast.Name):
            yield Site(source, statement.iter, statement, loop)
            yield from _sites_of(source, statement.body, statement.target.id)
        elif isinstance(statement, ast.If):
            yield Site(source, statement.test, statement, loop)
            yield from _sites_of(source, statement.body + statement.orelse, loop)


def plant(page: Page, site: Site, wrong: ast.expr, layer: int | None = None) -> Callable[..., Any]:
    """Give the backward function with the site's expression exchanged, in one layer of a loop or in all."""
    if layer is not None:
        wrong = ast.IfExp(test=parsed(f"{site.loop} == {layer}"), body=wrong, orelse=site.expression)
    return rebuilt(page, site.source, replaced(site.source.tree, site.expression, wrong))


def rebuilt(page: Page, source: Source, tree: ast.FunctionDef, **names: Any) -> Callable[..., Any]:
    """Give the backward function that the page has once one of its sources reads like `tree`."""
    broken = _compiled(source.function, tree, names)
    if not source.called:
        return broken
    head, _, attribute = source.called.rpartition(".")
    scope = _scope(page.backward)
    if head:
        scope[head] = SimpleNamespace(**(vars(scope[head]) | {attribute: broken}))
    else:
        scope[attribute] = broken
    return types.FunctionType(page.backward.__code__, scope, page.backward.__name__)


def _compiled(function: Callable[..., Any], tree: ast.FunctionDef, names: Mapping[str, Any]) -> Callable[..., Any]:
    module = ast.fix_missing_locations(ast.Module([tree], type_ignores=[]))
    scope = _scope(function) | HELPERS | dict(names)
    exec(compile(module, f"<{function.__module__}, with a planted fault>", "exec"), scope)
    return scope[tree.name]


def _scope(function: Callable[..., Any]) -> dict[str, Any]:
    return dict(getattr(function, "__globals__", {})) | dict(inspect.getclosurevars(function).nonlocals)


def line_of(statement: ast.stmt) -> str:
    """Write a statement in one line; of a loop or a condition its head."""
    return ast.unparse(statement).splitlines()[0]


def change(site: Site, wrong: ast.expr, layer: int | None = None) -> str:
    """Tell a fault as its line before and after."""
    before, after = line_of(site.statement), line_of(replaced(site.statement, site.expression, wrong))
    where = f"   (in {site.source.called})" if site.source.called else f"   (layer {layer} only)" if layer else ""
    return f"{before}  ->  {after}{where}"


# ---- running ----------------------------------------------------------------------------------------


def gradients_at(side: Any, point: Point) -> dict[str, Array]:
    """Run a manual side forward and backward."""
    params, batch = point
    with np.errstate(all="ignore"):
        _, cache = side.forward(params, *batch)
        return side.backward(params, cache)


def random_point(twin: Twin, seed: int) -> Point:
    """Draw a point away from the twin's own: its parameters scaled entry by entry, and its first array too."""
    params, batch = twin.point(seed)
    rng = np.random.default_rng([seed, 1])
    moved = {name: np.asarray(p * rng.uniform(0.5, 1.5, np.shape(p))) for name, p in params.items()}
    return moved, (np.asarray(batch[0] * rng.uniform(0.5, 1.5, np.shape(batch[0]))), *batch[1:])


def first_difference(right: Mapping[str, Array], wrong: Mapping[str, Array]) -> str | None:
    """Name the first tensor, from the loss backwards, whose two gradients differ by more than rounding."""
    return next((name for name, gradient in right.items() if differs(gradient, wrong.get(name))), None)


def differs(right: Array, wrong: Array | None) -> bool:
    """Whether two gradients differ by more than 64 ulp of the larger one, or in shape."""
    if wrong is None or np.shape(right) != np.shape(wrong):
        return True
    with np.errstate(invalid="ignore"):
        apart = np.abs(np.asarray(right) - wrong).max(initial=0.0)
    return not apart <= 64 * np.spacing(max(np.abs(right).max(initial=0.0), np.finfo(np.float64).tiny))
