"""Shrink a failing check: the smallest batch, widths and entries that still fail, as a script that runs alone.

    smallest = gradtwin.shrink("xor")                             # a twin, or the name of one
    smallest = gradtwin.shrink_gradients(manual, reference, params, x, t)
    smallest.write("smallest.py")                                 # python smallest.py exits with status 1

Every smaller point must fail in the same way as the first: the same verdict, blame, first wrong tensor and cause. The
order: layer widths, where the twin exists in others; rows of the batch; entries, set to zero; and what is left,
rounded to few digits. One-hot targets, masks, other arrays of zeros and ones, and distributions keep their entries,
because they only mean something together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.backend.replicas.cut import rows_of
from gradtwin.checking.check import check, check_gradients
from gradtwin.checking.low_precision import are_distributions
from gradtwin.checking.settings import OF_FUNCTIONS, OF_TWINS, CheckSettings
from gradtwin.checking.shrink_script import Source, source_of_functions, source_of_twin, write_script
from gradtwin.core.errors import InputError
from gradtwin.core.plain import count
from gradtwin.core.precision import is_floating
from gradtwin.core.report import Report
from gradtwin.referee.inspection.operating_point import PER_EXAMPLE
from gradtwin.twins import catalog
from gradtwin.twins.twin import Batch, Twin
from manual_grads import Array, Params

CHECKS = 400
"""After so many checks the smallest point so far is taken."""

Point = tuple[Params, Batch]
Ask = Callable[[Point, CheckSettings], Report]


@dataclass(frozen=True)
class Smallest:
    """The smallest point found at which a check fails.

    Attributes:
        params: the parameters there.
        batch: the batch's arrays there.
        report: what the check says there.
        checks: how many checks it took.
    """

    params: Params
    batch: Batch
    report: Report
    checks: int
    source: Callable[[], Source] = field(repr=False)

    @property
    def size(self) -> str:
        """Say how small it is: "2 rows, 7 of 12 numbers not zero"."""
        arrays = [np.asarray(a) for a in (*self.params.values(), *self.batch)]
        rows = rows_of(self.batch)
        left, all_numbers = sum(np.count_nonzero(a) for a in arrays), sum(a.size for a in arrays)
        counted = "" if rows is None else f"{count(rows, 'row')}, "
        return f"{counted}{left} of {all_numbers} numbers not zero"

    def write(self, file: str | Path) -> Path:
        """Write the script; it needs numpy, tensorflow, gradtwin and the functions where they are now.

        Args:
            file: where to; a script written by an earlier call is replaced, any other file is not.

        Raises:
            InputError: another file is there, or the functions cannot be imported by name.
        """
        return write_script(Path(file), self.source(), self.params, self.batch, self.report, self.size)


@dataclass(frozen=True)
class FixedPoint(Twin):
    """A twin whose operating point is given, whatever the seed."""

    fixed: Point = field(default=({}, ()))

    def point(self, seed: int = 0) -> Point:
        """Give the point."""
        return self.fixed


def at_point(twin: Twin, params: Params, batch: Batch) -> FixedPoint:
    """Fix a twin's operating point.

    Args:
        twin: the twin.
        params: its parameters there; zeros are left as they are.
        batch: the batch's arrays there.
    """
    fields = {name: getattr(twin, name) for name in Twin.__dataclass_fields__}
    return FixedPoint(**fields, fixed=(params, tuple(batch)))


def shrink(
    twin: Twin | str,
    *,
    dtype: str = "float64",
    route: str = "tape",
    seed: int = 0,
    thorough: bool = False,
    shards: Sequence[int] | None = None,
    device: str | None = None,
    where: str | None = None,
) -> Smallest:
    """Find the smallest point at which the check of a twin still fails.

    Example:
        >>> page = gradtwin.catalog.get("xor")
        >>> class Wrong:
        ...     init_params, forward = page.manual.init_params, page.manual.forward
        ...     def backward(params, cache):
        ...         gradients = page.manual.backward(params, cache)
        ...         return gradients | {"b1": gradients["b1"] / 4}  # averaged over the examples
        >>> smallest = gradtwin.shrink(dataclasses.replace(page, manual=Wrong))
        >>> smallest.report.first_wrong, smallest.report.agrees
        ('b1', False)

    Args:
        twin: a Twin, or the name of one.
        dtype: as for `gradtwin.check`.
        route: as for `gradtwin.check`.
        seed: draws the point that is shrunk.
        thorough: as for `gradtwin.check`.
        shards: as for `gradtwin.check`; a shard gets smaller with its rows.
        device: as for `gradtwin.check`.
        where: how the script finds the twin, a name or `FILE.py:OBJECT`; by default the loaded modules are searched.

    Raises:
        InputError: the check does not fail.
    """
    where = where or (twin if isinstance(twin, str) else None)
    twin = catalog.get(twin) if isinstance(twin, str) else twin

    def ask(point: Point, settings: CheckSettings) -> Report:
        return check(at_point(twin, *point), **settings.options(OF_TWINS))

    search = _Search(ask, twin.point(seed), CheckSettings(dtype, route, device, shards, seed, thorough))
    search.narrow(twin, seed)
    return search.finish(lambda: source_of_twin(twin, where, search.settings))


def shrink_gradients(
    manual: Callable[..., Any],
    reference: Callable[..., Any],
    params: Params,
    *batch: Array,
    route: str = "tape",
    kinks: str = "any",
    shards: Sequence[int] | None = None,
    device: str | None = None,
) -> Smallest:
    """Find the smallest params and batch at which `gradtwin.check_gradients` still fails.

    Example:
        >>> def manual(params, x):
        ...     return (x @ params["w"]).sum(), {"w": x.mean(axis=0, keepdims=True).T}  # a mean for a sum
        >>> def reference(params, x):
        ...     return tf.reduce_sum(x @ params["w"])
        >>> smallest = gradtwin.shrink_gradients(manual, reference, {"w": np.ones((3, 1))}, np.ones((7, 3)))
        >>> smallest.batch[0].shape, smallest.report.verdict
        ((2, 3), 'disagree')

    Args:
        manual: as for `gradtwin.check_gradients`.
        reference: as for `gradtwin.check_gradients`.
        params: where it fails.
        *batch: where it fails.
        route: as for `gradtwin.check_gradients`.
        kinks: as for `gradtwin.check_gradients`.
        shards: as for `gradtwin.shrink`.
        device: as for `gradtwin.check`.

    Raises:
        InputError: the check does not fail.
    """

    def ask(point: Point, settings: CheckSettings) -> Report:
        return check_gradients(manual, reference, point[0], *point[1], **settings.options(OF_FUNCTIONS))

    settings = CheckSettings(route=route, device=device, shards=shards, kinks=kinks)
    search = _Search(ask, (dict(params), tuple(np.asarray(array) for array in batch)), settings)
    return search.finish(lambda: source_of_functions(manual, reference, search.settings))


# ---- the search ----------------------------------------------------------------------------------------


class _Search:
    """The smallest failing point so far, and the ways to a smaller one."""

    def __init__(self, ask: Ask, point: Point, settings: CheckSettings) -> None:
        self.ask = ask
        self.point = point
        self.settings = settings
        self.report = self.failure = ask(point, settings)
        self.checks = 1
        self.free = list(_free_slots(point))
        if self.failure.agrees:
            raise InputError(f"{self.failure.twin}: nothing to shrink; the check does not fail.")

    def finish(self, source: Callable[[], Source]) -> Smallest:
        """Take out rows and numbers, and give what is left."""
        self.drop_rows()
        self.clear_entries()
        self.round_numbers()
        params, batch = self.point
        return Smallest(params, batch, self.report, self.checks, source)

    def fails(self, point: Point, settings: CheckSettings | None = None) -> bool:
        """Keep a point, and settings that go with it, if it fails in the way of the first."""
        settings = settings or self.settings
        if self.checks >= CHECKS:
            return False
        self.checks += 1
        try:
            report = self.ask(point, settings)
        except InputError:  # no point for this code
            return False
        if _way(report) != _way(self.failure):
            return False
        self.point, self.settings, self.report = point, settings, report
        return True

    def narrow(self, twin: Twin, seed: int) -> None:
        """Give each layer the smallest width at which the check still fails."""
        if twin.widths is None or twin.resize is None:
            return
        widths = list(twin.widths)
        for layer, width in enumerate(widths):
            for smaller in (1, 2, 3, 4, 8, 16, 64):
                tried = [*widths[:layer], smaller, *widths[layer + 1 :]]
                if smaller < width and self.fails(_point_of_widths(twin, tuple(tried), seed)):
                    widths = tried
                    break

    def drop_rows(self) -> None:
        """Find few rows that fail together, then leave out each that is not needed."""
        total = rows_of(self.point[1])
        if total is None:
            return
        whole, settings, size = self.point, self.settings, 1
        while size < total:
            starts = range(0, total - size + 1, max(1, (total - size) // 4))
            few = (np.arange(start, start + size) for start in starts)
            if any(self.fails(_with_rows(whole, rows), _recut(settings, rows)) for rows in few):
                break
            size *= 2
        for row in range((rows_of(self.point[1]) or 1) - 1, -1, -1):
            left = rows_of(self.point[1]) or 1
            if left > 1 and row < left:
                rows = np.delete(np.arange(left), row)
                self.fails(_with_rows(self.point, rows), _recut(self.settings, rows))

    def clear_entries(self) -> None:
        """Set to zero what may be zero: whole arrays, then halves, down to single entries."""
        for slot in self.free:
            blocks = [np.flatnonzero(_array(self.point, slot))]
            while blocks:
                block = blocks.pop()
                if block.size and not self.fails(_with_entries(self.point, slot, block, 0.0)) and block.size > 1:
                    blocks += np.array_split(block, 2)[::-1]

    def round_numbers(self) -> None:
        """Write what is left with as few digits as will do."""
        for slot in self.free:
            array = _array(self.point, slot)
            for digits in (1, 2, 3):
                short = np.vectorize(lambda number, d=digits: float(f"{number:.{d}g}"))(array).astype(array.dtype)
                if self.fails(_replaced(self.point, slot, short)):
                    break


def _way(report: Report) -> tuple[Any, ...]:
    return report.agrees, report.verdict, report.blame, report.first_wrong, report.cause_id


def _recut(settings: CheckSettings, rows: Array) -> CheckSettings:
    """Leave in each shard those of its rows that are kept, and no shard without any."""
    if settings.shards is None:
        return settings
    kept = np.diff(np.searchsorted(rows, np.cumsum(settings.shards)), prepend=0)
    return replace(settings, shards=tuple(int(size) for size in kept if size))


def _point_of_widths(twin: Twin, widths: tuple[int, ...], seed: int) -> Point:
    """Draw the point of other widths. Only the point of a resized twin is used: its sides are the built-in ones."""
    assert twin.resize is not None
    return twin.resize(widths).point(seed)


# ---- points --------------------------------------------------------------------------------------------

Slot = tuple[str, Any]
"""Which array: ("params", name) or ("batch", position)."""


def _array(point: Point, slot: Slot) -> Array:
    params, batch = point
    return np.asarray(params[slot[1]] if slot[0] == "params" else batch[slot[1]])


def _replaced(point: Point, slot: Slot, array: Array) -> Point:
    params, batch = point
    if slot[0] == "params":
        return {**params, slot[1]: array}, batch
    return params, tuple(array if i == slot[1] else other for i, other in enumerate(batch))


def _with_entries(point: Point, slot: Slot, flat: Array, value: float) -> Point:
    array = np.array(_array(point, slot))
    array.flat[flat] = value
    return _replaced(point, slot, array)


def _with_rows(point: Point, rows: Array) -> Point:
    """Keep some rows of every array that has one for each example."""
    params, batch = point
    examples = rows_of(batch)

    def kept(array: Array) -> Array:
        return array[rows] if np.ndim(array) and len(array) == examples else array

    return {k: kept(p) if k in PER_EXAMPLE else p for k, p in params.items()}, tuple(kept(a) for a in batch)


def _free_slots(point: Point) -> Iterator[Slot]:
    """Name the arrays whose entries mean nothing together, the batch first."""
    params, batch = point
    slots: list[Slot] = [("batch", i) for i in range(len(batch))] + [("params", name) for name in params]
    for slot in slots:
        array = _array(point, slot)
        if is_floating(array) and array.size and not _means_something(array):
            yield slot


def _means_something(array: Array) -> bool:
    """Whether these are zeros and ones, scaled masks, or distributions."""
    few_values = array.size > 2 and np.unique(array).size <= 2
    return bool(np.isin(array, (0.0, 1.0)).all() or few_values or are_distributions(array))


