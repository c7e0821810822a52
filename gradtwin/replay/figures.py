"""The figures printed in the five source documents 000 to 004, and what follows from them."""

import functools
import json
from importlib.resources import files
from typing import Any

Figure = dict[str, Any]


@functools.cache
def document() -> dict[str, Any]:
    """Read figures.json: `sources`, `data` and `figures`; its `note` explains the fields."""
    return json.loads((files("gradtwin.replay") / "figures.json").read_text(encoding="utf-8"))


@functools.cache
def figures() -> dict[str, Figure]:
    """Give every figure by its id, in the order of the documents."""
    return {figure["id"]: figure for figure in document()["figures"]}
