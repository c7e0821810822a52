"""What of a training's files TensorBoard can read."""

from dataclasses import dataclass
from pathlib import Path

from gradtwin.backend.tensorflow_side import load_tensorflow

SIDES = ("manual", "tensorflow")


@dataclass(frozen=True)
class Readable:
    """One run.

    Attributes:
        steps: side -> the steps of its points on the curve of the loss.
        records: whole records in all files.
        torn: bytes after the last whole record, which TensorBoard passes over.
    """

    steps: dict[str, list[int]]
    records: int
    torn: int


def read(run: Path) -> Readable:
    """Read a run as TensorBoard does."""
    load_tensorflow()  # in silence, before TensorBoard does
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

    files = sorted(run.rglob("*tfevents*"))
    whole = {file: [*RawEventFileLoader(str(file)).Load()] for file in files}
    # A record is its length in 8 bytes, a checksum of that in 4, the record, and its checksum in 4.
    torn = sum(file.stat().st_size - sum(len(record) + 16 for record in records) for file, records in whole.items())
    steps = {side: _losses(run / side) for side in SIDES if (run / side).is_dir()}
    return Readable(steps, sum(map(len, whole.values())), torn)


def _losses(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves = EventAccumulator(str(folder)).Reload()
    return [point.step for point in curves.Scalars("loss")] if "loss" in curves.Tags()["scalars"] else []


def everything(folder: Path) -> dict[Path, bytes]:
    """Take all files as they are, to see later whether one has changed."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
