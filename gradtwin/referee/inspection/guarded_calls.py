"""Guarded calls: manual code run on arguments it cannot write to, and caught when it tries."""

import linecache
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradtwin.core.errors import InputError
from gradtwin.core.user_code import users_line
from gradtwin.referee.inspection.array_trees import bits, leaves, mapped, read_only, same_array, writable_copy
from gradtwin.referee.inspection.findings import Notes
from manual_grads import Params

Run = Callable[[Params, Params], tuple[Any, Any, Any]]


class _Guard:
    """Calls manual code on read-only views.

    Code that writes to an argument raises; the place is noted, and from then on it is given copies, so
    that the inspection can go on and the caller's arrays stay as they are.
    """

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self._writing: set[str] = set()

    def _call(self, what: str, function: Callable[..., Any], params: Params, other: Any) -> Any:
        given = (params, other)
        if what in self._writing:
            return function(*mapped(given, writable_copy))
        views = mapped(given, read_only)
        try:
            answer = function(*views)
        except ValueError as error:
            if "read-only" not in str(error) and "WRITEABLE" not in str(error):
                raise
            place = f" at {place_of(error)}"
        else:
            self._note_dictionaries(what, given, views)
            return answer
        self._writing.add(what)
        copies = mapped(given, writable_copy)
        answer = function(*copies)
        self._note_writes(what, given, copies, place)
        return answer

    def _note_writes(self, what: str, given: tuple[Params, Any], copies: Any, place: str) -> None:
        params, other = given
        after = dict(leaves(copies))
        changed = [(name, array) for name, array in leaves(given) if bits(array) != bits(after.get(name, array))]
        for name, array in changed:
            in_cache = what == "backward" and not any(same_array(array, p) for p in params.values())
            self.notes.add("writes_cache" if in_cache else "writes_input", name, what=what, place=place)
        if not changed:
            self.notes.add("needs_writable", what=what, place=place)

    def _note_dictionaries(self, what: str, given: tuple[Params, Any], seen: tuple[Any, Any]) -> None:
        lost, new = _key_changes(given[0], seen[0])
        for name in lost + new:
            self.notes.add("writes_input", name, what=what, place=", in the params dictionary")
        if what == "backward" and type(given[1]) is dict:
            lost, new = _key_changes(given[1], seen[1])
            for name in lost:
                self.notes.add("writes_cache", name, what=what, place=", in the cache dictionary")
            for name in new:
                self.notes.add("adds_to_cache", name)


class GuardedHalves(_Guard):
    """Manual code in two halves, called on read-only views.

    Args:
        notes: where findings go.
        forward: `forward(params, *batch) -> (loss, cache)`.
        backward: `backward(params, cache) -> gradients`.
    """

    def __init__(self, notes: Notes, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        super().__init__(notes)
        self._forward = forward
        self._backward = backward

    def forward(self, params: Params, batch: Params) -> tuple[Any, Any]:
        """Call forward.

        Raises:
            InputError: it returns no pair.
        """
        answer = self._call("forward", lambda p, b: self._forward(p, *b.values()), params, batch)
        if isinstance(answer, tuple) and len(answer) == 2:
            return answer
        kind = "None" if answer is None else f"a {type(answer).__name__}"
        raise InputError(f"The manual forward: expected (loss, cache), got {kind}.")

    def backward(self, params: Params, cache: Any) -> Any:
        """Call backward."""
        return self._call("backward", self._backward, params, cache)

    def gradients(self, params: Params, batch: Params) -> Any:
        """Call both, with nothing between them."""
        return self.backward(params, self.forward(params, batch)[1])

    def backward_of_new_object(self, params: Params) -> Any:
        """Make a new object of backward's class, and call its backward before any forward.

        Returns:
            Its answer; None where backward is a plain function, the class needs arguments, or it refuses.
        """
        owner = getattr(self._backward, "__self__", None)
        if owner is None or isinstance(owner, type):
            return None
        try:
            return getattr(type(owner)(), self._backward.__name__)(mapped(params, read_only), {})
        except Exception:  # any refusal will do
            return None


class GuardedFunction(_Guard):
    """Manual code that is one function, called on read-only views.

    Args:
        notes: where findings go.
        run: `run(params, batch) -> (loss, gradients, cache)`.
    """

    def __init__(self, notes: Notes, run: Run) -> None:
        super().__init__(notes)
        self._run = run

    def run(self, params: Params, batch: Params) -> tuple[Any, Any, Any]:
        """Call the function."""
        loss, gradients, cache = self._call("the function", self._run, params, batch)
        return loss, gradients, cache

    def forward(self, params: Params, batch: Params) -> tuple[Any, Any]:
        """Call the function, and leave its gradients out."""
        return self.run(params, batch)[::2]

    def gradients(self, params: Params, batch: Params) -> Any:
        """Call the function, and give the gradients alone."""
        return self.run(params, batch)[1]


def _key_changes(given: Mapping[str, Any], seen: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Name the keys that are gone or hold another array, and those that are new."""
    rebound = [k for k, v in given.items() if isinstance(v, np.ndarray) and k in seen and not same_array(seen[k], v)]
    return [k for k in given if k not in seen] + rebound, [k for k in seen if k not in given]


def place_of(error: BaseException) -> str:
    """Give the user's file, line and code an exception comes from."""
    place = users_line(error)
    if place is None:
        return "an unknown line"
    file, _, number = place.rpartition(", line ")
    code = linecache.getline(file, int(number)).strip()
    return f"{place}: `{code}`" if code else place
