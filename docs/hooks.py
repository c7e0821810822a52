"""What MkDocs does not do by itself: formulas as MathML, the notebook as a page, and no request to any network.

MkDocs calls the `on_...` functions by their names (`hooks:` in mkdocs.yml).
"""

import html
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md")  # pages that stand beside docs/, where people look for them
NOTEBOOK = "tutorial"

# ---- pages from elsewhere --------------------------------------------------------------------------


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not Markdown files of docs/."""
    for name in OUTSIDE:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=seen_from_docs(text)))
    notebook = json.loads((ROOT / "docs" / f"{NOTEBOOK}.ipynb").read_text(encoding="utf-8"))
    files.append(File.generated(config, f"{NOTEBOOK}.md", content=notebook_page(notebook)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Mend the links that lead out of docs/, and those to the notebook."""
    folder = posixpath.dirname(page.file.src_uri)
    markdown = markdown.replace(f"{NOTEBOOK}.ipynb)", f"{NOTEBOOK}.md)")
    return re.sub(r"\[([^\]]+)\]\((\.\./[^)\s]*)\)", lambda found: _outward(found, folder), markdown)


def _outward(link: re.Match[str], folder: str) -> str:
    """Lead a link to a page of the project's root to its page here; of one to a file of the code keep the words."""
    path, anchor, heading = link[2].partition("#")
    target = posixpath.normpath(posixpath.join("docs", folder, path))
    if target in OUTSIDE:
        return f"[{link[1]}]({posixpath.relpath(target, folder or '.')}{anchor}{heading})"
    is_code = not target.startswith(("docs/", "..")) and (ROOT / target).exists()
    return link[1] if is_code else link[0]


def seen_from_docs(text: str) -> str:
    """Shorten the links of a page of the project's root, as if it stood in docs/."""
    return text.replace("](docs/", "](")


def notebook_page(notebook: dict[str, Any]) -> str:
    """Write a notebook as Markdown: its text, its code, and what it printed when it was last run."""
    return "\n\n".join(part for cell in notebook["cells"] for part in _cell_parts(cell))


def _cell_parts(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    return [_fenced(source, "python"), *(_output(output) for output in cell["outputs"])]


def _output(output: dict[str, Any]) -> str:
    """Show an output by its richest form that a page can hold."""
    if output["output_type"] == "stream":
        return _fenced("".join(output["text"]), "text")
    data = {kind: "".join(text) for kind, text in output.get("data", {}).items()}
    if "text/html" in data:
        return f'<div class="output">\n{data["text/html"]}\n</div>'
    return _fenced(data.get("text/plain", "\n".join(output.get("traceback", []))), "text")


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text.rstrip()}\n````"


# ---- formulas --------------------------------------------------------------------------------------


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Turn what arithmatex has marked into MathML, which browsers set without a script or a font of ours."""
    try:
        return with_mathml(content)
    except ValueError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def with_mathml(content: str) -> str:
    r"""Replace every \(...\) and \[...\] that is marked as a formula."""
    content = re.sub(
        r'<span class="arithmatex">\\\((.*?)\\\)</span>',
        lambda found: mathml(html.unescape(found[1]), "inline"),
        content,
        flags=re.DOTALL,
    )
    content = re.sub(
        r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>',
        lambda found: f'<div class="formula">{mathml(html.unescape(found[1]), "block")}</div>',
        content,
        flags=re.DOTALL,
    )
    left = re.search(r"\$\$.{0,60}", re.sub(r"<(pre|code)\b.*?</\1>", "", content, flags=re.DOTALL), re.DOTALL)
    if left:
        raise ValueError(f"a formula on lines of its own needs an empty line before and after it: {left[0]}")
    return content


def mathml(formula: str, display: str) -> str:
    """Convert one formula.

    Raises:
        ValueError: it holds a command that the converter does not know.
    """
    known = re.sub(r"\\mathrm\b", r"\\text", formula)  # one upright word, not letters in a row
    known = re.sub(r"\\([lr])brace\b", lambda found: {"l": r"\{", "r": r"\}"}[found[1]], known)
    known = known.replace(r"\arg\max", r"\text{arg max}")
    converted = convert(known.strip(), display=display)
    unknown = re.findall(r"\\[A-Za-z]+", converted)
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is no command of the converter, in the formula {formula.strip()}")
    return _set_closer(converted.replace(r">\{<", ">{<").replace(r">\}<", ">}<"))


def _set_closer(math: str) -> str:
    """Mend what the converter leaves to fonts: the space around / and bars and after ln, and a bold 1."""
    tight = r'<mo lspace="0" rspace="0">\1</mo>'
    math = re.sub(r"<mo(?: stretchy=\"false\")?>(&#x0007C;|&#x0002F;)</mo>", tight, math)
    math = math.replace("<mo>max</mo>", '<mo lspace="0.1em" rspace="0">max</mo>')
    math = re.sub(r"<mi>ln</mi>(?!<mo)", '<mi>ln</mi><mspace width="0.15em"/>', math)
    math = re.sub(r"(</mi>|</msub>)<mi>ln</mi>", r'\1<mspace width="0.15em"/><mi>ln</mi>', math)
    return re.sub(r'<mn mathvariant="bold">(\d)</mn>', lambda found: f"<mn>{chr(0x1D7CE + int(found[1]))}</mn>", math)


# ---- no network ------------------------------------------------------------------------------------

ASKS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\ssrc=["']?(?P<src>(?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*\shref=["']?(?P<href>(?:https?:)?//[^"'\s>]+)"""
    r"""|(?:@import\s+|url\()["']?(?P<url>(?:https?:)?//[^"'\s)]+)""",
    re.IGNORECASE,
)


def requests_of(text: str) -> list[str]:
    """List what a page or a style sheet would ask of other hosts; links that wait for a click do not count."""
    return [found["src"] or found["href"] or found["url"] for found in ASKS.finditer(text)]


def on_post_build(config: Any) -> None:
    """Refuse a site with a page that asks the network for something, and keep search quiet on a disk."""
    site = Path(config["site_dir"])
    index = site / "search" / "search_index.json"
    if index.exists():  # what Material asks for in its place when a page is opened from a disk
        script = f"var __index = {index.read_text(encoding='utf-8')}"
        index.with_suffix(".js").write_text(script, encoding="utf-8")
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        asked = requests_of(file.read_text(encoding="utf-8"))
        if asked:
            raise PluginError(f"{file.relative_to(site)} asks another host for {', '.join(asked)}")
