"""Event files: whole records, readable after every flush, one line where they cannot be written."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from gradtwin.core.errors import InputError
from gradtwin.training.tensorboard import event_file, summaries
from gradtwin.training.tensorboard.event_file import EventFile


def _read(path):
    return list(LegacyEventFileLoader(str(path)).Load())


def test_what_was_flushed_can_be_read_while_the_file_is_open(tmp_path):
    """As TensorBoard reads it during training, and after the writer was killed."""
    file = EventFile(tmp_path / "manual")
    file.add(7, [summaries.scalar("loss", 0.25), summaries.scalar("accuracy", 1.0)])
    file.flush()
    version, event = _read(file.path)
    assert version.file_version == "brain.Event:2"
    assert event.step == 7
    assert {value.tag: value.simple_value for value in event.summary.value} == {"loss": 0.25, "accuracy": 1.0}
    file.close()


def test_a_record_cut_short_leaves_the_earlier_ones_readable(tmp_path):
    """A machine that lost power in the midst of the last record."""
    file = EventFile(tmp_path)
    for step in range(5):
        file.add(step, [summaries.scalar("loss", step)])
    file.close()
    file.path.write_bytes(file.path.read_bytes()[:-3])
    points = EventAccumulator(str(tmp_path)).Reload().Scalars("loss")
    assert [(point.step, point.value) for point in points] == [(step, step) for step in range(4)]


def test_a_tag_is_described_once(tmp_path):
    """The plugin's name stands with the first value, as readers expect; later ones are shorter."""
    file = EventFile(tmp_path)
    for step in range(3):
        file.add(step, [summaries.histogram("layer1/weights", [1.0, 2.0])])
    file.close()
    values = [event.summary.value[0] for event in _read(file.path)[1:]]
    assert [value.metadata.plugin_data.plugin_name for value in values] == ["histograms", "", ""]


def test_no_values_are_no_event(tmp_path):
    """An empty event would be a step without anything."""
    file = EventFile(tmp_path)
    file.add(1, [])
    file.close()
    assert len(_read(file.path)) == 1


def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    """Writing to /dev/full fails as on a full disk; the message has the file and the system's words."""
    monkeypatch.setattr(event_file, "_name", lambda: "/dev/full")
    with pytest.raises(InputError, match=r"^Cannot write /dev/full: No space left on device\. ") as caught:
        EventFile(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_directory_that_cannot_be_made_is_told_in_one_line(tmp_path):
    """A file stands in its place."""
    (tmp_path / "manual").write_text("mine")
    with pytest.raises(InputError, match=r"^Cannot write .*manual.*: File exists\. "):
        EventFile(tmp_path / "manual")
