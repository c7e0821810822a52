"""From names and axes to a grid: which axes apply to which twin."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.core.dtypes import DEFAULT_DTYPES, DTYPES
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.core.verdicts import Note
from gradtwin.faults.catalogue import planted, small
from gradtwin.sweep.axes import Values
from gradtwin.sweep.case import written
from gradtwin.sweep.grid import Block, Grid
from gradtwin.training.plan import make_plan
from gradtwin.twins import catalog, datasets, twin_files
from gradtwin.twins.twin import Twin


def plan(kind: str, targets: Sequence[str], axes: Mapping[str, Values]) -> Grid:
    """Make the grid of a sweep.

    An axis that does not apply to a twin has one value there, and a note says so: a net of fixed widths is not run once
    for each of the widths, nor a twin that draws nothing once for each seed.

    Args:
        kind: one of `KINDS`.
        targets: names of twins, FILE.py and FILE.py:OBJECT; all built-in twins that fit the kind if empty.
        axes: from `gradtwin.sweep.axes`.

    Raises:
        InputError: there is no such twin, or an axis applies to none of them.
    """
    twins = _twins(kind, targets)
    _refuse_foreign_dtypes(kind, axes.get("dtype", ()))
    if kind == "faults":
        return Grid(kind, tuple(_fault_blocks(twins, axes.get("fault"))), _files(twins))
    folded = {target: _folded(kind, twin, axes) for target, twin in twins.items()}
    _refuse_widths_nobody_has(folded, axes)
    blocks = tuple(Block(target, kept) for target, (kept, _) in folded.items())
    return Grid(kind, blocks, _files(twins), _by_note({target: notes for target, (_, notes) in folded.items()}))


def _by_note(notes_of: Mapping[str, Sequence[Note]]) -> tuple[Note, ...]:
    """Write each note once, after the names of the twins it holds for."""
    targets: dict[Note, list[str]] = {}
    for target, notes in notes_of.items():
        for note in notes:
            targets.setdefault(note, []).append(target)
    return tuple(Note(note.id, f"{', '.join(names)}: {note}") for note, names in targets.items())


def _twins(kind: str, targets: Sequence[str]) -> dict[str, Twin]:
    """Find the twins; without names all of them, for a training all that have data."""
    if not targets:
        everything = {name: catalog.get(name) for name in catalog.names()}
        return {n: t for n, t in everything.items() if kind != "train" or t.data in datasets.NAMES}
    twins: dict[str, Twin] = {}
    for target in targets:
        is_file = twin_files.is_file_target(target)
        twins |= twin_files.load(target) if is_file else {target: catalog.get(target)}
    return twins


def _files(twins: Mapping[str, Twin]) -> dict[str, str]:
    """Hash the users' files, so that a sweep is not resumed after one has changed."""
    names = {target.rpartition(":")[0] for target in twins if ".py:" in target}
    return {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in sorted(names)}


def _refuse_foreign_dtypes(kind: str, dtypes: Values) -> None:
    known = DEFAULT_DTYPES if kind == "train" else DTYPES
    for dtype in dtypes:
        if dtype not in known:
            raise InputError(f"--kind {kind} does not take dtype {dtype}. Choose from {', '.join(known)}.")


# ---- what applies to a twin --------------------------------------------------------------------------

Axes = dict[str, Values]


def _folded(kind: str, twin: Twin, axes: Mapping[str, Values]) -> tuple[Axes, list[Note]]:
    """Keep of each axis the values that make a difference to the twin; the notes say what was left out."""
    kept, notes = dict(axes), list[Note]()
    if "widths" in axes:
        kept["widths"], notes = _folded_widths(kind, twin, axes["widths"])
    if kind in ("check", "train") and len(axes["seed"]) > 1 and _draws_nothing(twin):
        kept["seed"] = (axes["seed"][0],)
        notes.append(Note("one_seed", "the seed changes nothing; run once."))
    if kind == "train":
        _refuse_untrainable(twin, kept)
    return kept, notes


def _folded_widths(kind: str, twin: Twin, widths: Values) -> tuple[Values, list[Note]]:
    """Keep the widths that the twin can have; if there are none, None for its own."""
    fitting = tuple(w for w in widths if _takes(kind, twin, w))
    if fitting:
        others = (written(w) for w in widths if w not in fitting)
        return fitting, [Note("widths_skipped", f"the widths {other} do not fit; skipped.") for other in others]
    if twin.resize is None:
        return (None,), [Note("fixed_widths", "the widths are fixed; run once.")]
    return (None,), [Note("no_widths_fit", f"none of the widths {_list(widths)} fits; run once with its own.")]


def _takes(kind: str, twin: Twin, widths: tuple[int, ...]) -> bool:
    """Try the number of layers, in the narrowest net; a training must keep the first and last width of its data."""
    if twin.resize is None:
        return False
    try:
        twin.resize((1,) * len(widths)).start(0)
        if kind == "train":
            return make_plan(twin.resize(widths)).twin.widths == widths
    except (InputError, ValueError, TypeError, IndexError):
        return False
    return True


def _draws_nothing(twin: Twin) -> bool:
    """Whether a twin has one point only: its generator stands still, and no parameter is drawn for being zero."""
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    draw = twin.init or getattr(twin.manual, "init_params", None)
    if draw is None:
        return False
    params = draw(rng)
    if callable(twin.batch):
        twin.batch(rng)
    return rng.bit_generator.state == before and all(np.any(p) for p in params.values())


def _refuse_untrainable(twin: Twin, axes: Mapping[str, Values]) -> None:
    for widths in axes.get("widths", (None,)):
        make_plan(twin if widths is None or twin.resize is None else twin.resize(widths))


def _refuse_widths_nobody_has(folded: Mapping[str, tuple[Axes, Any]], axes: Mapping[str, Values]) -> None:
    if "widths" in axes and all(kept["widths"] == (None,) for kept, _ in folded.values()):
        asked, names = _list(axes["widths"]), ", ".join(folded)
        raise InputError(f"Axis widths: {asked} fits none of {names}. Leave it out, or give others.")


def _fault_blocks(twins: Mapping[str, Twin], asked: Values | None) -> list[Block]:
    """Give each twin its own faults, or those that were asked for; a twin without any is left out."""
    faults = {target: tuple(fault.id for fault in planted(small(twin))) for target, twin in twins.items()}
    if asked is not None:
        known = {fault for ids in faults.values() for fault in ids}
        for fault in asked:
            if fault not in known:
                near = did_you_mean(fault, known)
                raise InputError(f"Axis fault: no fault {fault!r} in {', '.join(twins)}.{near}")
        faults = {target: tuple(f for f in ids if f in asked) for target, ids in faults.items()}
    return [Block(target, {"fault": ids}) for target, ids in faults.items() if ids]


def _list(values: Values) -> str:
    return ", ".join(map(written, values))
