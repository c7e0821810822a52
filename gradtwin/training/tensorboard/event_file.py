"""TensorBoard's event file: records that are complete on disk after every flush."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gradtwin.backend.tensorflow_side import load_tensorflow
from gradtwin.core.errors import InputError

FORMAT = "brain.Event:2"


class EventFile:
    """Write events to a new file in `directory`, which is made.

    After `flush` everything written so far survives the death of the process: TensorBoard reads up to the
    last whole record.

    Raises:
        InputError: the disk is full or the file cannot be written; what was written before stays readable.
    """

    def __init__(self, directory: Path) -> None:
        tf = load_tensorflow()
        self.path = directory / _name()
        self._described: set[str] = set()
        with self._reporting_errors():
            directory.mkdir(parents=True, exist_ok=True)
            self._records = tf.io.TFRecordWriter(str(self.path))
        self._write(self._event(file_version=FORMAT))
        self.flush()

    def add(self, step: int, values: Iterable[Any]) -> None:
        """Write summary values, made by `gradtwin.training.tensorboard.summaries`, as one event at `step`."""
        values = list(values)
        for value in values:
            # Readers keep what the first value of a tag says about it.
            if value.HasField("metadata"):
                if value.tag in self._described:
                    value.ClearField("metadata")
                self._described.add(value.tag)
        if values:
            event = self._event(step=step)
            event.summary.value.extend(values)
            self._write(event)

    def add_graph(self, graph_def: bytes) -> None:
        """Write a serialized graph."""
        self._write(self._event(graph_def=graph_def))

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        with self._reporting_errors():
            self._records.flush()

    def close(self) -> None:
        """Flush and close."""
        with self._reporting_errors():
            self._records.close()

    @staticmethod
    def _event(**fields: Any) -> Any:
        from tensorboard.compat.proto.event_pb2 import Event

        return Event(wall_time=time.time(), **fields)

    def _write(self, event: Any) -> None:
        with self._reporting_errors():
            self._records.write(event.SerializeToString())

    @contextmanager
    def _reporting_errors(self) -> Iterator[None]:
        tf = load_tensorflow()
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            reason = getattr(error, "strerror", None) or str(error).rpartition("; ")[2]
            line = f"Cannot write {self.path}: {reason}. What was written before stays readable."
            raise InputError(line) from error


def _name() -> str:
    """Name a file as TensorBoard knows them: by "tfevents", and in the order of time."""
    return f"events.out.tfevents.{int(time.time())}.gradtwin"
