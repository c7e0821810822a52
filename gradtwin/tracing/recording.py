"""Arrays that number every operation done with them, so that a stranger's numpy code can be followed."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradtwin.core.precision import is_floating
from gradtwin.core.trees import mapped
from manual_grads import Array

_NUMPY = str(Path(np.__file__).parent)
MOST_STEPS = 100_000
MOST_BYTES = 2_000_000_000
_RESHAPING = {"copy", "astype", "reshape", "ravel", "flatten", "squeeze", "expand_dims", "getitem", "asarray"}
_TRANSPOSING = {"T", "transpose", "swapaxes"}
_WRITING_FUNCTIONS = {"copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis"}


class NotFollowed(Exception):
    """The code does something that numbered arrays cannot follow."""


@dataclass(frozen=True, eq=False)
class Slot:
    """An array among an operation's arguments: result number `index` of `step`, or one from `outside`.

    `is_foreign` marks one from outside that was neither in the parameters nor in the cache.
    """

    step: int = -1
    index: int = 0
    outside: Array | None = None
    is_foreign: bool = False


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation as it was done: the function, its arguments with slots for arrays, and how it wrote.

    `writing` is "" for a new result, "out" for a result written through out=, "first" for one written into
    the first argument. `line` is the user's line that asked for it: (file, number).
    """

    label: str
    function: Callable[..., Any]
    args: Any
    kwargs: Any
    writing: str
    line: tuple[str, int]


class Recorder:
    """Numbers the operations of one run, and remembers what each of them wrote.

    Attributes:
        labels: one (operation, shapes of its results) a step; two runs of the same code give equal lists.
        results: the arrays a step produced, as plain arrays.
        writes: (step, array) for every operation that wrote into an array that existed before.
        operands: (step, position, array, its bytes' hash) for every plain array an operation read.
        copies_of_inputs: steps that only copied or viewed all of an array from outside.
        operations: what was done, with arguments, when `keep` asks for it.
        origins: step that only copied or viewed all of an array -> (step that made that array, transposed).
        before, after: called with (step, plain operands) and (step, plain results) of each operation; `after`
            may return other results.
    """

    def __init__(
        self,
        before: Callable[[int, list[Array]], None] | None = None,
        after: Callable[[int, list[Array]], list[Array]] | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self.labels: list[tuple[Any, ...]] = []
        self.results: dict[int, list[Array]] = {}
        self.writes: list[tuple[int, Array]] = []
        self.operands: list[tuple[int, int, Array, int]] = []
        self.origins: dict[int, tuple[int, bool]] = {}
        self.copies_of_inputs: set[int] = set()
        self.operations: dict[int, Operation] = {}
        self._keep = keep
        self._before, self._after = before, after
        self._bytes = 0

    def wrap(self, thing: Any, memo: dict[int, Any] | None = None) -> Any:
        """Copy all arrays in a nest of dictionaries, lists and tuples into recorded ones, aliases kept."""
        copies = {} if memo is None else memo

        def wrapped(leaf: Any) -> Any:
            if isinstance(leaf, np.ndarray) and id(leaf) not in copies:
                copies[id(leaf)] = self._recorded(np.array(leaf, order="K", subok=False), -1)
            return copies[id(leaf)] if isinstance(leaf, np.ndarray) else leaf

        return mapped(thing, wrapped)

    def call(
        self,
        label: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        writes: Any = (),
    ) -> Any:
        """Do one operation on the plain arrays, number it, and give back recorded results."""
        step = len(self.labels)
        targets, operands = list(_arrays(writes)), list(_arrays((args, kwargs)))
        plain_operands = [plain(a) for a in operands]
        if self._before is not None:
            self._before(step, plain_operands)
        else:
            self._note_operands(step, operands)
        if self._keep:
            self._keep_operation(step, label, function, args, kwargs, targets)
        answer = function(*plain(args), **plain(kwargs))
        self.labels.append((label, *(a.shape for a in _arrays((answer, targets)))))
        self._note_origin(step, label, operands, answer)
        if targets:
            return self._written(step, targets, answer)
        self._stay_within_bounds(answer)
        return self._produced(step, plain_operands, answer)

    def _keep_operation(
        self, step: int, label: str, function: Any, args: Any, kwargs: Any, targets: list[Array]
    ) -> None:
        writing = "" if not targets else "out" if "out" in kwargs else "first"
        args, kwargs = mapped((tuple(args), kwargs), self._slot)
        operation = Operation(label, function, args, kwargs, writing, _users_line())
        self.operations[step] = operation
        for target in targets:
            if isinstance(target, Recorded) and target.step >= 0:  # about to be overwritten
                self.results[target.step] = [
                    np.array(made) if same_memory(made, plain(target)) else made for made in self.results[target.step]
                ]

    def _slot(self, array: Any) -> Any:
        if not isinstance(array, Recorded):
            return Slot(outside=np.array(array), is_foreign=True) if isinstance(array, np.ndarray) else array
        for index, made in enumerate(self.results.get(array.step, [])):
            if same_memory(made, plain(array)):
                return Slot(array.step, index)
        return Slot(outside=plain(array))

    def _stay_within_bounds(self, answer: Any) -> None:
        self._bytes += sum(array.nbytes for array in _arrays(answer))
        if len(self.labels) > MOST_STEPS or self._bytes > MOST_BYTES:
            raise NotFollowed(f"more than {MOST_STEPS} operations, or {MOST_BYTES} bytes of intermediates")

    def _written(self, step: int, targets: list[Array], answer: Any) -> Any:
        for target in targets:
            self.writes.append((step, plain(target)))
            if isinstance(target, Recorded):
                target.step = step
        self.results[step] = [plain(target) for target in targets]
        if self._after is not None:
            for target, new in zip(targets, self._after(step, self.results[step]), strict=True):
                if new is not plain(target):
                    np.copyto(plain(target), new)
        if answer is None:
            return None
        wrapped = [t if isinstance(t, Recorded) else self._recorded(t, step) for t in targets]
        return wrapped[0] if len(wrapped) == 1 else tuple(wrapped)

    def _produced(self, step: int, operands: list[Array], answer: Any) -> Any:
        several = isinstance(answer, tuple | list)
        parts = list(answer) if several else [answer]
        numbers = [i for i, part in enumerate(parts) if _is_recordable(part)]
        self.results[step] = [np.asarray(parts[i]) for i in numbers]
        new = self._after(step, self.results[step]) if self._after is not None else self.results[step]
        used: list[Array] = []
        for i, array, old in zip(numbers, new, self.results[step], strict=True):
            was_scalar = not isinstance(parts[i], np.ndarray)
            if array is not old and not any(np.may_share_memory(old, operand) for operand in operands):
                np.copyto(old, array)
                array = old
            used.append(array)
            parts[i] = self._recorded(array, step, was_scalar)
        self.results[step] = used
        return type(answer)(parts) if type(answer) in (tuple, list) else parts if several else parts[0]

    def _recorded(self, array: Array, step: int, was_scalar: bool = False) -> "Recorded":
        recorded = array.view(Recorded)
        recorded.recorder, recorded.step, recorded.was_scalar = self, step, was_scalar
        return recorded

    def _note_operands(self, step: int, operands: list[Array]) -> None:
        for position, array in enumerate(operands):
            if not isinstance(array, Recorded) and is_floating(array):
                self.operands.append((step, position, array, hash(array.tobytes())))

    def _note_origin(self, step: int, label: str, operands: list[Array], answer: Any) -> None:
        """Remember a copy or a view of all of one array: it holds the same gradient as its source."""
        if label not in _RESHAPING | _TRANSPOSING or not operands or not isinstance(answer, np.ndarray):
            return
        source = operands[0]
        if not isinstance(source, Recorded) or source.size != answer.size:
            return
        if source.step < 0:
            self.copies_of_inputs.add(step)
            return
        made = self.results[source.step]
        if len(made) != 1 or not same_memory(made[0], plain(source)):
            return
        transposed = label in _TRANSPOSING
        same = plain(source).T if transposed else plain(source).reshape(answer.shape)
        if same.shape == answer.shape and np.array_equal(same, answer, equal_nan=True):
            self.origins[step] = (source.step, transposed)


class Recorded(np.ndarray):
    """An array whose every operation goes through its recorder.

    `step` is the operation that last wrote it, -1 for an input. Numbers that numpy gives as scalars are
    kept as recorded arrays of shape (), which then behave as unchanging as scalars do.
    """

    recorder: Recorder
    step: int
    was_scalar: bool

    def __array_finalize__(self, parent: Any) -> None:
        self.recorder = getattr(parent, "recorder", None)  # type: ignore[assignment]
        self.step = getattr(parent, "step", -1)
        self.was_scalar = False

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **kwargs: Any) -> Any:
        if out:
            kwargs["out"] = out
        writes = out or (inputs[:1] if method == "at" else ())
        recorder = _recorder_of((inputs, kwargs))
        return recorder.call(f"{ufunc.__name__}.{method}", getattr(ufunc, method), inputs, kwargs, writes)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        writes = args[:1] if func.__name__ in _WRITING_FUNCTIONS else kwargs.get("out")
        recorder = _recorder_of((args, kwargs))
        return recorder.call(func.__name__, func, args, kwargs, () if writes is None else writes)

    @property
    def T(self) -> Any:  # type: ignore[override]
        return self.recorder.call("T", np.transpose, (self,), {})

    @property
    def mT(self) -> Any:  # type: ignore[override]
        return self.recorder.call("mT", np.matrix_transpose, (self,), {})

    def __getitem__(self, key: Any) -> Any:
        return self.recorder.call("getitem", np.ndarray.__getitem__, (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self.recorder.call("setitem", np.ndarray.__setitem__, (self, key, value), {}, (self,))


def plain(thing: Any) -> Any:
    """Give the plain arrays behind recorded ones, in nested tuples, lists and dictionaries too."""
    return mapped(thing, lambda leaf: leaf.view(np.ndarray) if isinstance(leaf, Recorded) else leaf)


def same_memory(a: Array, b: Array) -> bool:
    """Say whether two plain arrays are one and the same view of the same memory."""
    return (
        a.shape == b.shape and a.strides == b.strides and a.__array_interface__["data"] == b.__array_interface__["data"]
    )


def arrays_read(operation: Operation) -> list[Slot]:
    """List the arrays among an operation's arguments, those it only writes to left out."""
    return [slot for _, slot in slots_of(operation)]


def slots_of(operation: Operation) -> list[tuple[tuple[Any, ...], Slot]]:
    """List the arrays an operation reads, each with its path among the arguments."""
    return list(_slots_in((operation.args, operation.kwargs), ()))


def _slots_in(tree: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Slot]]:
    if isinstance(tree, Slot):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if key != "out":
                yield from _slots_in(value, (*path, key))
    elif type(tree) in (list, tuple):
        for key, value in enumerate(tree):
            yield from _slots_in(value, (*path, key))


def _users_line() -> tuple[str, int]:
    """Find the line outside numpy and this file that is being executed."""
    frame: Any = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename == __file__ or _NUMPY in frame.f_code.co_filename):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)


def _arrays(thing: Any) -> Iterator[Array]:
    if isinstance(thing, np.ndarray):
        yield thing
    elif isinstance(thing, dict):
        yield from _arrays(tuple(thing.values()))
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from _arrays(part)


def _recorder_of(things: Any) -> Recorder:
    return next(a.recorder for a in _arrays(things) if isinstance(a, Recorded))


def _is_recordable(value: Any) -> bool:
    return isinstance(value, np.ndarray) or isinstance(value, np.inexact)


def _define_methods(names: Iterable[str], *, writing: bool = False) -> None:
    for name in names:
        method = getattr(np.ndarray, name)

        def record(self: Recorded, *args: Any, _name: str = name, _method: Any = method, **kwargs: Any) -> Any:
            writes = (self,) if writing else kwargs.get("out")
            return self.recorder.call(_name, _method, (self, *args), kwargs, () if writes is None else writes)

        setattr(Recorded, name, record)


def _define_in_place(names: Iterable[str]) -> None:
    """A scalar that is 'changed in place' becomes a new scalar; its other holders keep the old one."""
    for name in names:
        method = getattr(np.ndarray, f"__i{name}__")
        out_of_place = getattr(np.ndarray, f"__{name}__")

        def change(self: Recorded, other: Any, _method: Any = method, _new: Any = out_of_place) -> Any:
            return _new(self, other) if self.was_scalar else _method(self, other)

        setattr(Recorded, f"__i{name}__", change)


_define_methods(
    "copy astype reshape ravel flatten transpose swapaxes squeeze sum mean prod max min var std dot cumsum "
    "cumprod clip repeat take compress choose trace round conj diagonal argmax argmin nonzero".split()
)
_define_methods(["fill", "put", "sort", "partition"], writing=True)
_define_in_place("add sub mul truediv floordiv mod pow".split())
