"""The figures printed in the source documents, reproduced by both sides."""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gradtwin.core.errors import InputError, did_you_mean
from gradtwin.replay import by_hand, by_tensorflow
from gradtwin.replay.figures import Figure, figures
from gradtwin.replay.judging import agrees, largest_difference, plain, same_digits
from gradtwin.replay.recipes import RECIPES, Bench, checked_mnist
from gradtwin.twins.datasets.mnist import MnistNotFound

__all__ = ["ReplayRow", "figures", "replay"]


@dataclass(frozen=True)
class ReplayRow:
    """One figure as its document has it and as each side reproduces it.

    Attributes:
        figure: id of the figure.
        source: number of the document, empty for what no document prints.
        system: id of the system.
        printed: the text as printed, nested as in the document; the values where nothing is printed.
        manual: what the hand-derived side gives, or None.
        tensorflow: what TensorFlow gives, or None.
        reproduced: whether both agree with the figure; None where MNIST is needed and absent.
        note: how it was judged, in one line.
    """

    figure: str
    source: str
    system: str
    printed: Any
    manual: Any
    tensorflow: Any
    reproduced: bool | None
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Give the row as plain data, ready for JSON."""
        return asdict(self)


def replay(figure_ids: Sequence[str] | None = None, data_dir: str | Path | None = None) -> list[ReplayRow]:
    """Reproduce figures with both sides.

    Args:
        figure_ids: which ones; all of them by default.
        data_dir: where MNIST lies, see `gradtwin.twins.datasets.mnist.mnist_arrays`.

    Returns:
        One row a figure, in the order asked for or in that of the documents.

    Raises:
        InputError: an unknown figure, or damaged MNIST files.
    """
    ids = list(figure_ids or figures())
    for figure_id in ids:
        if figure_id not in figures():
            hint = did_you_mean(figure_id, figures())
            raise InputError(f"Unknown figure {figure_id!r}.{hint} gradtwin replay names them all.")
    mnist = functools.cache(lambda: checked_mnist(data_dir))
    benches = Bench(by_hand, mnist), Bench(by_tensorflow, mnist)
    return [_row(figures()[figure_id], *benches) for figure_id in ids]


def _row(figure: Figure, by_hand_bench: Bench, by_tensorflow_bench: Bench) -> ReplayRow:
    recipe = RECIPES[figure["id"]]
    row = functools.partial(
        ReplayRow,
        figure=figure["id"],
        source=figure["source"],
        system=figure["system"],
        printed=figure.get("printed", figure["values"]),
    )
    try:
        manual, tensorflow = recipe(by_hand_bench), recipe(by_tensorflow_bench)
    except MnistNotFound as error:
        return row(manual=None, tensorflow=None, reproduced=None, note=str(error))
    reproduced = agrees(figure, manual) and agrees(figure, tensorflow)
    note = _note(figure, manual, tensorflow) if reproduced else "beyond the tolerance"
    return row(manual=plain(manual), tensorflow=plain(tensorflow), reproduced=reproduced, note=note)


def _note(figure: Figure, manual: Any, tensorflow: Any) -> str:
    """Say how near both sides come, and what else the reader must know about the figure."""
    both = manual, tensorflow
    difference = max(largest_difference(figure, value) for value in both)
    if all(same_digits(figure, value) for value in both):
        parts = ["equal to the last printed digit"]
    else:
        parts = [f"at most {difference:.1e} off" if difference else "equal"]
    setting = figure.get("setting", {})
    if "variant" in setting:
        parts.append(f"the source's faults kept, {setting['variant']}")
    if "reconstructed" in str(setting.get("init", "")):
        parts.append("weights reconstructed from the printed figures")
    if figure["status"] != "printed":
        parts.append(f"{figure['status']}, not printed")
    return "; ".join(parts)
