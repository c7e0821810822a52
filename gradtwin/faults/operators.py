"""Mutation operators: the slips of the pen that a backward pass suffers from.

An operator takes one expression of a backward pass and gives variants of it. Each variant stands for a cause,
one word of the vocabulary in which the referee answers; `unknown` marks a fault that the vocabulary has no
word for, of which the referee should say just that.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual_grads import Array

NOT_A_VALUE = {"params", "cache", "np", "gradients", "depth"}


@dataclass(frozen=True)
class Variant:
    """One way to get an expression wrong: what to call it, the cause it stands for, the wrong expression.

    `also` holds other words that say it as well.
    """

    label: str
    cause: str
    expression: ast.expr
    also: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """What an operator may know of the place of an expression.

    Attributes:
        function: the name of the function the expression stands in.
        shape: the shape of the gradient that the expression gives, None where it gives no whole gradient.
        value: that gradient at the operating point, where there is one.
        parameter: the text that reads the parameter this is the gradient of, "" where it is none.
        rows: text that counts the examples of the batch, "" where there is no batch.
        operands: texts that read other arrays in scope, candidates for a wrong operand.
    """

    function: str
    shape: tuple[int, ...] | None = None
    value: Array | None = None
    parameter: str = ""
    rows: str = ""
    operands: tuple[str, ...] = ()


Operator = Callable[[ast.expr, Place], Iterator[Variant]]


def replaced(tree: Any, old: ast.AST, new: ast.AST) -> Any:
    """Copy a tree with one of its nodes exchanged."""
    return copy.deepcopy(tree, {id(old): new})


def parsed(text: str) -> ast.expr:
    """Read an expression."""
    return ast.parse(text, mode="eval").body


# ---- what the mutated source may call ---------------------------------------------------------------


def scaled(array: Array, part: Any, factor: float) -> Array:
    """Multiply one part of an array."""
    weights = np.ones(np.shape(array), np.asarray(array).real.dtype)
    weights[part] = factor
    return array * weights


def swapped(gradients: dict[str, Array], one: str, other: str) -> dict[str, Array]:
    """Exchange two entries of a dictionary."""
    return gradients | {one: gradients[other], other: gradients[one]}


HELPERS = {"np": np, "scaled": scaled, "swapped": swapped}

# ---- the whole gradient -----------------------------------------------------------------------------


def whole(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Multiply, negate, forget or rearrange a whole gradient."""
    if place.shape is None:
        return
    e, shape = f"({ast.unparse(expression)})", place.shape
    templates = [
        ("negated", "sign", f"-{e}"),
        ("doubled", "factor", f"2 * {e}"),
        ("halved", "factor", f"{e} / 2"),
        ("times_learning_rate", "factor", f"0.1 * {e}"),
        ("never_computed", "zero", f"np.zeros_like({e})"),
        ("squared", "unknown", f"{e} ** 2"),
        ("magnitude", "unknown", f"np.abs({e})"),
    ]
    if place.rows:
        templates += [
            ("times_batch", "reduction", f"{e} * {place.rows}"),
            ("over_batch", "reduction", f"{e} / {place.rows}"),
        ]
    if place.parameter:
        templates.append(("plus_regulariser", "regulariser", f"{e} + 0.01 * {place.parameter}"))
    if shape and shape[-1] > 1:
        templates.append(("times_columns", "factor", f"{e} * {e}.shape[-1]"))
    if len(shape) == 2 and min(shape) > 1:
        templates.append(("transposed", "transpose", f"{e}.T"))
    cause = "mask_other" if "mask" in e and "*" not in e else "permutation"
    templates += [(label, cause, text) for label, text in _permutations(e, shape)]
    yield from (Variant(label, cause, parsed(text)) for label, cause, text in templates)


def _permutations(e: str, shape: tuple[int, ...]) -> list[tuple[str, str]]:
    found = []
    if shape and shape[0] > 1:
        found.append(("rows_reversed" if len(shape) > 1 else "reversed", f"{e}[::-1].copy()"))
    if shape and shape[0] > 2:
        found.append(("rolled", f"np.roll({e}, 1, axis=0)"))
    if len(shape) > 1 and shape[1] > 1:
        found.append(("columns_reversed", f"{e}[:, ::-1].copy()"))
    return found


def parts(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Spoil one row, one column or one entry: by a millionth, and altogether.

    The millionth goes to the smallest part that is at least a thousandth of the largest, the zero to the largest.
    """
    if place.shape is None or place.value is None or place.value.size < 2:
        return
    e, size = f"({ast.unparse(expression)})", np.abs(place.value)
    kinds = [("entry", "one_entry", size)]
    if place.value.ndim == 2:
        kinds += [("row", "one_row", size.max(axis=1)), ("column", "one_column", size.max(axis=0))]
    for kind, cause, sizes in kinds:
        if sizes.size > 1:
            small = np.argmin(np.where(sizes >= sizes.max() / 1000, sizes, np.inf))
            for label, flat, factor in (("off", small, "1 + 1e-6"), ("zeroed", np.argmax(sizes), "0")):
                at = ", ".join(str(i) for i in np.unravel_index(flat, sizes.shape))
                part = f"np.s_[:, {at}]" if kind == "column" else f"np.s_[{at}]"
                yield Variant(f"{kind}_{label}", cause, parsed(f"scaled({e}, {part}, {factor})"))


# ---- inside an expression ---------------------------------------------------------------------------


def nodes_of(expression: ast.AST) -> Iterator[ast.AST]:
    """Walk an expression, but not into subscripts' keys or format strings."""
    yield expression
    for field, value in ast.iter_fields(expression):
        if isinstance(expression, ast.Subscript) and field == "slice":
            continue
        if isinstance(expression, ast.Call) and field == "func" and isinstance(value, ast.Name):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield from nodes_of(child)


def signs(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Write plus for minus, minus for plus, or lose a minus."""
    for node in nodes_of(expression):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            flipped = ast.BinOp(node.left, op, node.right)
            label = "minus_for_plus" if isinstance(node.op, ast.Add) else "plus_for_minus"
            yield Variant(label, "sign", replaced(expression, node, flipped))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield Variant("minus_lost", "sign", replaced(expression, node, node.operand))


def lost_terms(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Lose one side of a sum, a difference, a product or a division."""
    for node in nodes_of(expression):
        if not isinstance(node, ast.BinOp) or isinstance(node.op, ast.MatMult):
            continue
        for side, lost, kept in (("left", node.left, node.right), ("right", node.right, node.left)):
            if side == "left" and isinstance(node.op, ast.Div):
                continue
            label, cause = f"without_{_word(lost)}", _cause_of_loss(node, lost, place)
            instead = {"wrong_operand"} if isinstance(kept, ast.Name | ast.Subscript) else set()
            yield Variant(label, cause, replaced(expression, node, kept), frozenset(instead - {cause}))


def _cause_of_loss(node: ast.BinOp, lost: ast.expr, place: Place) -> str:
    text = ast.unparse(lost)
    if place.function == "softmax_derivative" and isinstance(node.op, ast.Sub) and ".sum(" in text:
        return "missing_ppt"
    if place.function.endswith("_derivative"):
        return "unknown"
    if "_derivative(" in text:
        return "missing_activation_derivative"
    if "mask" in text:
        return "mask_missing"
    if isinstance(node.op, ast.Div) and ("size" in text or "len(" in text):
        return "reduction"
    return "unknown"


def divisions(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Put an epsilon into a denominator, or divide by another count."""
    for node in nodes_of(expression):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
            continue
        below = ast.unparse(node.right)
        if below.endswith(".size") or below.startswith("len("):
            name = below.removesuffix(".size").removeprefix("len(").removesuffix(")")
            for other in (f"{name}.size", f"len({name})", f"({name}.size - 1)", f"np.sqrt({name}.size)"):
                if other != below:
                    cause = "factor" if "- 1" in other or "sqrt" in other else "reduction"
                    wrong = replaced(expression, node.right, parsed(other))
                    yield Variant(f"over_{_word(parsed(other))}", cause, wrong)
        else:
            yield Variant("epsilon", "epsilon", replaced(expression, node.right, parsed(f"({below}) + 1e-07")))


def transposes(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Drop a transpose, add one to a factor of a matrix product, or exchange its factors."""
    for node in nodes_of(expression):
        if isinstance(node, ast.Attribute) and node.attr == "T":
            yield Variant(f"{_word(node.value)}_not_transposed", "transpose", replaced(expression, node, node.value))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            for factor in (node.left, node.right):
                if not (isinstance(factor, ast.Attribute) and factor.attr == "T"):
                    turned = parsed(f"({ast.unparse(factor)}).T")
                    yield Variant(f"{_word(factor)}_transposed", "transpose", replaced(expression, factor, turned))
            exchanged = ast.BinOp(node.right, node.op, node.left)
            yield Variant("factors_exchanged", "transpose", replaced(expression, node, exchanged))


def sums(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Sum over the wrong axis, over all axes, not at all, or take the mean."""
    for node in nodes_of(expression):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sum":
            base, right = ast.unparse(node.func.value), ast.unparse(node)
            base = base if isinstance(node.func.value, ast.Name) else f"({base})"
            for label, cause, text in _wrong_sums(base, right):
                yield Variant(label, cause, replaced(expression, node, parsed(text)))


def _wrong_sums(base: str, right: str) -> list[tuple[str, str, str]]:
    if "axis=0" not in right:
        return [
            ("wrong_axis", "wrong_axis", right.replace("axis=1", "axis=0")),
            ("all_axes", "all_axes", f"{base}.sum()"),
            ("mean", "reduction", right.replace(".sum(axis", ".mean(axis")),
        ]
    return [
        ("wrong_axis", "wrong_axis", f"{base}.sum(axis=1)"),
        ("all_axes", "all_axes", f"np.full_like({right}, {base}.sum())"),
        ("all_axes_mean", "all_axes", f"np.full_like({right}, {base}.mean())"),
        ("scalar", "all_axes", f"{base}.sum()"),
        ("mean", "reduction", f"{base}.mean(axis=0)"),
        ("first_example", "missing_sum", f"{base}[0].copy()"),
        ("last_example", "missing_sum", f"{base}[-1].copy()"),
        ("not_summed", "missing_sum", f"{base}.copy()"),
        ("keepdims", "unknown", f"{base}.sum(axis=0, keepdims=True)"),
        ("last_example_lost", "unknown", f"{base}[:-1].sum(axis=0)"),
        ("largest", "unknown", f"{base}.max(axis=0)"),
    ]


def operands(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Read another array in the place of one."""
    for atom in atoms(expression):
        text = ast.unparse(atom)
        inside = any(
            isinstance(node, ast.Call) and "_derivative" in ast.unparse(node.func) and _contains(node, atom)
            for node in nodes_of(expression)
        )
        for other in place.operands:
            if other != text and _word(parsed(other)) != _word(atom) and not (inside and "mask" in other):
                cause = "mask_other" if "mask" in text else "wrong_activation_point" if inside else "wrong_operand"
                wrong = replaced(expression, atom, parsed(other))
                yield Variant(f"{_word(parsed(other))}_for_{_word(atom)}", cause, wrong)


def atoms(expression: ast.AST) -> Iterator[ast.expr]:
    """Find what reads an array: a name, or an entry of params or cache."""
    if isinstance(expression, ast.Subscript) and ast.unparse(expression.value) in ("params", "cache"):
        yield expression
    elif isinstance(expression, ast.Name):
        if isinstance(expression.ctx, ast.Load) and expression.id not in NOT_A_VALUE:
            yield expression
    elif isinstance(expression, ast.Call):
        if isinstance(expression.func, ast.Attribute) and not isinstance(expression.func.value, ast.Name):
            yield from atoms(expression.func.value)
        elif isinstance(expression.func, ast.Attribute) and expression.func.attr in ("sum", "copy"):
            yield from atoms(expression.func.value)
        for argument in expression.args:
            yield from atoms(argument)
    elif isinstance(expression, ast.BinOp | ast.UnaryOp | ast.Attribute | ast.IfExp | ast.Subscript):
        for child in ast.iter_child_nodes(expression):
            if not (isinstance(expression, ast.IfExp) and child is expression.test):
                yield from atoms(child)


def activations(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Take an activation's derivative of the activation's value, of both, twice, or take a mask's support."""
    for node in nodes_of(expression):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            right = ast.unparse(node.right)
            if right.startswith("sigmoid_derivative(") or right.startswith("relu_derivative("):
                twice = ast.BinOp(node, ast.Mult(), node.right)
                yield Variant("derivative_twice", "unknown", replaced(expression, node, twice))
                hyperbolic = parsed(f"1 - np.tanh({right.partition('(')[2][:-1]}) ** 2")
                yield Variant("tanh_derivative", "unknown", replaced(expression, node.right, hyperbolic))
            if "mask" in right:
                support = parsed(f"({right} > 0)")
                yield Variant("mask_not_scaled", "factor", replaced(expression, node.right, support))
                for axis in (0, 1):
                    rolled = parsed(f"np.roll({right}, 1, axis={axis})")
                    yield Variant(f"mask_rolled_{axis}", "mask_other", replaced(expression, node.right, rolled))


def broadcasts(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Let targets without their second axis broadcast a column to an N x N table."""
    for node in nodes_of(expression):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("_gradient") and len(node.args) == 2:
            flat = parsed(f"{ast.unparse(node.args[1])}[:, 0]")
            wide = replaced(node, node.args[1], flat)
            yield Variant("n_by_n", "broadcast_nxn", replaced(expression, node, wide))
            for how in ("sum", "mean"):
                narrow = parsed(f"{ast.unparse(wide)}.{how}(axis=1, keepdims=True)")
                yield Variant(f"n_by_n_{how}", "broadcast_nxn", replaced(expression, node, narrow))


def comparisons(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Compare the other way round, or let equality pass."""
    for node in nodes_of(expression):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Gt):
            for op, label in ((ast.GtE(), "at_least"), (ast.Lt(), "less_than")):
                cause = "kink_convention" if label == "at_least" and "relu" in place.function else "unknown"
                wrong = ast.Compare(node.left, [op], node.comparators)
                yield Variant(label, cause, replaced(expression, node, wrong))


def layer_numbers(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Read the array of the layer above: i in the place of i - 1."""
    for node in ast.walk(expression):
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.BinOp):
            text = ast.unparse(expression)
            inside = "wrong_activation_point" if "_derivative(" in text else "wrong_operand"
            cause = "mask_other" if "mask" in text else inside
            yield Variant("layer_above", cause, replaced(expression, node.value, node.value.left))


def unpackings(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Exchange two neighbours where several names are read at once."""
    rows = expression.generators[0].iter if isinstance(expression, ast.GeneratorExp) else expression
    if isinstance(rows, ast.Tuple):
        for i in range(len(rows.elts) - 1):
            order = [*rows.elts[:i], rows.elts[i + 1], rows.elts[i], *rows.elts[i + 2 :]]
            label = f"{_word(rows.elts[i])}_and_{_word(rows.elts[i + 1])}_exchanged"
            yield Variant(label, "wrong_operand", replaced(expression, rows, ast.Tuple(order, ast.Load())))


def arguments(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Give an activation or its derivative the negated argument."""
    for node in nodes_of(expression):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
            if node.func.id not in ("len", "range"):
                wrong = replaced(expression, node.args[0], parsed(f"-({ast.unparse(node.args[0])})"))
                point = {"wrong_activation_point"} if node.func.id.endswith("_derivative") else set()
                yield Variant(f"{node.func.id}_of_minus", "sign", wrong, frozenset(point))


def loop_bounds(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Stop a loop over the layers one too early, or start it there."""
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) == "range" and len(expression.args) == 3:
        start, stop, step = (ast.unparse(argument) for argument in expression.args)
        yield Variant("first_layer_left_out", "zero", parsed(f"range({start}, {stop} + 1, {step})"))
        yield Variant("last_layer_left_out", "unknown", parsed(f"range({start} - 1, {stop}, {step})"))


REWRITTEN = {
    "sigmoid_cross_entropy_gradient": [
        ("epsilon", "epsilon", "(sigmoid(z) - t) / (sigmoid(z) * sigmoid(-z) + 1e-07) * (sigmoid(z) * sigmoid(-z))"),
        ("squared_error_shape", "unknown", "(sigmoid(z) - t) * (sigmoid(z) * sigmoid(-z))"),
        ("of_the_probability", "unknown", "(sigmoid(z) - t) / (sigmoid(z) * sigmoid(-z))"),
    ],
    "softmax_cross_entropy_gradient": [
        ("epsilon", "epsilon", "p * (t * p / (p + 1e-07)).sum(axis=1, keepdims=True) - t * p / (p + 1e-07)"),
        ("of_the_probability", "unknown", "-t / p"),
        ("of_sigmoids", "unknown", "1 / (1 + np.exp(-z)) - t"),
        ("diagonal_only", "missing_ppt", "-t * (1 - p)"),
        ("without_ppt", "missing_ppt", "-t"),
    ],
    "softmax_derivative": [
        ("diagonal_only", "missing_ppt", "p * (1 - p) * g"),
        ("without_jacobian", "missing_activation_derivative", "g.copy()"),
    ],
    "squared_error_gradient": [("swapped", "sign", "y - z"), ("absolute_error", "unknown", "np.sign(z - y)")],
}  # fmt: skip


def rewritten(expression: ast.expr, place: Place) -> Iterator[Variant]:
    """Put in the place of a gradient's last line another formula that people write."""
    if place.shape is not None or place.function in REWRITTEN:
        for label, cause, text in REWRITTEN.get(place.function, []):
            yield Variant(label, cause, parsed(text))


def _contains(tree: ast.AST, node: ast.AST) -> bool:
    return any(child is node for child in ast.walk(tree))


def _word(expression: ast.expr) -> str:
    """Say an expression in a word that an id can hold."""
    kept = ast.unparse(expression)
    for old, new in (("params[", ""), ("cache[", ""), ("activations.", ""), ("losses.", ""), ("np.newaxis", "")):
        kept = kept.replace(old, new)
    return "_".join("".join(c if c.isalnum() else " " for c in kept).split())


INSIDE: tuple[Operator, ...] = (
    rewritten, lost_terms, signs, divisions, transposes, sums,
    activations, broadcasts, comparisons, layer_numbers, unpackings, arguments, loop_bounds,
)  # fmt: skip
OPERATORS: tuple[Operator, ...] = (*INSIDE, whole, parts, operands)
