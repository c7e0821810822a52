"""The forms a report can be written in, and what a file's name says of its form."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gradtwin.core.errors import InputError
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


def arrange(outputs: Sequence[Path], form: str | None, *, force: bool) -> dict[Path, str]:
    """Decide each file's form, and refuse what cannot be written before anything is computed for it.

    Args:
        outputs: the files.
        form: of all of them; by each one's name if None.
        force: whether files that are there may be replaced.

    Returns:
        The form of each file.

    Raises:
        InputError: a file is there, its folder is not, or its form is not known.
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
    """Choose the form: the one asked for, else what the file's name ends with.

    Raises:
        InputError: none was asked for, and the name says none.
    """
    if form is not None:
        return form
    if path.suffix.lower() not in _BY_SUFFIX:
        raise InputError(
            f"{path}: expected a name that ends in {', '.join(_BY_SUFFIX)}, or --format {', '.join(FORMS)}."
        )
    return _BY_SUFFIX[path.suffix.lower()]
