"""From names and axes to a grid: what applies to which twin, and what is folded, in words."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gradtwin.checking.check import DTYPES
from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.faults.catalogue import planted, small
from gradtwin.sweep.axes import Values
from gradtwin.sweep.case import written
from gradtwin.sweep.grid import Block, Grid
from gradtwin.training.plan import DTYPES as TRAINING_DTYPES
from gradtwin.training.plan import make_plan
from gradtwin.twins import catalog, datasets, twin_files
from gradtwin.twins.twin import Twin

Notes = dict[str, list[str]]


def plan(kind: str, targets: Sequence[str], axes: Mapping[str, Values]) -> Grid:
    """Make the grid of a sweep.

    An axis that means nothing to a twin is folded there, and a note says so: a net of fixed widths is not run once
    for each of the widths, nor a twin that draws nothing once for each seed.

    Args:
        kind: what each case does.
        targets: names of twins, FILE.py and FILE.py:OBJECT; all built-in twins that fit the kind if empty.
        axes: from `gradtwin.sweep.axes`.

    Raises:
        InputError: no such twin, or an axis that applies to none of them.
    """
    twins = _twins(kind, targets)
    _refuse_foreign_dtypes(kind, axes.get("dtype", ()))
    notes: Notes = {}
    if kind == "faults":
        blocks = _fault_blocks(twins, axes.get("fault"))
    else:
        blocks = [Block(target, _applicable(kind, target, twin, axes, notes)) for target, twin in twins.items()]
    _refuse_widths_nobody_has(blocks, axes, notes)
    lines = tuple(f"{', '.join(names)}: {line}" for line, names in notes.items())
    return Grid(kind, tuple(block for block in blocks if block.count), _files(twins), lines)


def _twins(kind: str, targets: Sequence[str]) -> dict[str, Twin]:
    """Find the twins; a training without names is one of every twin that has data."""
    if not targets:
        everything = {name: catalog.get(name) for name in catalog.names()}
        return {n: t for n, t in everything.items() if kind != "train" or t.data in datasets.NAMES}
    twins: dict[str, Twin] = {}
    for target in targets:
        is_file = twin_files.is_file_target(target)
        twins |= twin_files.load(target) if is_file else {target: catalog.get(target)}
    return twins


def _files(twins: Mapping[str, Twin]) -> dict[str, str]:
    """Condense the users' files, so that a sweep is not resumed with another code."""
    names = {target.rpartition(":")[0] for target in twins if ".py:" in target}
    return {name: hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in sorted(names)}


def _refuse_foreign_dtypes(kind: str, dtypes: Values) -> None:
    known = TRAINING_DTYPES if kind == "train" else DTYPES
    for dtype in dtypes:
        if dtype not in known:
            raise InputError(f"--kind {kind} takes no dtype {dtype}: there are {', '.join(known)}.")


# ---- what applies to a twin --------------------------------------------------------------------------


def _applicable(kind: str, target: str, twin: Twin, axes: Mapping[str, Values], notes: Notes) -> dict[str, Values]:
    found = dict(axes)
    if "widths" in found:
        found["widths"] = _fitting_widths(kind, target, twin, found["widths"], notes)
    if kind in ("check", "train") and len(found["seed"]) > 1 and _draws_nothing(twin):
        found["seed"] = (found["seed"][0],)
        _note(notes, "nothing is drawn from a seed, so there is one case for all seeds.", target)
    if kind == "train":
        _refuse_untrainable(twin, found)
    return found


def _fitting_widths(kind: str, target: str, twin: Twin, widths: Values, notes: Notes) -> Values:
    """Keep the widths the twin can be had in, or its own alone if there are none."""
    fitting = tuple(w for w in widths if _takes(kind, twin, w))
    if not fitting:
        why = "the widths are fixed" if twin.resize is None else f"none of the widths {_list(widths)} fits"
        _note(notes, f"{why}, so there is one case for all of the axis.", target)
        return (None,)
    for left_out in (w for w in widths if w not in fitting):
        _note(notes, f"the widths {written(left_out)} do not fit and are left out.", target)
    return fitting


def _takes(kind: str, twin: Twin, widths: tuple[int, ...]) -> bool:
    """Try the number of layers, in the narrowest net of so many; a training keeps the ends its data ask for."""
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
    """Tell a twin whose points are all one: its generator stands still, and no parameter is drawn for being zero."""
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


def _refuse_widths_nobody_has(blocks: Sequence[Block], axes: Mapping[str, Values], notes: Notes) -> None:
    if "widths" in axes and all(block.axes.get("widths") == (None,) for block in blocks):
        asked, names = _list(axes["widths"]), ", ".join(block.target for block in blocks)
        raise InputError(f"The axis widths: {asked} fits none of {names}: leave it out, or name others.")


def _fault_blocks(twins: Mapping[str, Twin], asked: Values | None) -> list[Block]:
    faults = {target: tuple(fault.id for fault in planted(small(twin))) for target, twin in twins.items()}
    if asked is not None:
        known = {fault for ids in faults.values() for fault in ids}
        for fault in asked:
            if fault not in known:
                near = did_you_mean(fault, known)
                raise InputError(f"The axis fault: there is no {fault!r} in {', '.join(twins)}.{near}")
        faults = {target: tuple(f for f in ids if f in asked) for target, ids in faults.items()}
    return [Block(target, {"fault": ids}) for target, ids in faults.items()]


def _note(notes: Notes, line: str, name: str) -> None:
    notes.setdefault(line, []).append(name)


def _list(values: Values) -> str:
    return ", ".join(map(written, values))
