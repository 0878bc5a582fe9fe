"""Tables of evaluators: written with a run, shown by the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mlzoo
from mlzoo.errors import RunError
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.specs import EvaluatorSpec, Metric, refs_of
from mlzoo.tables import read_table
from mlzoo.testing import check_scores

TABLES = """

def rows(predictions, data):
    errors = predictions["predicted"] - predictions["target"]
    return {"row": np.arange(3), "name": ["a", "b|c", "007"], "error": [errors[0], None, np.nan]}


def uneven(predictions, data):
    return {"a": [1], "b": [1, 2]}


def failing(predictions, data):
    raise KeyError("no such array")
"""


@pytest.fixture
def tabled(toy):
    """The made-up plugin whose evaluator makes tables."""
    module = toy.folder / "mlzoo_toy.py"
    source = module.read_text(encoding="utf-8")
    declared = (
        'tables={"rows": f"{ME}:rows", "uneven": f"{ME}:uneven", "failing": f"{ME}:failing"},'
    )
    marked = source.replace('score=f"{ME}:score",', f'score=f"{{ME}}:score", {declared}')
    module.write_text(marked + TABLES, encoding="utf-8")
    registry.cache_clear()


def trained(**options):
    return mlzoo.run("toy", preset="smoke", progress=Progress(quiet=True), figures=False, **options)


def test_a_finished_run_keeps_a_table_of_every_scored_split_and_view(tabled) -> None:
    directory = trained().directory
    kept = sorted(path.name for path in (directory / "tables").iterdir())
    splits = ("test", "test@shifted", "val", "val@shifted")
    assert kept == sorted(f"{split}-rows.csv" for split in splits)
    first = read_table(directory, "rows", "test")["error"][0]
    shifted = read_table(directory, "rows", "test@shifted")["error"][0]
    assert shifted == pytest.approx(first + 1, abs=1e-5)


def test_a_table_that_fails_is_told_and_costs_no_run(tabled) -> None:
    directory = trained().directory
    log = (directory / "log.txt").read_text()
    assert "table 'uneven' of mlzoo-toy 1.0 failed on test: " in log
    assert "different length: a 1, b 2" in log
    assert "table 'failing' of mlzoo-toy 1.0 failed on val: 'no such array'" in log
    assert mlzoo_status(directory) == "done"


def mlzoo_status(directory: Path) -> str:
    return json.loads((directory / "run.json").read_text())["status"]


def test_report_shows_a_table_of_one_run_in_every_form(tabled, cli) -> None:
    directory = trained().directory
    stored = (directory / "tables" / "test-rows.csv").read_text()
    call = ("report", directory, "--table", "rows")
    assert cli(*call, "--format", "csv").out == stored
    rows = json.loads(cli(*call, "--json").out)
    assert [row["row"] for row in rows] == [0, 1, 2]
    assert [row["name"] for row in rows] == ["a", "b|c", "007"]
    assert isinstance(rows[0]["error"], float)
    assert [row["error"] for row in rows[1:]] == [None, None]
    plain = cli(*call).out.splitlines()
    assert plain[0] == f"{directory.name}: rows, test"
    assert plain[1].split() == ["row", "name", "error"]
    assert plain[-1].split() == ["2", "007", "-"]
    assert "| 1 | b\\|c | - |" in cli(*call, "--format", "md").out
    shifted = cli(*call, "--split", "val@shifted", "--format", "csv").out
    assert shifted == (directory / "tables" / "val@shifted-rows.csv").read_text()


def test_report_names_the_tables_there_are(tabled, cli) -> None:
    directory = trained().directory
    misspelt = cli("report", directory, "--table", "row")
    assert misspelt.code == 2
    assert "has no table 'row' of the split 'test'" in misspelt.err
    assert "Did you mean 'rows'?" in misspelt.err
    other = cli("report", directory, "--table", "rows", "--split", "train")
    assert other.code == 2
    assert "It has test-rows, " in other.err


def test_report_of_a_run_without_tables_says_so(toy, cli) -> None:
    found = cli("report", trained().directory, "--table", "rows")
    assert found.code == 2
    assert "It has no tables at all." in found.err


def test_a_table_of_several_runs_is_refused(tabled, cli) -> None:
    parent = trained().directory.parent
    trained(seed=1)
    found = cli("report", parent, "--table", "rows")
    assert found.code == 2
    assert "there are 2" in found.err


def test_a_damaged_table_is_one_clear_error(tabled) -> None:
    directory = trained().directory
    path = directory / "tables" / "test-rows.csv"
    for damage in (b"a,b\n1\n", b'a\n"b', b"\xff\xfe", b""):
        path.write_bytes(damage)
        with pytest.raises(RunError, match=r"test-rows\.csv is damaged"):
            read_table(directory, "rows", "test")


def test_tables_are_declared_by_file_name_and_ref() -> None:
    def declare(**tables: str) -> EvaluatorSpec:
        metrics = {"m": Metric(higher_is_better=True, summary="m")}
        return EvaluatorSpec(
            name="e", summary="s", task="t", score="a:b", metrics=metrics, tables=tables
        )

    assert ("per-class", "a:c") in list(refs_of(declare(**{"per-class": "a:c"})))
    for wrong in ({"../x": "a:b"}, {"rows": "a.b"}):
        with pytest.raises(ValueError, match="EvaluatorSpec tables"):
            declare(**wrong)


def test_info_names_the_tables(tabled, cli) -> None:
    assert "tables    rows, uneven, failing" in cli("info", "toy-error").out


def test_contract_suite_misses_a_table_that_was_declared(tabled) -> None:
    entry = registry().model("toy")
    with pytest.raises(AssertionError, match="table 'uneven' of val is not stored"):
        check_scores(entry, trained())
