"""The forms a report can be written in: HTML, Markdown, JSON and JUnit."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gradtwin.core.errors import InputError
from gradtwin.core.plain import listed
from gradtwin.reporting.documents import json_document, junit_document
from gradtwin.reporting.dossier import Dossier
from gradtwin.reporting.markdown import markdown
from gradtwin.reporting.page import html_page
from gradtwin.reporting.writing import refuse_bad_place, write

FORMS: dict[str, Callable[[Dossier], str]] = {
    "html": html_page,
    "md": markdown,
    "json": json_document,
    "junit": junit_document,
}
_BY_SUFFIX = {".html": "html", ".htm": "html", ".md": "md", ".json": "json", ".xml": "junit"}


def forms_of(outputs: Sequence[Path], form: str | None, *, force: bool) -> dict[Path, str]:
    """Choose the form of each file, and refuse what cannot be written before anything is computed.

    Args:
        outputs: the files.
        form: the form of all of them; None chooses by the name of each.
        force: whether existing files may be replaced.

    Returns:
        The form of each file.

    Raises:
        InputError: a file exists, its directory does not, or its form is unknown.
    """
    for path in outputs:
        refuse_bad_place(path, force=force)
    return {path: form_of(path, form) for path in outputs}


def write_all(dossier: Dossier, files: Mapping[Path, str], *, force: bool) -> None:
    """Write a dossier into every file in its form."""
    texts = {path: FORMS[form](dossier) for path, form in files.items()}
    for path, text in texts.items():
        write(path, text, force=force)


def form_of(path: Path, form: str | None) -> str:
    """Choose the form: the given one, else by the ending of the file's name.

    Raises:
        InputError: no form is given, and the ending is unknown.
    """
    if form is not None:
        return form
    if path.suffix.lower() not in _BY_SUFFIX:
        raise InputError(
            f"{path}: expected a name that ends in {listed([*_BY_SUFFIX], 'or')}, or --format {listed([*FORMS], 'or')}."
        )
    return _BY_SUFFIX[path.suffix.lower()]
