"""The HParams of a sweep, as TensorBoard reads them."""

from pathlib import Path
from typing import Any

import pytest

from gradtwin.core.errors import InputError
from gradtwin.sweep import hparams, sweep


def test_every_combination_is_a_row_with_its_settings_and_sums(without_ray: Any, tmp_path: Path) -> None:
    """Two dtypes of xor are two rows, the seeds folded: ten cases each, none failed, and the largest error of all."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    summary = sweep(["xor"], axes={"seed": range(10), "dtype": "float64,float32"}, results=tmp_path / "r")
    directory = hparams.write(summary, tmp_path / "logs")
    assert directory == tmp_path / "logs" / "sweep" / "r-run001"
    rows = {}
    for folder in sorted(directory.iterdir()):
        events = EventAccumulator(str(folder)).Reload()
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        settings = metadata.parse_session_start_info_plugin_data(content).hparams
        scalars = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
        rows[settings["dtype"].string_value] = settings["twin"].string_value, scalars
    assert set(rows) == {"float64", "float32"}
    for dtype, (twin, scalars) in rows.items():
        largest = max(group.largest for key, group in summary.tally.groups.items() if key.dtype == dtype)
        assert twin == "xor" and (scalars["sweep/cases"], scalars["sweep/failed"]) == (10, 0)
        assert scalars["sweep/largest"] == pytest.approx(largest)


def test_trainings_have_their_learning_rate_as_a_number(without_ray: Any, tmp_path: Path) -> None:
    """So that TensorBoard can sort and scale by it."""
    summary = sweep(["xor"], kind="train", axes={"learning_rate": [0.1, 1.0], "steps": [3]}, results=tmp_path / "r")
    assert [hparams._settings(group).get("learning_rate") for group in summary.tally.groups] == [0.1, 1.0]


def test_a_file_in_the_place_of_the_log_directory_is_refused(tmp_path: Path) -> None:
    """Before a case is run."""
    (tmp_path / "logs").write_text("")
    with pytest.raises(InputError, match="is a file"):
        hparams.refuse_file(tmp_path / "logs")
