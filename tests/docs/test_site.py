"""The documentation as a site: it builds strictly, its formulas are set, and it asks no network for anything."""

import html
import importlib.util
import json
import re
from pathlib import Path

import click
import nbformat
import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, PluginError
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[2]


def loaded(name):
    """Load a file of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks, generate, tutorial = loaded("hooks"), loaded("generate"), loaded("run_tutorial")
GENERATED = generate.generated()


# ---- pages that come from the code -------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted(GENERATED), ids=lambda page: page.name)
def test_a_page_written_from_the_code_is_up_to_date(page):
    """`python docs/generate.py` would change nothing."""
    assert page.read_text(encoding="utf-8") == GENERATED[page]


def test_every_network_shows_its_code():
    """The page of the loop over layers has its backward, that of the nodes every class."""
    code = {page.stem: text for page, text in GENERATED.items()}
    assert 'gradients[f"W{i}"]' in code["deep"] and "def backward" in code["xor"]
    assert "class SoftmaxCrossEntropy" in code["nodes"]


def test_a_page_that_has_drifted_is_seen():
    """A line changed between the marks is put right again; a page without marks is refused."""
    page = generate.DOCS / "derivations" / "xor.md"
    text = page.read_text(encoding="utf-8")
    drifted = text.replace("dW2 = a1.T @ dz2  ", "dW2 = a1.T @ dz1  ")
    assert drifted != text
    code = GENERATED[page].partition(generate.BEGIN)[2].partition(generate.END)[0].strip()
    assert generate.with_code(drifted, code) == text
    with pytest.raises(ValueError, match="two marks"):
        generate.with_code("# no marks", "code")


def test_every_command_and_option_is_in_the_reference():
    """What the command line knows, and nothing it does not know, stands in commands.md."""
    from gradtwin.commands.cli import COMMANDS, app

    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    commands = {name: app.get_command(click.Context(app), name) for name in COMMANDS}
    sections = dict(re.findall(r"^## gradtwin (\w+)\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))
    assert set(sections) == set(commands)
    for name, command in commands.items():
        options = {option for p in command.params for option in p.opts if option.startswith("--")} - {"--help"}
        assert set(re.findall(r"^\| `(--[\w-]+)`", sections[name], flags=re.MULTILINE)) == options
        assert command.epilog.removeprefix("Example: ") in sections[name]


# ---- the site ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def test_every_formula_of_every_page_is_mathml(site):
    """As many formulas as the Markdown has, none left in TeX."""
    for page in (ROOT / "docs").rglob("*.md"):
        text = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
        formulas = re.findall(r"\$\$.*?\$\$|\$[^$]+?\$", text, flags=re.DOTALL)
        stem = page.relative_to(ROOT / "docs").with_suffix(".html")
        built = (site / str(stem).replace("README", "index")).read_text(encoding="utf-8")
        assert len(re.findall(r"<math\b", built)) == len(formulas), page.name
        prose = re.sub(r"<(pre|code|script)\b.*?</\1>", "", built, flags=re.DOTALL)
        assert not re.search(r"\\\(|\\\[|\\(?:mathrm|frac|sum|sigma)\b", prose), page.name


def test_the_site_asks_no_other_host_for_anything(site):
    """No script, style, font or picture of another host in any page or style sheet."""
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 20
    assert {f.name: hooks.requests_of(f.read_text(encoding="utf-8")) for f in files} == {f.name: [] for f in files}


@pytest.mark.parametrize(
    "asks",
    [
        '<script src="https://cdn.example.org/mathjax.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example.org/css?family=Roboto">',
        "<img alt='x' src='//example.org/a.png'>",
        "@font-face{src:url(https://fonts.example.org/a.woff2)}",
        '@import "https://example.org/a.css";',
    ],
)
def test_a_request_to_another_host_is_seen(asks):
    """Planted requests are found; a link for the reader to click is none."""
    assert len(hooks.requests_of(f'<a href="https://example.org">a link</a> {asks}')) == 1


def test_the_tutorial_is_a_page_with_what_it_printed(site):
    """The code of every cell of the notebook and all it printed are on the page."""
    notebook = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    words = html.unescape(re.sub(r"<[^>]+>", "", (site / "tutorial.html").read_text(encoding="utf-8")))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    shown = ["".join(text) for c in cells for text in (c["source"], *(o.get("text", "") for o in c["outputs"]))]
    assert len(shown) > 15
    assert [text for text in shown if text.strip() not in words] == []


@pytest.mark.parametrize(
    ("folder", "link", "becomes"),
    [
        ("", "[how](../CONTRIBUTING.md#style)", "[how](CONTRIBUTING.md#style)"),
        ("derivations", "[how](../../CONTRIBUTING.md)", "[how](../CONTRIBUTING.md)"),
        ("", "[`zoo.py`](../manual_grads/networks/zoo.py)", "`zoo.py`"),
        ("", "[gone](../manual_grads/none.py)", "[gone](../manual_grads/none.py)"),
        ("derivations", "[the referee](../referee.md)", "[the referee](../referee.md)"),
        ("", "[the tutorial](tutorial.ipynb)", "[the tutorial](tutorial.md)"),
    ],
)
def test_links_out_of_the_docs_lead_somewhere_on_the_site(folder, link, becomes):
    """Pages of the root are on the site, code is not; a link to nowhere stays, and stops the build."""
    page = type("Page", (), {"file": type("File", (), {"src_uri": f"{folder}/a.md".lstrip("/")})})
    assert hooks.on_page_markdown(f"See {link}.", page) == f"See {becomes}."


# ---- what must not pass ------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", ["[a](none.md)", "[a](commands.md#no-such-heading)", "[a](/absolute.md)"])
def test_a_broken_link_stops_the_build(wrong, tmp_path):
    """A page, a heading or a place that is not there is an error, not a warning."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Home\n\n{wrong}\n")
    (docs / "commands.md").write_text("# Commands\n")
    config = load_config(
        str(ROOT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(tmp_path / "site"),
        hooks=[], extra_css=[], extra_javascript=[], nav=["index.md", "commands.md"],
    )  # fmt: skip
    with pytest.raises(Abort):
        build(config)


def test_a_formula_that_cannot_be_converted_is_refused():
    """A command the converter does not know would stand on the page as it is."""
    with pytest.raises(ValueError, match=r"\\nosuch is no command"):
        hooks.mathml(r"\nosuch{x}", "inline")


def test_a_display_formula_within_a_paragraph_is_refused():
    """It would stay in TeX; the message names the page."""
    page = type("Page", (), {"file": type("File", (), {"src_uri": "a.md"})})
    with pytest.raises(PluginError, match=r"a\.md: a formula on lines of its own"):
        hooks.on_page_content("<p>so $$ x = y $$ holds</p>", page)


# ---- the notebook ------------------------------------------------------------------------------------


def texts(notebook):
    """Give what each code cell of a notebook prints, numbers and the kernel's names for cells aside."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    outputs = [[o.get("text", o.get("data", {}).get("text/html", "")) for o in cell["outputs"]] for cell in cells]
    printed = ["".join("".join(text) for text in cell) for cell in outputs]
    return [re.sub(r"\s+", " ", re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", text)) for text in printed]


def test_the_tutorial_runs_whole_and_prints_what_it_shows(tmp_path):
    """Every cell runs in a fresh kernel; its words are those that are stored."""
    stored = nbformat.read(tutorial.NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    assert texts(tutorial.executed(stored, tmp_path)) == texts(stored)
    verdicts = re.findall(r"seed # ?: (\w+)", " ".join(texts(stored)))
    assert verdicts == ["agree", "disagree", "disagree", "disagree"]


def test_a_tutorial_cell_that_raises_is_seen(tmp_path):
    """A planted exception stops the run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        tutorial.executed(notebook, tmp_path)
