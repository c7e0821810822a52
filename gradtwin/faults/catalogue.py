"""The catalogue of planted faults of a twin: every line of its backward pass, broken by every operator that fits.

A mutation is kept when it changes a gradient at the twin's operating point or is refused there (it raises, or gives
a wrong shape). Two mutations that give one gradient everywhere are one fault. A mutation that the twin's own point
cannot show is planted at another point of its kind: at exact zeros of a relu, in a square batch. One that changes
nothing anywhere is an equivalent: it is listed with the reason why it is none.

The faults fall into two halves by a hash of their ids. No rule of the referee is tuned on the second.
"""

import itertools
from dataclasses import dataclass, replace

from gradtwin.faults.planted_fault import Equivalent, PlantedFault, half_of
from gradtwin.faults.planting import Planting
from gradtwin.faults.source_variants import SOURCE_FAULTS, SourceFault
from gradtwin.twins import catalog
from gradtwin.twins.twin import Twin

__all__ = ["Catalogue", "Equivalent", "PlantedFault", "catalogue", "half_of", "planted", "small"]

LARGEST = 5_000  # numbers; a page with more is broken in small widths


@dataclass(frozen=True)
class Catalogue:
    """The faults of one twin, and the mutations that turned out to be none."""

    faults: tuple[PlantedFault, ...]
    equivalents: tuple[Equivalent, ...]


def planted(twin: Twin) -> list[PlantedFault]:
    """List the faults of a twin, in the order of its source."""
    return list(catalogue(twin).faults)


_KNOWN: dict[tuple[str, tuple[int, ...] | None, int], tuple[Twin, Catalogue]] = {}


def catalogue(twin: Twin) -> Catalogue:
    """Plant every fault that there is a place for; what was once planted is kept."""
    key = (twin.name, twin.widths, id(twin.manual))
    if key not in _KNOWN:
        faults, equivalents = Planting(twin).run()
        _KNOWN[key] = twin, Catalogue((*faults, *_of_the_sources(twin)), tuple(equivalents))
    return _KNOWN[key][1]


def small(twin: Twin) -> Twin:
    """Give a large network in small widths: its page is broken in the same places, and checked faster."""
    if twin.widths is None or twin.resize is None or _size(twin.widths) <= LARGEST:
        return twin
    hidden = [8] * (len(twin.widths) - 2)
    return twin.resize((9, *hidden, 5))


def _size(widths: tuple[int, ...]) -> int:
    return sum((i + 1) * o for i, o in itertools.pairwise(widths))


# ---- the sources' own faults ------------------------------------------------------------------------

# Which tensor and which cause the referee should name. A fault of the forward pass shows in the loss.
SOURCE_ANSWERS: dict[str, tuple[str, str, frozenset[str]]] = {
    "F000-1": ("b", "all_axes", frozenset()),
    "F000-2": ("z", "epsilon", frozenset()),
    "F000-3": ("loss", "unknown", frozenset()),
    "F001-1": ("loss", "unknown", frozenset({"sign"})),
    "F001-2": ("b", "missing_sum", frozenset()),
    "F001-3": ("b2", "reduction", frozenset({"all_axes"})),
    "F001-4": ("l", "epsilon", frozenset()),
    "F001-12": ("w", "wrong_operand", frozenset({"unknown", "factor"})),
    "F001-13": ("a1", "wrong_operand", frozenset()),
    "F001-15": ("loss", "unknown", frozenset()),
    "F002-2": ("loss", "unknown", frozenset()),
    "F002-3": ("z", "factor", frozenset()),
    "F002-5": ("b", "missing_sum", frozenset()),
    "F002-8": ("x", "factor", frozenset()),
    "F003-1": ("z1", "kink_convention", frozenset()),
    "F003-2": ("z2", "unknown", frozenset()),
    "F003-3": ("loss", "reduction", frozenset({"factor"})),
    "F004-1": ("loss", "unknown", frozenset()),
    "F004-2": ("loss", "broadcast_nxn", frozenset()),
    "F004-3": ("loss", "unknown", frozenset()),
    "F004-4": ("loss", "unknown", frozenset()),
    "F004-5": ("loss", "unknown", frozenset()),
    "F004-7": ("loss", "unknown", frozenset()),
    "F004-8": ("loss", "sign", frozenset()),
}


def _of_the_sources(twin: Twin) -> list[PlantedFault]:
    """List the faults that the source documents have in this network."""
    if twin.name not in catalog.names() or catalog.get(twin.name).manual is not twin.manual:
        return []
    faults = [fault for fault in SOURCE_FAULTS.values() if fault.twin == twin.name]
    return [_of_the_source(fault, *SOURCE_ANSWERS[fault.id], catalog.get(twin.name)) for fault in faults]


def _of_the_source(fault: SourceFault, tensor: str, cause: str, also: frozenset[str], twin: Twin) -> PlantedFault:
    return PlantedFault(
        id=fault.id,
        twin=twin.name,
        tensor=tensor,
        cause=cause,
        line=f"{fault.right}  ->  {fault.wrong}",
        half=half_of(fault.id),
        side=fault.manual,
        also=also,
        refused="S" in fault.kind or fault.id == "F002-5",
        home=replace(fault.plant(), manual=twin.manual),
    )
