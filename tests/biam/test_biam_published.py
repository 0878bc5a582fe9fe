"""Published numbers: consistent in themselves, and told under which conditions they were reached."""

from __future__ import annotations

from mlzoo.cards import check_entry
from mlzoo.registry import registry, resolve
from mlzoo_biam.metric_specs import METRICS, POOLED_METRICS
from mlzoo_biam.published import MISPRINTED, published, rows


def test_f1_follows_from_precision_and_recall_but_for_one_that_is_quoted_so() -> None:
    card = check_entry(registry().model("biam"), registry())
    assert card.counts["identities"] == sum(len(row.at) for row in rows()) == 44
    assert card.of_level("error") == []
    (warning,) = card.findings
    assert "gzsl_f1_5" in warning.text
    assert "printed as 18.2" in warning.text
    assert MISPRINTED in warning.text


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
