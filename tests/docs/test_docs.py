"""The pages say what the code does: links, formulas' names, examples, commands."""

import doctest
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from gradtwin import check
from gradtwin.commands import cli
from gradtwin.core.tolerance import AGREE_ULPS
from gradtwin.core.verdicts import CauseId
from gradtwin.faults.source_variants import SOURCE_FAULTS
from gradtwin.referee.inspection import operating_point
from gradtwin.referee.inspection.findings import FATAL, REPORTED_AS, WARNINGS
from gradtwin.replay.figures import figures as printed_figures
from gradtwin.twins import catalog

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("docs_run_sessions", ROOT / "docs" / "run_sessions.py")
sessions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sessions)
DERIVATIONS = ROOT / "docs" / "derivations"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("logs/*.md")])
NETWORKS = [name for name in catalog.names() if not name.startswith("node_")]
NODES = [name for name in catalog.names() if name.startswith("node_")]

# The page of a network of any depth writes out three layers; its gradients are compared at that depth.
WRITTEN_OUT = {"mnist": (6, 5, 4, 3)}




def relative(page):
    """Name a page by its path in the project."""
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=relative)


def without_code(text):
    """Take out fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


# ---- derivations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_derivation_page_that_names_every_gradient(name):
    """Each key of what `backward` returns stands on the page of the network as `d<key>`."""
    twin = catalog.get(name)
    twin = twin.resize(WRITTEN_OUT[name]) if name in WRITTEN_OUT else twin
    params, batch = twin.point(0)
    _, cache = twin.manual.forward(params, *batch)
    page = (DERIVATIONS / f"{name}.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `d(\w+)` \|", page, flags=re.MULTILINE))
    assert named >= set(twin.manual.backward(params, cache))


@pytest.mark.parametrize("name", NODES)
def test_every_node_stands_on_the_page_of_nodes(name):
    """The page of nodes has a row for each node in the catalogue."""
    assert f"| `{name}` |" in (DERIVATIONS / "nodes.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*NETWORKS, "nodes"])
def test_every_derivation_page_has_all_its_parts(name):
    """Loss, chain rule, stability, the source's faults and an example: no page leaves one out."""
    page = (DERIVATIONS / f"{name}.md").read_text(encoding="utf-8").lower()
    parts = ["**loss", "numeric stability", "where the source went wrong", "## example"]
    assert [part for part in parts if part not in page] == []


@pytest.mark.parametrize("name", [*NETWORKS, "nodes"])
def test_the_numbers_of_every_example_are_what_the_code_gives(name):
    """Every `>>>` line of the page is run; what it prints is what the page shows."""
    assert failed_examples((DERIVATIONS / f"{name}.md").read_text(encoding="utf-8")) == 0


def test_a_wrong_number_in_an_example_is_seen():
    """The runner of examples sees one planted wrong number."""
    page = (DERIVATIONS / "gates.md").read_text(encoding="utf-8")
    assert failed_examples(page.replace("'w': 5.0", "'w': 1.0")) == 1


def failed_examples(text):
    """Run the `>>>` lines of all pycon blocks in one namespace and count the failures."""
    examples = "\n".join(body for _, body in sessions.blocks(text, "pycon"))
    test = doctest.DocTestParser().get_doctest(examples, {}, "page", None, 0)
    result = doctest.DocTestRunner(verbose=False).run(test, out=lambda _: None)
    assert result.attempted > 0
    return result.failed


def page_of(twin_name):
    """Give the derivation page of a twin; the nodes share one."""
    page = "nodes" if twin_name.startswith("node_") else twin_name
    return (DERIVATIONS / f"{page}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", [f for f in SOURCE_FAULTS.values() if f.twin], ids=lambda fault: fault.id)
def test_a_fault_of_the_source_stands_on_the_page_of_its_network(fault):
    """What can be planted on a network is told on its page."""
    assert f"| {fault.id} |" in page_of(fault.twin)


@each_page
def test_the_faults_named_on_a_page_are_declared(page):
    """An id such as F003-1 on a page is one that the list of source faults knows."""
    named = re.findall(r"\bF00\d-\d+", page.read_text(encoding="utf-8"))
    assert [fault for fault in named if fault not in SOURCE_FAULTS] == []


# ---- links and mathematics -------------------------------------------------------------------------


@each_page
def test_every_relative_link_resolves(page):
    """Each link within the project leads to a file, and its anchor to a heading of that file."""
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


def test_a_broken_link_is_seen():
    """A missing file and a missing heading are both reported."""
    text = "[a](docs/none.md) [b](README.md#no-such-heading) [c](https://example.org/x.md) [d](README.md)"
    assert broken_links(ROOT / "README.md", text) == ["docs/none.md", "README.md#no-such-heading"]


def broken_links(page, text):
    """List the targets of a page's relative links that lead nowhere."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(text))
    return [t for t in targets if not re.match(r"[a-z]+:", t) and not resolves(page, t)]


def resolves(page, target):
    """Tell whether a relative target is there, with its heading if it names one."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    return file.exists() and (not anchor or anchor in anchors(file.read_text(encoding="utf-8")))


def anchors(text):
    """Give the anchors GitHub makes of a page's headings."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_mathematics_survives_markdown(page):
    """Formulas hold no escaped punctuation, no bar in a table, no blank at their ends; dollars are paired."""
    text = without_code(page.read_text(encoding="utf-8"))
    formulas = re.findall(r"\$\$.*?\$\$|\$[^$]+?\$", text, flags=re.DOTALL)
    assert [f for f in formulas if re.search(r"\\[^a-zA-Z]", f)] == []
    assert [f for f in formulas if not f.startswith("$$") and (f[1] == " " or f[-2] == " ")] == []
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [row for row in rows if any("|" in f for f in re.findall(r"\$[^$]+\$", row))] == []
    assert text.count("$") % 2 == 0


def mapped_paths(text):
    """Give the paths on the map of the house, the first block of architecture.md."""
    house = re.search(r"^```\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL).group(1)
    folder, paths = "", []
    for line in house.splitlines():
        names = re.split(r"  +", line.strip())[0].split()
        folder = folder if line.startswith(" ") else ""
        paths += [folder + name for name in names]
        folder = folder or names[0]
    return paths


def test_the_map_of_the_house_is_true():
    """Every file and folder on the map of the architecture is there."""
    mapped = mapped_paths((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert {"tests/", "gradtwin/pytest_plugin.py", "docs/rooms.py", "manual_grads/networks/"} <= set(mapped)
    assert [path for path in mapped if not (ROOT / path).exists()] == []


# ---- commands and code -----------------------------------------------------------------------------


def shown_commands(text, program):
    """List the command lines of a program in a page's shell blocks, as words without prompt and comment."""
    bodies = "\n".join(body for _, body in sessions.blocks(text, "sh", "console", "text"))
    command = rf"^(?:\$ )?(?:\w+=\S+ )?(?:\S*/)?{program} (.*)$"
    return [found.split(" #")[0].split() for found in re.findall(command, bodies, flags=re.MULTILINE)]


@each_page
def test_the_commands_shown_exist(page):
    """Each `gradtwin` line parses, names known twins, and each `make` target is in the Makefile."""
    text = page.read_text(encoding="utf-8")
    for words in shown_commands(text, "gradtwin"):
        parse(words)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target, *_ in shown_commands(text, "make"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def parse(words):
    """Parse a command line without running it; raise if a command, option, twin or figure is not there."""
    command = cli.app.get_command(click.Context(cli.app), words[0])
    assert command is not None, words
    given = command.make_context(words[0], list(words[1:])).params
    for name in [*(given.get("targets") or ()), *(given.get("names") or ())]:
        if ".py" not in name:
            catalog.get(name)
    assert set(given.get("figures") or ()) <= set(printed_figures())


@pytest.mark.parametrize(
    "words", [["chek", "xor"], ["check", "xor", "--precision", "64"], ["train", "xro"], ["replay", "009-x"]]
)
def test_a_command_that_does_not_exist_is_seen(words):
    """A mistyped command, an unknown option, twin or figure do not pass."""
    with pytest.raises(Exception, match=r"chek|precision|xro|009-x"):
        parse(words)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder, 80 columns wide, and leave no trace in the import path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize("name", sessions.PAGES)
def test_what_a_page_shows_is_what_comes(name, elsewhere):
    """Each Python block and each session, done again in order, prints what stands below it, numbers aside."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert sessions.shown_otherwise(text, alone=name == "README.md") == []
    assert len(list(sessions.deeds(text))) > 2


def test_no_page_shows_a_session_that_nobody_repeats():
    """A page with output of a command is on the list above."""
    with_sessions = [relative(p) for p in PAGES if sessions.blocks(p.read_text(encoding="utf-8"), "console")]
    assert sorted(with_sessions) == sorted(sessions.PAGES)


def test_an_output_that_has_changed_is_seen(elsewhere):
    """A word that Python or a command no longer prints is reported."""
    python = "```python\nprint('right 1')\n```\n```text\nwrong 1\n```\n"
    page = python + "```console\n$ gradtwin --version\ngradtwon 1.0.0\n```\n"
    assert [body for body, _, _ in sessions.shown_otherwise(page)] == ["print('right 1')\n", "gradtwin --version"]


def test_the_repaired_gradient_of_the_readme_agrees(elsewhere):
    """The factor that the README's text names is the one its gradient lacks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = next(body for language, body, _ in sessions.deeds(text) if language == "python")
    assert "With `2 * x.T @ r / len(r)` it agrees." in text
    repaired = sessions.printed_by("python", code.replace("x.T @ r / len(r)", "2 * x.T @ r / len(r)"), {})
    assert repaired.splitlines()[0].endswith(": agree")


def test_the_table_of_the_readme_names_every_network():
    """Each network of the catalogue has a row, linked to its derivation."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[`(\w+)`\]\(docs/derivations/\1\.md\) \|", text, flags=re.MULTILINE)
    assert rows == NETWORKS


# ---- the worked example of CONTRIBUTING ------------------------------------------------------------


def worked_example():
    """Give the three pieces of CONTRIBUTING's network by the file they belong to."""
    code = sessions.blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "python")
    return {body.splitlines()[0].removeprefix("# "): body for _, body in code}


def entered(monkeypatch, manual_code):
    """Make a Twin of the worked example as the catalogue would, without touching any file."""
    pieces = worked_example()
    manual, reference = ModuleType("tanh_mlp"), ModuleType("tf_reference.networks.tanh_mlp")
    exec(manual_code, vars(manual))
    exec(pieces["tf_reference/networks/tanh_mlp.py"], vars(reference))
    monkeypatch.setitem(sys.modules, "tf_reference.networks.tanh_mlp", reference)
    return eval(pieces["gradtwin/twins/catalog.py"], vars(catalog) | {"tanh_mlp": manual})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_network_of_the_worked_example_agrees(monkeypatch, dtype):
    """The three pieces of CONTRIBUTING make a twin whose gradients agree with TensorFlow's."""
    twin = entered(monkeypatch, worked_example()["manual_grads/networks/tanh_mlp.py"])
    report = check(twin, dtype=dtype)
    assert report.verdict == "agree"
    assert {tensor.name for tensor in report.tensors} == {
        "loss", "z2", "W2", "b2", "a1", "z1", "W1", "b1", "x",
    }  # fmt: skip


def test_a_fault_planted_in_the_worked_example_is_refused(monkeypatch):
    """The slope of tanh taken as 1/cosh, not its square, does not pass."""
    code = worked_example()["manual_grads/networks/tanh_mlp.py"]
    assert "np.cosh(z1) ** 2" in code
    twin = entered(monkeypatch, code.replace("np.cosh(z1) ** 2", "np.cosh(z1)"))
    assert not check(twin).agrees


# ---- the referee explained ---------------------------------------------------------------------------

REFEREE = (ROOT / "docs" / "referee.md").read_text(encoding="utf-8")
SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "gradtwin").rglob("*.py")}


MODULE_CALLED = {path.stem: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES}
CONSTANTS = re.findall(r"^\| `(\w+)\.([A-Z_]+)` \| (\S+) \|", REFEREE, flags=re.MULTILINE)


@pytest.mark.parametrize(("module", "name", "value"), CONSTANTS)
def test_the_numbers_on_the_page_of_the_referee_are_the_codes(module, name, value):
    """Each constant of the table has its value in the code."""
    assert getattr(importlib.import_module(MODULE_CALLED[module]), name) == float(value)


def words_between(start, end):
    """Collect the words in code type between two pieces of the referee's page, each of which stands there once."""
    assert REFEREE.count(start) == REFEREE.count(end) == 1
    return set(re.findall(r"`([a-z]\w*)`", REFEREE.partition(start)[2].partition(end)[0]))


PLACES = {
    "slip": ("A slip in a formula is", "Where a batch was cut"),
    "combination": ("there are four more, asked first:", "The side that is not\nunder suspicion"),
    "behaviour": ("Fatal, and never `agree`, is", "Another loss for the same arguments"),
    "trap": ("one of TensorFlow's traps:", "Causes that lie in how the code behaves"),
}


@pytest.mark.parametrize("group", PLACES)
def test_the_causes_on_the_page_of_the_referee_are_the_codes(group):
    """Each group of causes has its list on the page, word for word; `stale_cache` is a behaviour, too."""
    also = {CauseId.STALE_CACHE} if group == "behaviour" else set()
    assert words_between(*PLACES[group]) == {id for id in CauseId if id.group == group} | also


def test_every_group_of_causes_has_a_place_on_the_page():
    """A new group without a list would be no cause to a reader."""
    assert {id.group for id in CauseId} == set(PLACES)


def test_every_finding_and_blind_spot_is_on_the_page_of_the_referee():
    """What is said of the code and of the point has its word on the page, and every word of the page is one."""
    spots = {operating_point.REPORTED_AS.get(spot, spot) for spot in operating_point.SPOTS}
    said_as = {REPORTED_AS.get(finding, finding) for finding in FATAL | WARNINGS}
    assert spots | said_as <= set(re.findall(r"`(\w+)`", REFEREE))
    words = set(re.findall(r"`([a-z]+_[a-z_]+)`", REFEREE)) - {"first_wrong", "custom_gradient"}
    assert words <= said_as | spots | set(CauseId)


def test_the_bound_of_the_quick_rule_is_that_of_every_page():
    """Where a page says `at most so many ulp` or units in the last place, it is the code's number."""
    texts = [without_code(page.read_text(encoding="utf-8")) for page in PAGES]
    stated = [n for text in texts for n in re.findall(r"at most (\d+) (?:ulp|units in the last)", text)]
    assert len(stated) > 1 and len(CONSTANTS) > 5
    assert {float(n) for n in stated} == {AGREE_ULPS}
