"""Find the faults of a twin: run every mutation of its page and keep what makes a difference."""

import ast
import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradtwin.faults import operators
from gradtwin.faults.mutation import (
    LAYERS,
    Page,
    Point,
    Site,
    change,
    differs,
    first_difference,
    gradients_at,
    line_of,
    plant,
    random_point,
    rebuilt,
    sites,
    sources,
    tree_of,
)
from gradtwin.faults.operators import Place, Variant, parsed
from gradtwin.faults.planted_fault import Equivalent, PlantedFault, half_of
from gradtwin.faults.points import fixed, other_homes, square
from gradtwin.twins.twin import Twin
from manual_grads import Array

RANDOM_SEEDS = (1, 2, 3)
OPERANDS_PER_ATOM = 3


@dataclass(frozen=True)
class Candidate:
    """A mutation not yet run."""

    label: str
    cause: str
    line: str
    backward: Callable[..., Any]
    tensor: str = ""  # where it is expected to show
    also: frozenset[str] = frozenset()


class Planting:
    """The faults of one twin, found one after the other."""

    def __init__(self, twin: Twin) -> None:
        self.twin, self.page = twin, Page(twin)
        self.homes = other_homes(twin)
        self.shown: dict[tuple[int, int | None], tuple[str | None, bool]] = {}
        self.points = [twin.point(0), *(random_point(twin, seed) for seed in RANDOM_SEEDS)]
        self.right = [gradients_at(twin.manual, point) for point in self.points]
        self.found: dict[bytes, PlantedFault] = {}
        self.here: dict[bytes, set[str]] = {}
        self.keys: dict[str, bytes] = {}
        self.equivalents: list[Equivalent] = []
        self.ids: set[str] = set()

    def run(self) -> tuple[list[PlantedFault], list[Equivalent]]:
        """Try every mutation; give the faults and the equivalents."""
        for candidate in itertools.chain(self._in_sources(), self._around()):
            self._try(candidate)
        return [self._with_all_causes(fault) for fault in self.found.values()], self.equivalents

    def _with_all_causes(self, fault: PlantedFault) -> PlantedFault:
        """Add the other causes that nobody could tell from this one here; a nameable one stands first."""
        causes = {fault.cause} | self.here.get(self.keys[fault.id], set())
        nameable = sorted(causes - {"unknown"})
        cause = nameable[0] if fault.cause == "unknown" and nameable else fault.cause
        return replace(fault, cause=cause, also=frozenset(causes | fault.also) - {cause})

    def _values(self, twin: Twin, point: Point, right: Mapping[str, Array]) -> list[Array]:
        """Gather the arrays that could stand in a gradient's place: parameters, cache and right gradients."""
        arrays = [*point[0].values(), *_cache(Page(twin), point).values(), *right.values()]
        return [array for array in arrays if isinstance(array, np.ndarray)]

    # ---- candidates ----

    def _in_sources(self) -> Iterator[Candidate]:
        for source in sources(self.page):
            for site in sites(source):
                yield from self._at(site)

    def _at(self, site: Site) -> Iterator[Candidate]:
        layers = [layer for layer in LAYERS if self._tensor(site, layer)] if site.loop else []
        everywhere = self._place(site, None)
        by = (*operators.INSIDE, operators.whole) if layers else operators.OPERATORS
        for variant in self._variants(site, everywhere, by):
            yield self._candidate(site, variant, None)
        for operator in operators.OPERATORS if layers else ():
            layer = layers[_number(f"{operator.__name__} {line_of(site.statement)}") % len(layers)]
            for variant in self._variants(site, self._place(site, layer), (operator,)):
                yield self._candidate(site, variant, layer)

    def _variants(self, site: Site, place: Place, by: tuple[operators.Operator, ...]) -> Iterator[Variant]:
        for operator in by:
            if operator is operators.operands:
                yield from self._fitting(site, place)
            elif operator is not operators.rewritten or isinstance(site.statement, ast.Return):
                yield from operator(site.expression, place)

    def _fitting(self, site: Site, place: Place) -> Iterator[Variant]:
        """Take those wrong operands that run and keep all shapes, a few for each operand."""
        by_operand: dict[str, int] = {}
        for variant in operators.operands(site.expression, place):
            operand = variant.label.partition("_for_")[2]
            outcome = self._run(plant(self.page, site, variant.expression))[0]
            if by_operand.get(operand, 0) < OPERANDS_PER_ATOM and not self._refused(outcome):
                by_operand[operand] = by_operand.get(operand, 0) + 1
                yield variant

    def _candidate(self, site: Site, variant: Variant, layer: int | None) -> Candidate:
        called = site.source.called.rpartition(".")[2]
        where = f"in_{called}." if called else f"layer{layer}." if layer else ""
        return Candidate(
            label=f"{where}{variant.label}",
            cause=variant.cause,
            line=change(site, variant.expression, layer),
            backward=plant(self.page, site, variant.expression, layer),
            tensor=self._tensor(site, layer) or next(iter(self.right[0])),
            also=variant.also,
        )

    def _place(self, site: Site, layer: int | None) -> Place:
        tensor, is_gradient = self._show(site, layer)
        value = self.right[0][tensor] if tensor and is_gradient and not site.source.called else None
        return Place(
            function=site.source.tree.name,
            shape=None if value is None else np.shape(value),
            value=value,
            parameter=self._parameter(tensor),
            rows=self._rows(),
            operands=self._operands(site),
        )

    def _tensor(self, site: Site, layer: int | None) -> str | None:
        return self._show(site, layer)[0]

    def _show(self, site: Site, layer: int | None) -> tuple[str | None, bool]:
        """Find where a site shows, by making its value half as large again, and if it is the gradient itself."""
        key = (id(site.expression), layer)
        if key not in self.shown:
            larger = parsed(f"1.5 * ({ast.unparse(site.expression)})")
            outcome = self._run(plant(self.page, site, larger, layer))[0]
            tensor = None if self._refused(outcome) else first_difference(self.right[0], outcome)
            is_gradient = tensor is not None and not differs(1.5 * self.right[0][tensor], outcome[tensor])
            self.shown[key] = tensor, is_gradient
        return self.shown[key]

    def _parameter(self, tensor: str | None) -> str:
        if tensor is None or tensor not in self.points[0][0]:
            return ""
        if self.page.node is None:
            return f"params[{tensor!r}]"
        cache = self.page.node.forward(*self.points[0][0].values(), *self.points[0][1][:-1])[1]
        return f"cache[{tensor!r}]" if tensor in cache else ""

    def _rows(self) -> str:
        batch = self.points[0][1]
        if self.page.node is not None:
            return "len(g)" if np.ndim(batch[-1]) else ""
        return f"len(cache[{self.twin.batch_names(batch)[0]!r}])" if np.ndim(batch[0]) else ""

    def _operands(self, site: Site) -> tuple[str, ...]:
        """Name the arrays in scope at a site: earlier names of its function, the parameters, the cache."""
        arguments = {a.arg for a in site.source.tree.args.args} - operators.NOT_A_VALUE
        names = {
            node.id
            for node in ast.walk(site.source.tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.lineno < site.statement.lineno
        }
        local = sorted((arguments | names) - operators.NOT_A_VALUE - {site.loop, "c"})
        if site.source.called:
            return tuple(local)
        params, batch = self.points[0]
        if self.page.node is not None:
            cache = self.page.node.forward(*params.values(), *batch[:-1])[1]
            return (*local, *(f"cache[{name!r}]" for name in cache))
        _, cache = self.twin.manual.forward(params, *batch)
        kept = [name for name, value in cache.items() if isinstance(value, np.ndarray) and name not in local]
        return (*local, *(f"params[{name!r}]" for name in params), *(f"cache[{name!r}]" for name in kept))

    def _around(self) -> Iterator[Candidate]:
        """Break what no single expression holds: exchanged entries, everything zero, a cache of an earlier call."""
        source = sources(self.page)[0]
        returned = next(node for node in ast.walk(source.tree) if isinstance(node, ast.Return))
        assert returned.value is not None
        text, site = ast.unparse(returned.value), Site(source, returned.value, returned)
        for one, other in self._pairs():
            wrong = parsed(f"swapped({text}, {one!r}, {other!r})")
            line = f"{one!r}: d{one}, {other!r}: d{other}  ->  {one!r}: d{other}, {other!r}: d{one}"
            yield Candidate(f"swapped_with_d{other}", "swapped", line, plant(self.page, site, wrong), one)
        nothing = parsed(f"{{name: np.zeros_like(d) for name, d in ({text}).items()}}")
        line = "return gradients  ->  return zeros"
        yield Candidate("all_never_computed", "zero", line, plant(self.page, site, nothing))
        yield from self._stale()

    def _pairs(self) -> list[tuple[str, str]]:
        """Pair gradients of one shape: the parameters each with each, the others with the next one."""
        right, params = self.right[0], self.points[0][0]
        fitting = [(a, b) for a, b in itertools.combinations(right, 2) if np.shape(right[a]) == np.shape(right[b])]
        order = list(right)
        near = [(a, b) for a, b in fitting if order.index(b) - order.index(a) <= 3]
        return [pair for pair in fitting if pair in near or set(pair) <= set(params)]

    def _stale(self) -> Iterator[Candidate]:
        """Read the cache, or one entry of it, of an earlier forward pass with other parameters."""
        earlier = _cache(self.page, random_point(self.twin, 4))
        source = sources(self.page)[0]
        data = self.twin.batch_names(self.points[0][1])
        kept_back = [n for n, value in earlier.items() if isinstance(value, np.ndarray) and n not in data]
        for name in [None, *kept_back]:
            kept = "earlier" if name is None else f"{{{name!r}: earlier[{name!r}]}}"
            tree = tree_of(self.page.backward)
            tree.body.insert(0, ast.parse(f"cache = cache | {kept}").body[0])
            label = f"stale_{name or 'cache'}"
            line = f"cache  ->  cache | {kept}   (of an earlier forward pass)"
            yield Candidate(label, "stale_cache", line, rebuilt(self.page, source, tree, earlier=earlier))

    # ---- judging a candidate ----

    def _run(self, backward: Callable[..., Any], points: list[Point] | None = None) -> list[Any]:
        side = self.page.side(backward)
        return [_attempt(side, point) for point in points or self.points[:1]]

    def _refused(self, outcome: Any) -> bool:
        """Whether an outcome cannot pass for gradients: an error, missing entries or wrong shapes."""
        right = self.right[0]
        return isinstance(outcome, Exception) or any(
            name not in outcome or np.shape(outcome[name]) != np.shape(right[name]) for name in right
        )

    def _try(self, candidate: Candidate) -> None:
        outcomes = self._run(candidate.backward, self.points)
        if self._refused(outcomes[0]):
            tensor = self._refused_at(outcomes[0]) or candidate.tensor
            self._keep(candidate, tensor, f"{tensor} {candidate.line}".encode(), refused=True)
            if candidate.cause == "wrong_axis":
                self._at_home(candidate, square(self.twin, np.size(self.right[0][tensor])))
            return
        shows = [first_difference(right, wrong) for right, wrong in zip(self.right, outcomes, strict=True)]
        drawn = [fixed(self.twin, *point) for point, tensor in zip(self.points, shows, strict=True) if tensor]
        if shows[0]:
            values = self._values(self.twin, self.points[0], self.right[0])
            also = true_names(self.right[0][shows[0]], outcomes[0][shows[0]], values)
            self._keep(candidate, shows[0], _digest(outcomes[:2]), _digest(outcomes[:1]), also=also)
        elif not any(self._at_home(candidate, home) for home in (*drawn, *self.homes)):
            fault = self._unique(candidate.tensor or next(iter(self.right[0])), candidate.label)
            self.equivalents.append(Equivalent(fault, self.twin.name, candidate.line, reason_of(fault)))

    def _at_home(self, candidate: Candidate, home: Twin) -> bool:
        """Keep a candidate that shows at another point of the twin, and say whether it did."""
        page = Page(home)
        right = gradients_at(home.manual, home.point(0))
        wrong = _attempt(page.side(candidate.backward), home.point(0))
        tensor = None if isinstance(wrong, Exception) else first_difference(right, wrong)
        if tensor is not None:
            key = f"{tensor} {candidate.line} elsewhere".encode()
            also = true_names(right[tensor], wrong[tensor], self._values(home, home.point(0), right))
            self._keep(candidate, tensor, key, home=home, also=also)
        return tensor is not None

    def _refused_at(self, outcome: Any) -> str | None:
        if isinstance(outcome, Exception):
            return None
        right = self.right[0]
        return next(n for n in right if n not in outcome or np.shape(outcome[n]) != np.shape(right[n]))

    def _keep(
        self, candidate: Candidate, tensor: str, key: bytes, key_here: bytes = b"", *,
        refused: bool = False, home: Twin | None = None, also: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        if key_here:
            self.here.setdefault(key_here, set()).add(candidate.cause)
        if key in self.found:
            return
        fault = self._unique(tensor, candidate.label)
        self.keys[fault] = key_here
        self.found[key] = PlantedFault(
            id=fault,
            twin=self.twin.name,
            tensor=tensor,
            cause=candidate.cause,
            line=candidate.line,
            half=half_of(fault),
            side=Page(home or self.twin).side(candidate.backward),
            also=candidate.also | also,
            refused=refused,
            home=home,
        )

    def _unique(self, tensor: str, label: str) -> str:
        wanted = f"{self.twin.name}:d{tensor}:{label}"
        fault = next(i for n in itertools.count(1) if (i := wanted if n == 1 else f"{wanted}_{n}") not in self.ids)
        self.ids.add(fault)
        return fault


def true_names(right: Array, wrong: Array, values: list[Array]) -> frozenset[str]:
    """Say which causes are true of a wrong gradient by its value, whatever slip it came from.

    A constant multiple is a factor: a sign if it is -1, and a reduction if it is a number of rows or columns (or
    one over it). One entry, row or column alone may be wrong. The gradient may be another array of the network.
    """
    found = _multiples(right, wrong, values) | _lone_parts(right, wrong)
    if any(np.shape(v) == np.shape(wrong) and np.size(v) > 1 and not differs(v, wrong) for v in values):
        found |= {"wrong_operand"}
    return frozenset(found)


def _multiples(right: Array, wrong: Array, values: list[Array]) -> set[str]:
    size = float((right * right).sum())
    ratio = float((right * wrong).sum()) / size if size else 0.0
    if not ratio or differs(ratio * right, wrong):
        return set()
    counts = {float(n) for v in values for n in (*np.shape(v), np.size(v))} - {0.0, 1.0}
    counted = any(np.isclose(ratio, count) or np.isclose(1 / ratio, count) for count in counts)
    names = {"sign"} if np.isclose(ratio, -1) else {"reduction"} if counted else set()
    return names | ({"factor"} if np.size(right) > 1 or counted else set())


def _lone_parts(right: Array, wrong: Array) -> set[str]:
    off = np.atleast_1d(np.asarray(right != wrong))
    lone = {"one_entry"} if off.size > 1 and off.sum() == 1 else set()
    if off.ndim == 2:
        lone |= {"one_row"} if off.shape[0] > 1 and off.any(axis=1).sum() == 1 else set()
        lone |= {"one_column"} if off.shape[1] > 1 and off.any(axis=0).sum() == 1 else set()
    return lone


def _cache(page: Page, point: Point) -> dict[str, Any]:
    params, batch = point
    if page.node is not None:
        return page.node.forward(*params.values(), *batch[:-1])[1]
    return page.twin.manual.forward(params, *batch)[1]


def _attempt(side: Any, point: Point) -> Any:
    try:
        return gradients_at(side, point)
    except Exception as error:  # a broken page may raise anything; it is then refused
        return error


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _digest(outcomes: list[Mapping[str, Array]]) -> bytes:
    """Condense gradients to ten digits, so that equal formulas with other roundings count as one."""
    digest = hashlib.sha256()
    for outcome in outcomes:
        for name in sorted(outcome):
            mantissa, exponent = np.frexp(np.asarray(outcome[name], np.float64))
            digest.update(np.round(mantissa, 10).tobytes() + exponent.tobytes())
    return digest.digest()


# ---- why a mutation is none -------------------------------------------------------------------------

_REASONS = [
    (r"^gates:d[fgbwx]:(squared|magnitude|without_|swapped_with|d[fbg]_for|[wbx]_for_f)",
     "df = dg = db = 1: a sum passes its gradient on as it is, so each stands for the others and for 1"),
    (r":stale_", "the backward pass does not read this entry of the cache"),
    (r"^node_mean:dy:stale", "of x only the size is read, which no parameter changes"),
    (r"^(neuron|linear_regression):.*(do_for_dl|dl_for_do|dr_for_dz|swapped_with_do|swapped_with_dz)",
     "the two gradients are one: adding a constant to a quantity does not change dL"),
    (r"[yzt]_for_x$", "only the number of examples is read, and both arrays have one row an example"),
    (r"^(logistic|xor|relu_mlp):.*over_len_t$", "the network has one output: as many targets as examples"),
    (r"^(linear_regression|logistic|xor|relu_mlp):db2?:all_axes$", "the bias has one entry: both axes are one sum"),
    (r"^wide:dz2:without_len_params$", "this network has two layers, which is what len(params) // 2 says"),
    (r"z\d_for_f_z_depth$", "z of the last layer by its number"),
    (r"(sigmoid_derivative|in_sigmoid_derivative\.logistic_tails)_of_minus", "σ' is even"),
    (r"derivative_twice", "1[z > 0] is 0 or 1, its own square"),
    (r"a1_for_z1$", "relu(z) > 0 exactly where z > 0"),
    (r"^mnist:da\d:(layer\d\.)?magnitude", "a mask has no negative entry"),
    (r"in_softmax_cross_entropy_gradient\..*_transposed$", "1 - I is symmetric"),
    (r"in_softmax_cross_entropy_gradient\.[pt]_for_z$", "only the number of classes is read, the same in z, p and t"),
    (r"^node_mean:dx:(rows_reversed|rolled|columns_reversed)", "all entries are equal"),
]  # fmt: skip


def reason_of(fault: str) -> str:
    """Say why a mutation changes nothing; "" where nobody has found out, which a test forbids."""
    return next((reason for pattern, reason in _REASONS if re.search(pattern, fault)), "")
