"""``mlzoo data download`` of what is more than files, and files that only preparing reads or makes."""

from __future__ import annotations

import json

import pytest

from mlzoo.registry import registry
from mlzoo.specs import DataFile, DatasetSpec, refs_of
from mlzoo.testing import check_options, check_refs

PLUGIN = """
from pydantic import Field

from mlzoo import Config, DataFile, DatasetSpec, hookimpl
from mlzoo.errors import DataError

ME = "mlzoo_crawler"


class Crawl(Config):
    pages: int = Field(0, ge=0, description="pages to fetch")
    limit: int | None = Field(None, gt=0, description="at most so many")


def fetch(folder, options, progress):
    if not options.pages:
        return {}
    count = min(options.pages, options.limit or options.pages)
    progress.begin("pages", count, 0)
    for number in range(1, count + 1):
        if number == 7:
            raise DataError("page 7 is gone.", "Ask for fewer.")
        (folder / f"page{number}.txt").write_text("text")
        progress.counted(number, count)
    progress.end()
    return {"pages": {"fetched": count}}


def fetch_alone(folder, options, progress):
    assert options is None
    return {"pages": 0}


def load(root, options):
    raise NotImplementedError


@hookimpl
def mlzoo_datasets():
    common = {"task": "texts", "load": f"{ME}:load"}
    yield DatasetSpec(name="pages", summary="pages", download=f"{ME}:fetch",
                      download_config=f"{ME}:Crawl", **common)
    yield DatasetSpec(name="plain", summary="plain", download=f"{ME}:fetch_alone", **common)
    yield DatasetSpec(name="parts", summary="parts", prepare=f"{ME}:fetch_alone", files=(
        DataFile(path="names.txt", how_to_get="ask"),
        DataFile(path="raw.txt", role="raw", how_to_get="look for it"),
        DataFile(path="store.bin", role="made", how_to_get="mlzoo data prepare parts"),
    ), **common)
"""


@pytest.fixture
def crawler(only_plugin, monkeypatch, tmp_path):
    """The made-up plugin, and the data root."""
    only_plugin("mlzoo-crawler", PLUGIN)
    monkeypatch.setenv("MLZOO_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("MLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "root"


def test_options_of_the_dataset_say_what_is_fetched(cli, crawler):
    called = cli("data", "download", "pages", "--pages", 5, "--limit", 3)
    assert called.code == 0, called.err
    assert sorted(path.name for path in (crawler / "pages").iterdir()) == [
        "page1.txt", "page2.txt", "page3.txt",
    ]  # fmt: skip
    assert "pages.fetched  3" in called.out
    assert "pages 3/3" in called.err


def test_without_its_options_nothing_more_is_fetched(cli, crawler):
    called = cli("data", "download", "pages", "--json")
    assert (called.code, json.loads(called.out)["fetched"]) == (0, {})
    assert cli("data", "download", "pages", "--pages", 3, "--dry-run").code == 0
    assert not list((crawler / "pages").iterdir())


def test_facts_can_be_read_by_a_script(cli, crawler):
    called = cli("data", "download", "pages", "--pages", 2, "--json")
    assert json.loads(called.out)["fetched"] == {"pages": {"fetched": 2}}


def test_failure_of_the_dataset_is_told_and_keeps_what_came(cli, crawler):
    called = cli("data", "download", "pages", "--pages", 9)
    assert called.code == 1
    assert "page 7 is gone." in called.err
    assert (crawler / "pages" / "page6.txt").exists()


def test_help_shows_both_kinds_of_options(cli, crawler):
    shown = cli("data", "download", "pages", "--help").out
    for text in ("--dry-run", "--pages INTEGER", "--limit INTEGER", "at most so many  [none]"):
        assert text in shown


def test_dataset_without_options_is_called_with_none(cli, crawler):
    assert "pages  0" in cli("data", "download", "plain").out


def test_hook_is_among_the_refs_and_its_options_are_checked(crawler):
    found = registry().dataset("pages")
    assert {"download", "download_config"} <= set(dict(refs_of(found.spec)))
    check_refs(found)
    check_options(found)
    with pytest.raises(ValueError, match="download must look like"):
        DatasetSpec(name="x", summary="", task="t", load="a:b", download="no ref")


def test_file_to_prepare_from_is_told_and_not_asked_for(cli, crawler):
    (crawler / "parts").mkdir(parents=True)
    (crawler / "parts" / "names.txt").write_text("a")
    called = cli("data", "download", "parts")
    assert called.code == 0
    assert "look for it" in called.err
    assert "made by mlzoo data prepare" in called.out
    assert "mlzoo data prepare parts" in called.out
    assert "is complete" not in called.out


def test_run_asks_for_what_is_made_and_not_for_what_it_is_made_of(cli, crawler):
    called = cli("data", "show", "parts")
    assert called.code == 1
    assert "store.bin" in called.err
    assert "raw.txt" not in called.err
    listed = json.loads(cli("data", "list", "--json").out)["datasets"]
    assert next(row["missing"] for row in listed if row["name"] == "parts") == [
        "names.txt", "store.bin",
    ]  # fmt: skip


def test_verify_takes_a_missing_raw_file_as_it_is(cli, crawler):
    folder = crawler / "parts"
    folder.mkdir(parents=True)
    for name in ("names.txt", "store.bin"):
        (folder / name).write_text("a")
    called = cli("data", "verify", "parts")
    assert called.code == 0
    assert "not there, only to prepare from" in called.out
    assert DataFile(path="x").role == "needed"
