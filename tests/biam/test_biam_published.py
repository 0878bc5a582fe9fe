"""Published numbers: consistent in themselves, and told under which conditions they were reached."""

from __future__ import annotations

import pytest

from mlzoo.registry import registry, resolve
from mlzoo_biam.metric_specs import METRICS, POOLED_METRICS
from mlzoo_biam.published import QUOTED, Row, published, rows


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: f"{row.dataset}, {row.source}")
def test_f1_follows_from_precision_and_recall(row: Row) -> None:
    for (section, k), (f1, precision, recall) in row.at.items():
        if row.source == QUOTED and (section, k) == ("gzsl", 5):
            continue  # 18.2 is printed, 18.3 follows; said beside it
        step = 0.01 if row.verified else 0.1
        # F1 rises by at most as much as both together
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall), abs=1.5 * step)


def test_every_number_is_of_a_metric_and_names_its_source() -> None:
    numbers = list(published())
    assert {number.metric for number in numbers} <= {*METRICS, *POOLED_METRICS}
    assert all(number.source for number in numbers)
    keys = [(n.dataset, n.metric, n.source, n.split) for n in numbers]
    assert len(set(keys)) == len(keys)


def test_only_the_logs_are_verified() -> None:
    for row in rows():
        assert row.verified == row.source.startswith("a log shipped with")


def test_rows_after_fine_tuning_need_as_many_epochs_of_it() -> None:
    tuned = [row for row in rows() if "fine_tune_epochs" in row.options]
    assert [row.options["fine_tune_epochs"] for row in tuned] == [1, 2, 3, 4, 5]
    assert {row.selection for row in tuned} == {"last"}
    assert all(str(row.options["fine_tune_epochs"]) in row.source for row in tuned)


def test_options_of_published_numbers_exist() -> None:
    entry = next(entry for entry in registry().models if entry.spec.name == "biam")
    known = set(resolve(entry.spec.config, entry.plugin).model_fields)
    known |= set(resolve("mlzoo_biam.dataset_config:NusWideOptions", entry.plugin).model_fields)
    assert {option for number in published() for option in number.options} <= known
