"""Leaderboards from made-up runs whose ranks and marks are worked out by hand."""

from __future__ import annotations

import json
import math

import pytest
from made_runs import made_group, made_run

import mlzoo
from mlzoo.progress import Progress
from mlzoo.report.board import boards_of
from mlzoo.report.formats import json_of, tables_of
from mlzoo.report.leaderboard import claims_table, leaderboard

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made"


def marks(board) -> list[tuple[str, str]]:
    return [(row.label.split("=")[-1], row.mark) for row in board.rows]


def only(records, split="test"):
    (board,) = boards_of(records, split)
    return board


def test_the_lower_error_is_better_and_stands_first(folder) -> None:
    records = made_group(folder, [3.0, 4.0, 5.0], rate=0.3)
    records += made_group(folder, [1.0, 2.0, 3.0], rate=0.1)
    board = only(records)
    assert [row.label for row in board.rows] == ["toy rate=0.1", "toy rate=0.3"]
    best = board.rows[0].values["error"]
    assert (best.n, best.mean, best.sd) == (3, 2.0, 1.0)
    assert board.title == "toys (toy-regression), test"
    assert board.references == {"error": {"ceiling": 0.0}}
    assert list(board.columns()) == ["error", "bias"]


def test_a_row_far_from_the_best_is_distinguishable_and_a_near_one_is_not(folder) -> None:
    # t = -1 / sqrt(2/3) = -1.22, 4 degrees of freedom: p = 0.29; ten times as far: p = 0.0003
    records = made_group(folder, [1.0, 2.0, 3.0], rate=0.1)
    records += made_group(folder, [2.0, 3.0, 4.0], rate=0.2)
    records += made_group(folder, [11.0, 12.0, 13.0], rate=0.3)
    assert marks(only(records)) == [
        ("0.1", "best"),
        ("0.2", "not distinguishable"),
        ("0.3", "distinguishable"),
    ]


def test_several_tests_share_the_five_percent(folder) -> None:
    # 2.7 apart: t = 3.31, p = 0.030: below 5 %, and not below the half of it that two tests leave.
    best, near = made_group(folder, [1.0, 2.0, 3.0], rate=0.1), [2.0, 3.0, 4.0]
    apart = made_group(folder, [3.7, 4.7, 5.7], rate=0.3)
    assert marks(only([*best, *apart]))[1] == ("0.3", "distinguishable")
    third = made_group(folder, near, rate=0.2)
    assert marks(only([*best, *apart, *third]))[1:] == [
        ("0.2", "not distinguishable"),
        ("0.3", "not distinguishable"),
    ]


def test_runs_without_any_spread_are_equal_or_not(folder) -> None:
    records = made_group(folder, [1.0, 1.0], rate=0.1)
    records += made_group(folder, [1.0, 1.0], rate=0.2)
    records += made_group(folder, [2.0, 2.0], rate=0.3)
    found = [mark for _, mark in marks(only(records))]
    assert found == ["best", "not distinguishable", "distinguishable"]


def test_a_single_run_has_no_mark_beside_the_best(folder) -> None:
    records = [*made_group(folder, [1.0, 2.0], rate=0.1), made_run(folder, 0, 9.0, rate=0.2)]
    board = only(records)
    assert marks(board) == [("0.1", "best"), ("0.2", "")]
    assert "a row of a single run has no spread and no mark" in board.warnings
    assert marks(only(records[:2])) == [("toy", "")], "one row is best of nothing"


def test_rows_selected_on_test_come_last_and_are_marked_among_themselves(folder) -> None:
    records = made_group(folder, [5.0, 6.0, 7.0], rate=0.1)
    records += made_group(folder, [0.1, 0.2, 0.3], rule="test", honest=4.0, rate=0.2)
    records += made_group(folder, [9.0, 9.1, 9.2], rule="test", honest=20.0, rate=0.3)
    board = only(records)
    assert [(row.label[-3:], row.rule, row.reading.protocol) for row in board.rows] == [
        ("0.2", "val", "honest"),
        ("0.1", "val", "selected"),
        ("0.3", "val", "honest"),
        ("0.2", "test", "selected"),
        ("0.3", "test", "selected"),
    ]
    assert [row.mark for row in board.rows] == [
        *("best", "not distinguishable", "distinguishable"),
        *("best", "distinguishable"),
    ]
    assert board.rows[3].inflation["error"].mean == pytest.approx(0.2 - 4.0)
    assert not board.rows[0].inflation
    assert "rows selected on test data are no estimate of what new data would give" in (
        board.warnings
    )


def test_views_are_ranked_among_themselves(folder) -> None:
    splits = ("test", "test@shifted")
    records = made_group(folder, [1.0, 2.0], rate=0.1, splits=splits)
    records += made_group(folder, [3.0, 4.0], rate=0.2, splits=splits)
    rows = only(records).rows
    assert [row.label for row in rows] == [
        *("toy rate=0.1", "toy rate=0.2"),
        *("toy rate=0.1 @shifted", "toy rate=0.2 @shifted"),
    ]
    assert [row.mark for row in rows].count("best") == 2


def test_hidden_labels_show_val_in_place_of_test(folder) -> None:
    data = {"hidden": ["test"]}
    board = only(made_group(folder, [1.0, 2.0], data=data))
    assert board.split == "val"
    assert board.rows[0].reading.split == "val"
    assert "the labels of test are hidden: val is shown instead" in board.warnings
    assert only(made_group(folder, [1.0], data=data), "val").split == "val"


def test_other_data_and_other_versions_stand_on_other_boards(folder) -> None:
    records = made_group(folder, [1.0, 2.0])
    records += made_group(folder, [1.0, 2.0], data={"fingerprint": "e" * 64})
    records += made_group(folder, [1.0, 2.0], evaluators={"toy-error": "2"})
    boards = boards_of(records)
    assert len(boards) == 3
    assert [len(board.rows) for board in boards] == [1, 1, 1]
    assert not {row.mark for board in boards for row in board.rows} - {""}
    for board in boards:
        told = "\n".join(board.warnings)
        assert ("used other data" in told) == any(b.data != board.data for b in boards)
        assert "were scored by other versions than" in told


def test_warnings_name_what_is_limited_incomparable_or_superseded(folder) -> None:
    records = made_group(folder, [1.0, 2.0], data={"limited": True, "incomparable": "a demo"})
    newer = "2026-02-01T00:00:00+0000"
    data = {"limited": True, "incomparable": "a demo"}
    records.append(made_run(folder, 1, 7.0, data=data, started=newer))
    board = only(records)
    assert board.rows[0].values["error"].mean == 4.0, "of seed 1 the newer run counts"
    told = "\n".join(board.warnings)
    assert "1 older runs of a seed that was run again are left out" in told
    assert "--limit was used" in told
    assert "published numbers do not speak of these data: a demo" in told


def test_missing_values_are_left_out_of_the_mean(folder) -> None:
    board = only(made_group(folder, [1.0, None, 3.0]))
    assert board.rows[0].values["error"].n == 2
    assert board.rows[0].values["error"].mean == 2.0
    empty = only(made_group(folder / "other", [None, None]))
    assert "error" not in empty.rows[0].values
    assert math.isfinite(empty.rows[0].values["bias"].mean)


def test_unfinished_runs_make_no_row(folder) -> None:
    records = made_group(folder, [1.0, 2.0])
    (records[0].directory / "results.json").unlink()
    assert [row.group.size for row in only(records).rows] == ["1"]
    assert boards_of([]) == []


def test_a_leaderboard_shows_marks_and_spread(folder) -> None:
    records = made_group(folder, [1.0, 2.0, 3.0], rate=0.1)
    records += made_group(folder, [2.0, 3.0, 4.0], rate=0.2)
    table = leaderboard(only(records))
    assert table.columns == ["model", "selection", "n", "error", "bias"]
    assert table.rows == [
        ["toy rate=0.1 *", "best epoch on validation data", "3", "2.0000 ± 1.0000", "0.5000 ± 0.0000"],
        ["toy rate=0.2 =", "best epoch on validation data", "3", "3.0000 ± 1.0000", "0.5000 ± 0.0000"],
    ]  # fmt: skip
    assert "* best in error" in table.notes[-1]
    assert leaderboard(only(records), width=1).columns == ["model", "selection", "n", "error"]
    assert "1 more metrics in detail: --all" in leaderboard(only(records), width=1).notes
    assert claims_table([only(records)]).rows == []


def test_few_groups_are_columns_and_many_are_rows(folder) -> None:
    few = [run for n in range(4) for run in made_group(folder, [1.0], rate=0.1 + n)]
    assert tables_of(few)[0].columns[0] == "metric"
    assert tables_of(few, layout="runs")[0].columns[0] == "model"
    many = [*few, *made_group(folder, [1.0], rate=9.0)]
    assert tables_of(many)[0].columns[0] == "model"
    assert tables_of(many, layout="metrics")[0].columns[0] == "metric"


def test_json_has_the_rank_the_mark_and_the_interval_of_each_group(folder) -> None:
    records = made_group(folder, [2.0, 3.0, 4.0], rate=0.2)
    records += made_group(folder, [1.0, 2.0, 3.0], rate=0.1)
    first, second = json_of(records)
    assert (first["rows"][0]["rank"], second["rows"][0]["rank"]) == (2, 1)
    assert first["rows"][0]["mark"] == "not distinguishable"
    interval = second["rows"][0]["metrics"]["error"]["interval"]
    assert interval == pytest.approx([-0.4841, 4.4841], abs=1e-4)  # 2 ± 4.303 / sqrt(3)
    assert second["seeds"] == [0, 1, 2]


def test_a_selection_on_test_without_val_has_no_honest_row(cli) -> None:
    given = {"progress": Progress(quiet=True), "figures": False, "epochs": 1}
    mlzoo.run("toy", dataset="no-val", select="test", **given)
    told = cli("report", "runs", "--layout", "runs")
    assert told.code == 0, told.err
    assert "selected on test data" in told.out
    assert "best epoch on validation" not in told.out


@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "latex"])
def test_out_writes_what_would_be_shown(folder, cli, tmp_path, form) -> None:
    made_group(folder, [1.0, 2.0, 3.0])
    shown = cli("report", folder, "--format", form)
    path = tmp_path / "deep" / "report.txt"
    written = cli("report", folder, "--format", form, "--out", path)
    assert written.code == 0, written.err
    assert written.out == ""
    assert f"written to {path}" in written.err
    assert path.read_text() == shown.out
    blocked = cli("report", folder, "--format", form, "--out", path / "report.txt")
    assert blocked.code == 1
    assert "bug" not in blocked.err


def test_layout_chooses_rows_or_columns_on_the_command_line(folder, cli) -> None:
    made_group(folder, [1.0, 2.0])
    assert cli("report", folder, "--layout", "runs").out.splitlines()[1].startswith("model")
    assert cli("report", folder, "--layout", "metrics").out.splitlines()[1].startswith("metric")
    wrong = cli("report", folder, "--layout", "heaps")
    assert wrong.code == 2
    rows = cli("report", folder, "--layout", "runs", "--format", "json").out
    assert json.loads(rows)[0]["rows"][0]["label"] == "toy"
