"""The rooms of gradtwin/ and their imports, read off the code: for the picture, the list of modules and the test."""

import ast
import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gradtwin"
PAGE = ROOT / "docs" / "architecture.md"

ROW, HEAD, NAME, WORDS = 26, 92, 118, 470  # of the picture, in pixels
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 } .quiet { fill: #59636e } .line { stroke: #d1d9e0 }
  .dot { fill: #00897b } .self { fill: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 }
    .line { stroke: #3d444d } .dot { fill: #4db6ac } .self { fill: #3d444d }
  }
"""


def rooms() -> dict[str, str]:
    """Give the rooms with what is in each, the highest first: the order that the page states."""
    block = re.search(r"```rooms\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None, f"{PAGE} has no block of rooms"
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in block[1].splitlines()}


def sources() -> dict[str, Path]:
    """Give every module of the package with its file."""
    return {_name_of(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def _name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(module: str, text: str, modules: Mapping[str, object]) -> set[str]:
    """Name the modules of gradtwin that a module imports: at its top, inside functions and for type checkers.

    Args:
        module: its name.
        text: its source.
        modules: every module there is, by name.

    Returns:
        The modules it imports, itself left out.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {inner if (inner := f"{node.module}.{a.name}") in modules else node.module for a in node.names}
    return {name for name in found if name.split(".")[0] == "gradtwin" and name != module}


def imports() -> dict[str, set[str]]:
    """Give for every module the modules it imports."""
    files = sources()
    return {module: imports_of(module, file.read_text(encoding="utf-8"), files) for module, file in files.items()}


def room_of(module: str) -> str:
    """Give a module's room; the root of the package, above all rooms, is the empty word."""
    return module.split(".")[1] if module.count(".") and (PACKAGE / module.split(".")[1]).is_dir() else ""


# ---- the picture -------------------------------------------------------------------------------------


def picture() -> str:
    """Draw the rooms as an SVG: a row each, and a dot where the room of the row imports the room of the column."""
    order = list(rooms())
    arrows = {(room_of(module), room_of(other)) for module, others in imports().items() for other in others}
    parts = [*_column_heads(order), *(part for i, room in enumerate(order) for part in _row(i, room, order, arrows))]
    body = "\n".join(parts)
    width, height = NAME + WORDS + ROW * len(order) + 24, HEAD + ROW * len(order)  # room for the last head
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="The rooms of '
        f'gradtwin, the highest first, and which of them imports which: every dot lies above the diagonal.">'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def _column_heads(order: list[str]) -> Iterator[str]:
    for j, room in enumerate(order):
        x = NAME + WORDS + ROW * j + ROW / 2 + 4
        yield f'<text class="quiet" transform="translate({x:g} {HEAD - 8}) rotate(-60)">{room}</text>'


def _row(i: int, room: str, order: list[str], arrows: set[tuple[str, str]]) -> Iterator[str]:
    top = HEAD + ROW * i
    right = NAME + WORDS + ROW * len(order)
    yield f'<line class="line" x1="0" y1="{top}" x2="{right}" y2="{top}"/>'
    yield f'<text x="4" y="{top + 18}" font-weight="600">{room}</text>'
    yield f'<text class="quiet" x="{NAME}" y="{top + 18}">{html.escape(rooms()[room].partition(";")[0])}</text>'
    for j, other in enumerate(order):
        kind = "self" if i == j else "dot" if (room, other) in arrows else ""
        if kind:
            x = NAME + WORDS + ROW * j + ROW // 2
            yield f'<circle class="{kind}" cx="{x}" cy="{top + ROW // 2}" r="{3 if i == j else 6}"/>'


# ---- the list of modules -----------------------------------------------------------------------------


def module_list() -> str:
    """List the modules of every room, each with the first line of its docstring, in Markdown."""
    lines: list[str] = []
    for room in rooms():
        lines += [f"### {room}", "", "| module | what it is |", "|---|---|"]
        lines += [f"| `{path}` | {words} |" for path, words in _modules_in(room)]
        lines.append("")
    return "\n".join(lines).rstrip()


def _modules_in(room: str) -> Iterator[tuple[str, str]]:
    for file in sorted((PACKAGE / room).rglob("*.py"), key=lambda file: (file.parent, file.name)):
        if file.name != "__init__.py":
            docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            yield str(file.relative_to(PACKAGE)), docstring.splitlines()[0].replace("|", "\\|")
