"""The published descriptions, where they are at hand, beside counts made from them independently."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError
from mlzoo_imagecode.dataset_config import DescriptionOptions, SimpleOptions
from mlzoo_imagecode.imagecode import files
from mlzoo_imagecode.imagecode.annotations import (
    annotator_array,
    read_annotations,
    read_annotators,
    tag_arrays,
    tag_table,
    unmatched,
)
from mlzoo_imagecode.imagecode.descriptions import (
    Descriptions,
    read_labelled,
    read_unlabelled,
    require_disjoint,
)
from mlzoo_imagecode.imagecode.loading import incomparable, load
from mlzoo_imagecode.imagecode.simple import read_pairs
from mlzoo_imagecode.imagecode.simple import tables as pair_tables
from mlzoo_imagecode.imagecode.sources import OTHER, SOURCES, is_video
from mlzoo_imagecode.imagecode.statistics import Statistics, statistics_of, tables
from mlzoo_imagecode.metric_specs import TAGS

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "imagecode"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "imagecode"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not here")


@pytest.fixture(scope="module")
def parts() -> dict[str, Descriptions]:
    return {
        "train": read_labelled(REAL / files.TRAIN),
        "valid": read_labelled(REAL / files.VALID),
        "test": read_unlabelled(REAL / files.TEST),
    }


@pytest.fixture(scope="module")
def statistics(parts: dict[str, Descriptions]) -> dict[str, Statistics]:
    return {name: statistics_of(part) for name, part in parts.items()}


def oracle(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_counts_of_a_split_are_the_oracles(
    split: str, parts: dict[str, Descriptions], statistics: dict[str, Statistics]
) -> None:
    wanted = {k.removeprefix(f"{split}_"): v for k, v in oracle("dataset_statistics").items()}
    own, part = statistics[split], parts[split]
    assert own.sets == wanted["n_sets"]
    assert own.images == wanted["n_images"]
    assert own.descriptions == wanted["n_descriptions"]
    names = [str(name) for name in wanted["source_names"]]
    assert [own.sets_by_source[name] for name in names] == wanted["sets_by_source"].tolist()
    found = [own.descriptions_by_source[name] for name in names]
    assert found == wanted["descriptions_by_source"].tolist()
    assert own.sets_by_source[OTHER] == 0
    assert own.descriptions_per_set.tolist() == wanted["descriptions_per_set_hist"].tolist()
    assert own.total_words == wanted["ws_tokens_sum"]
    assert own.mean_words == wanted["ws_tokens_mean"]
    assert len(own.words) - 1 == wanted["ws_tokens_max"]
    padded = np.pad(own.words, (0, len(wanted["ws_tokens_hist"]) - len(own.words)))
    np.testing.assert_array_equal(padded, wanted["ws_tokens_hist"])
    means = [words / count for words, count in (own.words_static, own.words_video)]
    np.testing.assert_allclose(means, wanted["ws_tokens_mean_static_video"], rtol=1e-7)
    assert own.characters == wanted["chars_sum"]
    assert own.distinct_words == wanted["ws_types_lower"]
    assert own.static_share == wanted["static_share_descriptions"]
    assert own.sha256 == wanted["sha256"] == files.PUBLISHED[part.path.name]
    assert part.published
    assert list(part.sets[:3]) == wanted["first_sets"].tolist()
    if split != "test":
        assert own.targets.tolist() == wanted["target_index_hist"].tolist()
        assert own.majority == wanted["chance_majority_accuracy"]
    else:
        assert not own.targets.any()
        assert np.isnan(own.majority)
    assert (own.sets, own.descriptions) == files.PUBLISHED_COUNTS[part.path.name]


def test_counts_of_all_splits_are_the_oracles(statistics: dict[str, Statistics]) -> None:
    wanted = oracle("dataset_statistics")
    every = list(statistics.values())
    count = sum(own.descriptions for own in every)
    assert count == wanted["all_n_descriptions"]
    assert sum(own.images for own in every) == wanted["all_n_images"]
    assert sum(own.total_words for own in every) / count == wanted["all_ws_tokens_mean"]
    assert tuple(wanted["source_names"]) == SOURCES


def test_tables_show_the_same_numbers() -> None:
    found = tables(REAL, DescriptionOptions())
    splits = found["splits"]
    assert splits["split"] == ["train", "valid", "test", "all"]
    assert splits["sets"] == [7317, 1039, 1046, 9402]
    assert splits["images"] == [73170, 10390, 10460, 94020]
    assert splits["descriptions"] == [16594, 2302, 2306, 21202]
    assert [round(share, 2) for share in splits["static %"]][:3] == [21.10, 18.68, 21.03]
    words = found["words of a description"]
    assert [round(mean, 3) for mean in words["mean"]] == [21.346, 20.631, 21.088, 21.240]
    assert words["most"][:1] == [138]
    assert found["descriptions of a set"]["3"] == [3266, 434, 432, 4132]
    assert found["sets by source"]["YouCook"] == [121, 80, 84, 285]
    targets = found["target (share in %)"]
    assert targets["split"] == ["train", "valid"]
    assert round(targets["best constant"][0], 2) == 12.30
    phenomena = found["phenomena of valid"]
    assert phenomena["descriptions"] == [472, 456, 263, 179, 141, 97, 85, 83, 30, 24]
    assert phenomena["of"] == [1000] * 4 + [200] * 6
    assert found["writers of valid"]["descriptions"] == [502, 1800]
    for name, columns in found.items():
        assert len({len(column) for column in columns.values()}) == 1, name


def test_phenomena_are_counted_as_the_oracle_does() -> None:
    wanted = oracle("phenomena")
    rows = read_annotations(REAL / files.ANNOTATIONS)
    noted = tag_table(rows)
    assert tuple(wanted["tags"]) == TAGS
    assert len(rows) == wanted["n_rows"]
    assert len({row.key[0] for row in rows}) == wanted["n_sets"]
    for first in (200, 1000, 2275):
        assert noted[:first].sum(axis=0).tolist() == wanted[f"count_0_{first}"].tolist()
    last = [int(np.flatnonzero(column)[-1]) for column in noted.T]
    assert last == wanted["last_row_with_tag"].tolist()
    static = ~np.array([is_video(row.key[0]) for row in rows])
    assert static[:200].sum() == wanted["static_first200"]
    assert static[:1000].sum() == wanted["static_first1000"]
    correct = np.array([_guessed(*row.key) for row in rows])[:1000]
    assert correct.sum() == wanted["n_md5_correct_first1000"]
    shares = [correct[noted[:1000, place]].mean() for place in range(len(TAGS))]
    np.testing.assert_allclose(shares, wanted["accuracy_md5_first1000"], atol=1e-12)


def _guessed(name: str, target: int) -> bool:
    return int(hashlib.md5(f"{name}|{target}".encode()).hexdigest(), 16) % 10 < 3


def test_phenomena_are_attached_to_their_descriptions(parts: dict[str, Descriptions]) -> None:
    valid = parts["valid"]
    rows = read_annotations(REAL / files.ANNOTATIONS)
    tag, annotated = tag_arrays(rows, valid.rows)
    assert len(unmatched(rows, valid.rows)) == 2
    of_thousand = sum(row.key in {(d.set, d.target) for d in valid.rows} for row in rows[:1000])
    assert annotated[:, 0].sum() == of_thousand
    assert annotated[:, TAGS.index("s")].sum() == 200
    assert not (tag & ~annotated).any()
    wanted = oracle("phenomena")["count_0_200"]
    few = [place for place, name in enumerate(TAGS) if name not in ("con", "v", "n", "neg")]
    assert tag[:, few].sum(axis=0).tolist() == wanted[few].tolist()
    first = rows[0]
    (place,) = [i for i, d in enumerate(valid.rows) if (d.set, d.target) == first.key]
    assert {name for name, own in zip(TAGS, tag[place], strict=True) if own} == set(first.tags)


def test_writers_of_all_validation_descriptions_are_known(parts: dict[str, Descriptions]) -> None:
    writers = read_annotators(REAL / files.ANNOTATORS)
    found = annotator_array(writers, parts["valid"].rows)
    assert np.bincount(found + 1, minlength=3).tolist() == [0, 1800, 502]


def test_splits_share_no_set_and_only_published_files_are_comparable(
    parts: dict[str, Descriptions],
) -> None:
    require_disjoint(*parts.values())
    every = list(parts.values())
    assert incomparable(every, DescriptionOptions()) == ""
    assert "published numbers of test" in incomparable(
        every[:2], DescriptionOptions(protocol="valid")
    )


def test_pairs_are_those_of_the_validation_descriptions(parts: dict[str, Descriptions]) -> None:
    pairs = read_pairs(REAL / files.VALID_SIMPLE)
    assert pairs.sha256 == files.PUBLISHED[files.VALID_SIMPLE]
    assert len(pairs) == 2302
    wanted = [(row.set, row.target, row.text) for row in parts["valid"].rows]
    assert [(row.set, row.positive, row.text) for row in pairs.rows] == wanted
    assert {abs(row.positive - row.negative) for row in pairs.rows} == {2}
    found = pair_tables(REAL, SimpleOptions())
    assert found["pairs"]["pairs"] == [2302]
    assert found["positions between the two"]["most"] == [2]


def test_without_images_the_archive_is_named() -> None:
    with pytest.raises(DataError, match=r"there are no images") as caught:
        load(REAL, DescriptionOptions())
    assert "mlzoo data download imagecode" in caught.value.fix
