"""The command line: right exit status, one clear message, machine-readable output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlzoo.run_directory import find_runs

pytestmark = pytest.mark.usefixtures("toy")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rum"], "no command named 'rum'"),
        (["run", "toi"], "no model named 'toi'"),
        (["run", "toy", "--dataset", "tois"], "no dataset named 'tois'"),
        (["run", "toy", "--epocks", "3"], "--epocks"),
        (["run", "toy", "--epochs", "many"], "--epochs: "),
        (["run", "toy", "--epochs", "0"], "greater than 0"),
        (["run", "toy", "--epochs"], "--epochs"),
        (["run", "toy", "--select", "tset"], "--select"),
        (["run", "toy", "--preset", "smoky"], "no preset 'smoky'"),
        (["run", "toy", "--seeds", "4-1"], "not a range"),
        (["run", "toy", "--seeds", "one"], "not like 0-4"),
        (["run", "toy", "--seed", "1", "--seeds", "0-2"], "exclude each other"),
        (["run", "toy", "--seeds", "0-2,1"], "names a seed twice"),
        (["run", "toy", "--rate", "inf"], "--rate: "),
        (["run", "toy", "--dataset", ""], "no dataset named ''"),
        (["data", "list", "--task", "toy-regresion"], "no task named"),
        (["run", "toy", "--device", "nonsense"], "device 'nonsense'"),
        (["run", "toy", "--config", "missing.toml"], "missing.toml"),
        (["run", "toy", "--samples", "1"], "--samples: "),
        (["run", "toy", "extra"], "extra"),
        (["info", "toi"], "nothing is named 'toi'"),
        (["list", "--task", "toy-regresion"], "no task named"),
        (["data", "show", "tois"], "no dataset named 'tois'"),
        (["data", "demo", "toys", "somewhere"], "has no demo"),
        (["eval", "run", "--select", "worst"], "worst"),
    ],
)
def test_wrong_request_exits_2_with_one_message_and_creates_nothing(cli, words, message, tmp_path):
    called = cli(*words)
    assert called.code == 2
    assert message in called.err
    assert called.err.startswith("mlzoo: error: ")
    assert len(called.err.strip().splitlines()) <= 2
    assert "Traceback" not in called.err
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize(
    ("word", "meant"),
    [("toi", "'toy'"), ("rum", "'run'"), ("--epocks", "--epochs"), ("smoky", "'smoke'")],
)
def test_did_you_mean(cli, word, meant):
    words = {"toi": ["run", "toi"], "rum": ["rum"]}.get(word, ["run", "toy", word, "1"])
    if word == "smoky":
        words = ["run", "toy", "--preset", word]
    assert meant in cli(*words).err


def test_option_of_another_dataset_is_unknown(cli):
    assert cli("run", "toy", "--group-size", 3).code == 2


def test_unknown_key_in_a_config_file(cli, tmp_path):
    path = tmp_path / "work" / "my.toml"
    path.write_text("epoch = 3\n")
    called = cli("run", "toy", "--config", path)
    assert called.code == 2
    assert "file my.toml: unknown option 'epoch'" in called.err
    assert "'epochs'" in called.err


@pytest.mark.parametrize("order", [1, -1])
def test_option_beats_file_beats_preset_whatever_the_order(cli, tmp_path, order):
    path = tmp_path / "work" / "my.toml"
    path.write_text("epochs = 7\nrate = 0.7\n")
    pairs = [["--config", str(path)], ["--epochs", "8"], ["--dataset", "toys"]][::order]
    called = cli(
        "run", "toy", *(word for pair in pairs for word in pair), "--show-config", "--json"
    )
    shown = json.loads(called.out)
    assert (shown["epochs"], shown["rate"], shown["samples"]) == (8, 0.7, 16)
    assert shown["sources"]["epochs"] == "option"
    assert shown["sources"]["rate"] == "file my.toml"
    assert shown["sources"]["samples"] == "default"


def test_show_config_runs_nothing_and_names_the_preset(cli, tmp_path):
    called = cli("run", "toy", "--show-config")
    assert called.code == 0
    row = next(line for line in called.out.splitlines() if line.startswith("rate"))
    assert row.split() == ["rate", "0.05", "preset", "toys"]
    assert not list((tmp_path / "work").iterdir())


def test_help_shows_the_default_in_force_and_its_origin(cli):
    called = cli("run", "toy", "--preset", "smoke", "--help")
    assert called.code == 0
    assert "[2, preset toys/smoke]" in called.out
    assert "--samples" in called.out


def test_run_ends_in_a_table_with_references_and_the_folder(cli):
    called = cli("run", "toy")
    assert called.code == 0, called.err
    assert "toy runs on its default, toys" in called.err
    assert "epoch 4/4" in called.err
    assert "ceiling 0" in called.out
    assert "kept in runs/toy-toys/" in called.out
    assert "\x1b" not in called.out + called.err, "no colours without a terminal"


def test_json_of_a_run_is_its_results_and_nothing_else(cli):
    called = cli("run", "toy", "--json", "--quiet")
    results = json.loads(called.out)
    assert results["model"] == "toy"
    assert set(results["metrics"]) == {"val", "val@shifted", "test", "test@shifted"}
    assert called.err == ""


def test_seeds_make_runs_and_a_table_of_their_spread(cli, tmp_path):
    called = cli("run", "toy", "--seeds", "0-2", "--no-figures")
    assert called.code == 0, called.err
    assert "±" in called.out
    assert "(n=3)" in called.out
    assert len(list(find_runs([tmp_path / "work" / "runs"]))) == 3


def test_interrupted_run_says_how_to_go_on_and_goes_on(cli):
    called = cli("run", "toy", "--stop-after", 1)
    assert called.code == 130
    command = called.err.strip().splitlines()[-1]
    assert command.startswith("Go on with: mlzoo resume runs/toy-toys/")
    resumed = cli(*command.removeprefix("Go on with: mlzoo ").split(), "--json")
    assert resumed.code == 0
    assert json.loads(resumed.out)["selection"]["rule"] == "val"


def test_eval_repeats_the_results_and_knows_other_datasets(cli):
    results = json.loads(cli("run", "toy", "--json", "--quiet").out)
    again = cli("eval", results["directory"], "--json")
    assert json.loads(again.out) == results["metrics"]
    table = cli("eval", results["directory"], "--dataset", "no-val")
    assert table.code == 0, table.err
    assert "on no-val" in table.out
    assert cli("eval", results["directory"], "--evaluator", "toy-eror").code == 2


def test_nan_exits_1_and_names_the_step(cli):
    called = cli("run", "toy", "--break-at", 6)
    assert called.code == 1
    assert "at step 6" in called.err.splitlines()[-2]


def test_unwritable_out_exits_1(cli, tmp_path):
    (tmp_path / "work" / "file").write_text("")
    called = cli("run", "toy", "--out", "file/runs")
    assert called.code == 1
    assert "cannot create a run below file/runs" in called.err
    assert "--out DIR" in called.err


def test_missing_data_says_where_and_how(cli):
    called = cli("run", "toy", "--dataset", "toy-files")
    assert called.code == 1
    for part in ("rows.npz", "missing", "ask the author", "mlzoo data demo toy-files"):
        assert part in called.err


def test_corrupt_data_file_is_named_before_anything_is_created(cli, tmp_path):
    cli("data", "demo", "toy-files", tmp_path / "data-root")
    path = tmp_path / "data-root" / "toy-files" / "rows.npz"
    path.write_bytes(path.read_bytes()[:100])
    called = cli("run", "toy", "--dataset", "toy-files")
    assert called.code == 1
    assert str(path) in called.err
    assert not (tmp_path / "work" / "runs").exists()


def test_demo_data_is_ready_to_run_and_never_replaces_anything(cli, tmp_path):
    called = cli("data", "demo", "toy-files", tmp_path / "root")
    assert "planted slope: 1.0" in called.out
    line = next(x for x in called.out.splitlines() if x.startswith("try: mlzoo "))
    assert cli(*line.removeprefix("try: mlzoo ").split()).code == 0
    again = cli("data", "demo", "toy-files", tmp_path / "root")
    assert again.code == 2
    assert "not empty" in again.err


def test_data_list_info_show_and_verify(cli, tmp_path):
    listed = json.loads(cli("data", "list", "--json").out)
    states = {row["name"]: row["state"] for row in listed["datasets"]}
    assert states.pop("toy-files") == "missing files"
    assert set(states.values()) == {"embedded"}
    assert "--samples" in cli("data", "info", "toys").out
    shown = json.loads(cli("data", "show", "toys", "--samples", 5, "--json").out)
    assert shown["train"] == 5
    assert len(shown["fingerprint"]) == 64
    assert cli("data", "verify", "toy-files").code == 1
    cli("data", "demo", "toy-files", tmp_path / "data-root")
    assert cli("data", "verify", "toy-files").code == 0


def test_report_groups_seeds_and_tells_experiments_apart(cli, tmp_path):
    cli("run", "toy", "--seeds", "0-1", "--quiet", "--no-figures")
    cli("run", "toy", "--seeds", "0-1", "--rate", 0.01, "--quiet", "--no-figures")
    table = cli("report", "runs").out
    assert "rate=0.05 (n=2)" in table
    assert "rate=0.01 (n=2)" in table
    markdown = cli("report", "runs", "--format", "md").out
    assert "| metric |" in markdown
    lines = cli("report", "runs", "--format", "csv").out.splitlines()
    assert lines[0].startswith("model,dataset,label,selection,protocol,split,metric,n,mean,sd")
    assert len(lines) == 1 + 2 * 4 * 2
    groups = json.loads(cli("report", "runs", "--json").out)
    assert [group["seeds"] for group in groups] == [[0, 1], [0, 1]]
    drawn = cli("report", "runs", "--figures", tmp_path / "figures")
    assert (tmp_path / "figures" / "plot.png").is_file()
    assert "no picture today" in drawn.err


def columns_of(table):
    return table.splitlines()[1]


def test_report_counts_each_run_and_each_seed_once(cli):
    for _ in range(2):
        cli("run", "toy", "--seeds", "0-1", "--quiet", "--no-figures")
    called = cli("report", "runs", "runs/toy-toys")
    assert "(n=2)" in columns_of(called.out)
    assert "2 older runs of a seed that was run again are left out" in called.out


def test_report_tells_data_apart_that_the_options_do_not(cli, tmp_path):
    for seed in (0, 1):
        root = tmp_path / f"root{seed}"
        cli("data", "demo", "toy-files", root, "--seed", seed)
        options = ("--dataset", "toy-files", "--data-dir", root, "--quiet", "--no-figures")
        assert cli("run", "toy", *options).code == 0
    called = cli("report", "runs", "--figures", "figures")
    assert len(set(columns_of(called.out).split("(n=1)"))) == 5, "four columns, four headings"
    assert columns_of(called.out).count("data=") == 4
    assert "do not rank them" in called.out
    folders = {path.parent.name[:13] for path in (tmp_path / "work" / "figures").rglob("*.png")}
    assert len(list((tmp_path / "work" / "figures").iterdir())) == 2
    assert folders == {"toy-toy-files"}


def test_report_shows_selection_on_test_beside_the_honest_choice(cli):
    cli("run", "toy", "--seeds", "0-1", "--select", "test", "--quiet", "--no-figures")
    heads = columns_of(cli("report", "runs").out)
    assert "toy selected on val (n=2)" in heads
    assert "toy selection inflation (n=2)" in heads
    lines = cli("report", "runs", "--format", "csv").out.splitlines()[1:]
    assert {line.split(",")[4] for line in lines} == {"selected", "honest", "inflation"}


def test_report_names_a_damaged_run_and_goes_on(cli, tmp_path):
    cli("run", "toy", "--seeds", "0-1", "--quiet", "--no-figures")
    first = sorted((tmp_path / "work" / "runs").rglob("results.json"))[0]
    first.write_text("{")
    called = cli("report", "runs")
    assert called.code == 0
    assert str(first.relative_to(tmp_path / "work")) in called.err
    assert "(n=1)" in called.out


def test_report_of_an_unknown_split_is_refused(cli):
    cli("run", "toy", "--quiet", "--no-figures")
    called = cli("report", "runs", "--split", "tset")
    assert called.code == 2
    assert "'test'" in called.err


@pytest.mark.parametrize("words", [[], ["run"], ["data"], ["data", "show"]])
def test_incomplete_command_shows_its_help(cli, words):
    called = cli(*words)
    assert called.code == 2
    assert called.err.startswith("Usage: mlzoo")


def test_suggested_command_can_be_copied_whatever_the_folder_is_called(cli):
    called = cli("run", "toy", "--stop-after", 1, "--out", "a b")
    assert "mlzoo resume 'a b/toy-toys/" in called.err


@pytest.mark.parametrize(
    ("name", "text"), [("run.json", "[1]"), ("config.json", '{"model": "toy"}')]
)
def test_damaged_run_is_named(cli, name, text):
    directory = json.loads(cli("run", "toy", "--json", "--quiet").out)["directory"]
    with open(f"{directory}/{name}", "w") as file:
        file.write(text)
    called = cli("eval", directory)
    assert called.code == 1
    assert f"{directory}/{name}" in called.err
    assert "bug" not in called.err


def test_report_without_runs_says_so(cli, tmp_path):
    assert "does not exist" in cli("report", tmp_path / "nothing").err
    (tmp_path / "empty").mkdir()
    assert "holds no run" in cli("report", tmp_path / "empty").err


def test_info_shows_cards_and_citations(cli):
    assert "Lines. A. Uthor. V 2020." in cli("info", "toy").out
    assert cli("info", "toy", "--bibtex").out == "@misc{l, title={Lines}, year=2020}\n"
    assert json.loads(cli("info", "toys", "--json").out)["kind"] == "DatasetSpec"
    assert "squared error" in cli("info", "toy-error").out


def test_debug_adds_the_traceback_and_keeps_the_exit_status(cli):
    called = cli("run", "toi", "--debug")
    assert called.code == 2
    assert "Traceback" in called.err
    assert "mlzoo: error: no model named 'toi'" in called.err


def test_interrupted_seeds_name_those_that_never_started(cli):
    called = cli("run", "toy", "--seeds", "0-2", "--stop-after", 1)
    assert called.code == 130
    assert "not started: seeds 1, 2" in called.err


def test_a_metric_without_any_value_has_no_row(cli, toy):
    cli("run", "toy", "--epochs", 1, "--no-figures", "--quiet")
    (path,) = Path("runs").rglob("results.json")
    results = json.loads(path.read_text())
    shown = cli("report", "runs").out.splitlines()
    assert [line.split()[0] for line in shown if line.startswith(("error", "bias"))] == [
        *("error", "bias")
    ]
    for metrics in results["metrics"].values():
        metrics["bias"] = None  # NaN, as the file has it
    path.write_text(json.dumps(results))
    shown = cli("report", "runs").out.splitlines()
    assert [line.split()[0] for line in shown if line.startswith(("error", "bias"))] == ["error"]
    assert cli("report", path.parent).out.count("bias") == 0
