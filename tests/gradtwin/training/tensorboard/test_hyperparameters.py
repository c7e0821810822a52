"""HParams: one row a run, read by TensorBoard's own plugin."""

import dataclasses

import pytest
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from gradtwin.training.plan import make_plan
from gradtwin.training.settings import TrainingSettings
from gradtwin.training.tensorboard import hyperparameters
from gradtwin.twins import catalog


def _content(value):
    return plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)


def _opened(name="xor", **settings):
    experiment, row = hyperparameters.start(make_plan(catalog.get(name), TrainingSettings(**settings)), "xor/run001")
    return _content(experiment).experiment, _content(row).session_start_info


def test_a_row_has_every_setting():
    """What was not chosen is told by a word."""
    _, row = _opened(learning_rate=0.01, optimizer="adam", dtype="float32")
    values = {
        name: value.string_value or value.number_value for name, value in row.hparams.items()
    }
    assert values == {
        "twin": "xor", "learning_rate": 0.01, "optimizer": "adam", "steps": 10001.0, "seed": "the twin's own",
        "dtype": "float32", "batch_size": "all rows", "keep": "no dropout", "variant": "none",
    }  # fmt: skip


def test_every_column_has_the_kind_of_its_values():
    """TensorBoard leaves a value of another kind out of the table."""
    for settings in ({}, {"seed": 3}):
        columns, row = _opened(**settings)
        assert {column.name for column in columns.hparam_infos} == set(row.hparams)
        for column in columns.hparam_infos:
            kind = row.hparams[column.name].WhichOneof("kind")
            assert kind == {1: "string_value", 3: "number_value"}[column.type]


def test_the_columns_are_the_same_in_every_run():
    """TensorBoard takes those of any one run for all."""
    first, _ = _opened("xor")
    other, _ = _opened("mnist", data="digits", seed=1)
    assert first == other


def test_the_columns_asked_for_first_are_shown_first():
    """TensorBoard shows five, those first that are said to differ."""
    columns, _ = _opened()
    shown = {column.name for column in columns.hparam_infos if column.differs}
    assert shown == {"twin", "learning_rate", "optimizer", "seed", "dtype"}


def test_rows_of_equal_settings_are_told_apart():
    """By the run's directory; TensorBoard would else take two runs for one and show their mean."""
    plan = make_plan(catalog.get("xor"))
    rows = [_content(hyperparameters.start(plan, f"xor/run{k}")[1]).session_start_info.group_name for k in (1, 2)]
    assert rows == ["xor/run1", "xor/run2"]


def test_numbers_of_both_sides_and_their_gap_are_columns():
    """Each is the last value of a scalar in the run, or in `manual` or `tensorflow` below it."""
    columns, _ = _opened()
    assert {(m.name.group, m.name.tag) for m in columns.metric_infos} == {
        ("manual", "final/loss"), ("tensorflow", "final/loss"), ("manual", "final/accuracy"),
        ("tensorflow", "final/accuracy"), ("", "final/gap"), ("", "final/gap_ulp"),
    }  # fmt: skip


@pytest.mark.parametrize(("succeeded", "status"), [(True, 1), (False, 2)])
def test_the_end_tells_whether_the_training_succeeded(succeeded, status):
    """In TensorBoard's words SUCCESS and FAILURE."""
    assert _content(hyperparameters.end(succeeded)).session_end_info.status == status


def test_a_name_with_html_is_kept_as_text():
    """It is TensorBoard that shows it; see the browser's tests."""
    twin = dataclasses.replace(catalog.get("xor"), name="<b>me</b>")
    values = hyperparameters.start(make_plan(twin), "row")
    assert _content(values[1]).session_start_info.hparams["twin"].string_value == "<b>me</b>"
    assert [value.tag for value in values] == [metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG]
