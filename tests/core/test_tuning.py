"""A search for options: on validation data alone, resumable to the same end, and honest about it."""

from __future__ import annotations

import json
import math
import os
import signal
import sys

import pytest

import mlzoo
from mlzoo.errors import DataError, RunError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.progress import BarProgress, Progress
from mlzoo.run_directory import find_runs
from mlzoo.tuning import command_for
from mlzoo.tuning_trials import TuneInfo

pytestmark = pytest.mark.usefixtures("toy")
SEARCH = {"rate": "0.001..1:log", "noise": "0..0.5"}


def tune(out, **options):
    given = {"trials": 4, "search": SEARCH, "figures": False, "progress": Progress(quiet=True)}
    return mlzoo.tune("toy", out=out, **{**given, **options})


def change(toy, old, new):
    """Another plugin: this must come before it is imported."""
    source = toy.folder / "mlzoo_toy.py"
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new))


def without_time(trials):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in trials]


def folder_in(out):
    (info,) = out.rglob("tune.json")
    return info.parent


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_score_of_a_trial_is_that_of_a_run_with_its_options(tmp_path):
    tuned = tune(tmp_path / "a", trials=3, pruner="none")
    for row in tuned.trials:
        done = mlzoo.run(
            "toy",
            **row["options"],
            out=tmp_path / "b",
            figures=False,
            progress=Progress(quiet=True),
        )
        assert done.metrics["val"] == row["metrics"]
        assert done.metrics["val"]["error"] == row["value"]
        assert done.results["selection"]["epoch"] == row["epoch"]


def test_a_trial_with_validation_data_of_their_own_is_trained_and_scored_there(tmp_path):
    options = {"dataset": "searched", "epochs": 5}
    tuned = tune(tmp_path / "a", trials=2, **options)
    for row in tuned.trials:
        done = mlzoo.run(
            "toy",
            **options,
            **row["options"],
            out=tmp_path / "b",
            figures=False,
            progress=Progress(quiet=True),
        )
        assert done.metrics["val"]["error"] == row["value"]
        assert done.results["selection"]["epoch"] == row["epoch"]
    assert "training set" in tuned.facts["selection"]["data"]


def test_test_is_never_predicted_and_never_scored(toy, tmp_path):
    change(
        toy,
        '        name, _, view = split.partition("@")\n',
        '        name, _, view = split.partition("@")\n'
        '        assert name == "val", "a search looked at " + split\n',
    )
    change(
        toy,
        'errors = predictions["predicted"]',
        'assert len(predictions["target"]) == 20\n    errors = predictions["predicted"]',
    )
    change(toy, 'for s in ("train", "val", "test")}\n    return ToyData(x,', LONGER_VAL)
    assert len(tune(tmp_path).trials) == 4
    with pytest.raises(AssertionError, match="a search looked at test"):
        mlzoo.run("toy", out=tmp_path, figures=False, progress=Progress(quiet=True))


LONGER_VAL = """for s in ("train", "val", "test")}
    x["val"] = stream.randn(20, 2).astype("float32")
    return ToyData(x,"""


def test_data_with_validation_of_its_own_hide_the_rest_from_the_model(toy, tmp_path):
    change(
        toy,
        "        self.config, self.data = config, data\n",
        "        self.config, self.data = config, data\n"
        '        assert data.validation is None, "a search built a model on all data"\n',
    )
    assert len(tune(tmp_path, dataset="searched").trials) == 4
    with pytest.raises(AssertionError, match="built a model on all data"):
        mlzoo.run("toy", dataset="searched", select="last", out=tmp_path, figures=False)


def test_data_without_validation_are_refused_before_anything_is_made(tmp_path):
    with pytest.raises(UsageError, match="nothing to select on"):
        tune(tmp_path / "out", dataset="no-val")
    assert not (tmp_path / "out").exists()


def test_hidden_labels_of_val_are_nothing_to_select_on(toy, tmp_path):
    change(toy, '    incomparable: str = ""', '    incomparable: str = ""\n    hidden = ("val",)')
    with pytest.raises(UsageError, match="nothing to select on"):
        tune(tmp_path)


def test_a_stopped_search_goes_on_to_the_same_end(tmp_path, monkeypatch):
    """Stopped in the second epoch of the fourth trial, whose first epoch is not trained again."""
    straight = tune(tmp_path / "a", trials=8)
    scored = monkeypatching_predict(monkeypatch, stop_at=3 * 5 + 2)
    with pytest.raises(Interrupted, match="mlzoo tune toy --resume"):
        tune(tmp_path / "b", trials=8)
    half = folder_in(tmp_path / "b")
    assert json.loads((half / "tune.json").read_text())["status"] == "interrupted"
    assert len(lines(half / "trials.jsonl")) == 3
    assert (half / "trials" / "0004" / "checkpoints" / "last.pt").exists()
    scored.clear()
    resumed = mlzoo.resume_tuning(half, figures=False, progress=Progress(quiet=True))
    assert without_time(resumed.trials) == without_time(straight.trials)
    assert resumed.best == straight.best
    assert resumed.facts["status"] == "done"
    four_epochs_and_the_end = 5
    rows = [row for row in resumed.trials[4:] if row["state"] == "complete"]
    pruned = sum(row["epoch"] for row in resumed.trials[4:] if row["state"] == "pruned")
    assert len(scored) == four_epochs_and_the_end - 1 + len(rows) * 5 + pruned


def monkeypatching_predict(monkeypatch, stop_at):
    """Ctrl-C arrives when val is scored for the so-manieth time; returns what is scored from then on."""
    import mlzoo.trial

    scored, score = [], mlzoo.trial.score

    def interrupting(*arguments):
        scored.append(1)
        if len(scored) == stop_at:
            monkeypatch.setattr(mlzoo.trial, "score", counting)
            os.kill(os.getpid(), signal.SIGINT)
        return score(*arguments)

    def counting(*arguments):
        scored.append(1)
        return score(*arguments)

    monkeypatch.setattr(mlzoo.trial, "score", interrupting)
    return scored


def test_a_journal_that_a_kill_cut_off_is_read_to_its_last_whole_line(tmp_path):
    straight = tune(tmp_path / "a", trials=5)
    tune(tmp_path / "b", trials=3)
    half = folder_in(tmp_path / "b")
    with (half / "study.journal").open("a") as journal:
        journal.write('{"op_code": 4, "work')
    (half / "study.journal.lock").symlink_to(half / "study.journal")
    resumed = mlzoo.resume_tuning(half, trials=5, figures=False, progress=Progress(quiet=True))
    assert without_time(resumed.trials) == without_time(straight.trials)


def test_a_finished_search_takes_more_trials_and_only_if_asked(tmp_path):
    done = tune(tmp_path, trials=2).directory
    with pytest.raises(UsageError, match=r"has its 2 trials[\s\S]*--trials N for more"):
        mlzoo.resume_tuning(done, progress=Progress(quiet=True))
    more = mlzoo.resume_tuning(done, trials=3, figures=False, progress=Progress(quiet=True))
    assert [row["trial"] for row in more.trials] == [1, 2, 3]
    assert TuneInfo.read(done).facts["trials"] == 3


def test_a_search_that_was_killed_at_its_end_is_concluded(tmp_path):
    done = tune(tmp_path, trials=2)
    found = {name: (done.directory / name).read_text() for name in ("trials.jsonl", "best.json")}
    for name in found:
        (done.directory / name).unlink()
    facts = json.loads((done.directory / "tune.json").read_text())
    (done.directory / "tune.json").write_text(json.dumps({**facts, "status": "running"}))
    again = mlzoo.resume_tuning(done.directory, figures=False, progress=Progress(quiet=True))
    assert again.trials == done.trials
    assert found == {name: (done.directory / name).read_text() for name in found}


def test_changed_data_and_foreign_folders_do_not_go_on(tmp_path):
    done = tune(tmp_path, trials=2).directory
    facts = json.loads((done / "tune.json").read_text())
    facts["data"]["fingerprint"] = "0" * 64
    (done / "tune.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match="data of toys is not what"):
        mlzoo.resume_tuning(done, trials=3, progress=Progress(quiet=True))
    del facts["search"]
    (done / "tune.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match=r"tune.json is damaged: search"):
        mlzoo.resume_tuning(done, trials=3, progress=Progress(quiet=True))
    with pytest.raises(RunError, match="is no search for options"):
        mlzoo.resume_tuning(tmp_path, progress=Progress(quiet=True))


def test_a_damaged_journal_is_named(tmp_path):
    done = tune(tmp_path, trials=2).directory
    (done / "study.journal").write_text('{"nothing": 1}\n[]\n')
    with pytest.raises(RunError, match=r"study.journal is damaged"):
        mlzoo.resume_tuning(done, trials=3, progress=Progress(quiet=True))


def test_a_loss_that_is_no_number_fails_the_trial_and_the_search_goes_on(tmp_path):
    tuned = tune(
        tmp_path, search={"break_at": "0,3", "rate": "0.01..0.1"}, sampler="random", trials=6
    )
    failed = [row for row in tuned.trials if row["state"] == "failed"]
    assert 0 < len(failed) < 6
    assert {row["options"]["break_at"] for row in failed} == {3}
    assert all("loss became nan in epoch 1" in row["error"] for row in failed)
    assert tuned.facts["counts"] == {
        "complete": 6 - len(failed),
        "pruned": 0,
        "failed": len(failed),
    }
    assert tuned.best["break_at"] == 0


def test_another_error_ends_the_search_and_is_told(toy, tmp_path):
    change(
        toy,
        "if epoch == self.config.stop_at:",
        'if self.config.rate > 0.3: raise KeyError("x")\n            if False:',
    )
    with pytest.raises(KeyError):
        tune(tmp_path, search={"rate": [0.1, 0.4]}, sampler="random")
    facts = json.loads((folder_in(tmp_path) / "tune.json").read_text())
    assert facts["status"] == "failed"
    assert "KeyError" in facts["error"]


def test_a_search_in_which_nothing_was_completed_says_so(tmp_path):
    with pytest.raises(RunError, match="none of 2 trials was completed: loss became nan"):
        tune(tmp_path, trials=2, search={"break_at": "1,2"})


def test_options_that_do_not_go_together_fail_their_trial_alone(toy, tmp_path):
    change(
        toy,
        "class ToyOptions(Config):",
        "from pydantic import model_validator\n\n\n"
        "class RuledConfig(ToyConfig):\n"
        '    @model_validator(mode="after")\n'
        "    def together(self):\n"
        "        if self.noise > 0.2 and self.rate > 0.5:\n"
        '            raise ValueError("too much noise for this rate")\n'
        "        return self\n\n\n"
        "class ToyOptions(Config):",
    )
    change(toy, 'config=f"{ME}:ToyConfig"', 'config=f"{ME}:RuledConfig"')
    search = {"noise": [0.0, 0.3], "rate": [0.1, 0.6]}
    tuned = tune(tmp_path, search=search, sampler="random", trials=8)
    failed = [row["options"] for row in tuned.trials if row["state"] == "failed"]
    assert failed
    assert {(o["noise"], o["rate"]) for o in failed} == {(0.3, 0.6)}
    with pytest.raises(UsageError, match="too much noise for this rate"):
        tune(tmp_path, rate=0.9, search={"noise": "0.3..0.5"})


def test_the_median_gives_up_trials_and_they_are_never_the_best(tmp_path):
    options = {"trials": 12, "epochs": 5, "search": {"rate": "0.0001..1:log"}, "sampler": "random"}
    tuned = tune(tmp_path / "a", **options)
    pruned = [row for row in tuned.trials if row["state"] == "pruned"]
    assert pruned
    assert all(row["value"] is None and 3 <= row["epoch"] < 5 for row in pruned)
    complete = [row for row in tuned.trials if row["state"] == "complete"]
    assert tuned.value == min(row["value"] for row in complete)
    whole = tune(tmp_path / "b", pruner="none", **options)
    assert [row["options"] for row in whole.trials] == [row["options"] for row in tuned.trials]
    assert all(row["state"] == "complete" for row in whole.trials)
    for row in complete:
        assert whole.trials[row["trial"] - 1]["value"] == row["value"]


def studied(folder, trials, sampler="tpe", seed=0):
    """What a study of a parabola proposes, without any training."""
    from mlzoo.study import Study
    from mlzoo.tuning_space import Range

    folder.mkdir(exist_ok=True)
    asked = {"higher_is_better": False, "sampler": sampler, "pruner": "none", "seed": seed}
    study = Study(folder, {"x": Range(-5.0, 5.0)}, **asked)
    while len(study.finished) < trials:
        trial = study.ask()
        study.end(trial, {}, (trial.params["x"] - 2) ** 2)
    return [row["options"]["x"] for row in study.rows()]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_seed_decides_what_is_proposed(tmp_path, sampler):
    one, two = (studied(tmp_path / name, 12, sampler) for name in "ab")
    assert one == two
    assert len(set(one)) == 12
    assert set(one).isdisjoint(studied(tmp_path / "c", 12, sampler, seed=1))


def test_tpe_learns_from_what_was_tried_and_goes_on_where_it_was(tmp_path):
    straight = studied(tmp_path / "a", 30)
    studied(tmp_path / "b", 12)
    assert studied(tmp_path / "b", 30) == straight
    distances = [abs(x - 2) for x in straight]
    assert sum(distances[20:]) < sum(distances[:10]) / 2


def test_after_the_time_is_up_no_trial_is_begun(tmp_path):
    tuned = tune(tmp_path, timeout=0.05, trials=10_000)
    assert 1 <= len(tuned.trials) < 10_000
    assert tuned.facts["status"] == "done"


def test_the_summary_says_what_was_searched_on_what_and_with_what(tmp_path):
    tuned = tune(tmp_path, seed=3, limit=12)
    facts = json.loads((tuned.directory / "tune.json").read_text())
    assert facts["search"] == {"rate": "0.001..1.0:log", "noise": "0.0..0.5"}
    assert (facts["sampler"], facts["pruner"], facts["seed"]) == ("tpe", "median", 3)
    assert facts["versions"].keys() >= {"optuna", "torch", "mlzoo-core", "mlzoo-toy"}
    data = mlzoo.load_dataset("toys", limit=12)
    assert facts["data"]["fingerprint"] == data.fingerprint()
    assert facts["selection"]["fingerprint"] == data.fingerprint()
    assert facts["selection"]["rule"] == "val"
    assert facts["limited"]
    assert facts["best"]["value"] == tuned.value
    assert sum(facts["counts"].values()) == 4
    assert lines(tuned.directory / "trials.jsonl") == tuned.trials


def test_what_a_search_leaves_is_small_and_no_run(tmp_path):
    tuned = tune(tmp_path, trials=2)
    assert not [*tmp_path.rglob("*.pt")]
    rows = lines(tuned.directory / "trials" / "0001" / "metrics.jsonl")
    assert {row.get("split") for row in rows} == {None, "val"}
    with pytest.raises(RunError, match="holds no run"):
        [*find_runs([tmp_path])]


def test_best_json_is_a_config_whose_run_repeats_the_score(tmp_path):
    tuned = tune(tmp_path / "a", preset="smoke", seed=5)
    config = json.loads(tuned.config.read_text())
    assert config["sources"]["rate"] == "tuned"
    assert config["preset"] == "smoke"
    assert config["epochs"] == 2
    assert {"seed", "limit"}.isdisjoint(config)
    done = mlzoo.run(
        "toy",
        config=tuned.config,
        seed=5,
        out=tmp_path / "b",
        figures=False,
        progress=Progress(quiet=True),
    )
    assert done.metrics["val"]["error"] == tuned.value


def test_the_rule_is_val_whatever_a_preset_or_a_file_says(tmp_path):
    file = tmp_path / "own.json"
    file.write_text('{"select": "test", "rate": 0.2}')
    tuned = tune(tmp_path, config=file, search={"noise": "0..1"})
    config = json.loads(tuned.config.read_text())
    assert (config["select"], config["rate"]) == ("val", 0.2)
    with pytest.raises(UsageError, match="under the rule val alone"):
        tune(tmp_path, select="test")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"trials": 0}, "--trials must be at least 1"),
        ({"timeout": 0.0}, "--timeout must be above 0"),
        ({"sampler": "grid"}, "sampler must be tpe or random"),
        ({"pruner": "all"}, "pruner must be median or none"),
        ({"rate": 0.1}, "rate is given a value and searched, too"),
        ({"search": {}}, "toy has no learning rate, decay or dropout"),
        ({"precision": "fp16"}, "fp16 needs a GPU"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path, options, told):
    with pytest.raises(UsageError, match=told):
        tune(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_missing_data_are_told_before_anything_is_made(tmp_path):
    with pytest.raises(DataError, match=r"rows\.npz"):
        tune(tmp_path / "out", dataset="toy-files")
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_one_line_with_the_fix(tmp_path, monkeypatch, cli):
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = cli("tune", "toy", "--search", "rate=0.1..1", "--out", tmp_path / "out")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "pip install 'mlzoo-core[tune]'"
    assert not (tmp_path / "out").exists()


def test_the_command_searches_shows_the_best_and_how_to_judge_it(tmp_path, cli):
    words = (
        "--trials",
        4,
        "--search",
        "rate=0.01..1:log",
        "--search",
        "noise=0,0.1",
        "--epochs",
        2,
    )
    done = cli("tune", "toy", *words, "--out", tmp_path)
    assert done.code == 0, done.err
    folder = folder_in(tmp_path)
    assert f"mlzoo run toy --dataset toys --config {folder}/best.json --seeds 0-4" in done.out
    assert "optimistic" in done.out
    assert "no --dataset given: toy is tuned on its default, toys" in done.err
    assert done.err.count(": val error") == 4
    assert (folder / "search.png").stat().st_size > 5000
    assert "[4/4]" in (folder / "log.txt").read_text()
    command = next(line for line in done.out.splitlines() if line.startswith("  mlzoo run"))
    seeds = ("--seeds", "0-1", "--out", tmp_path / "runs", "--no-figures")
    assert cli(*command.split()[1:-2], *seeds).code == 0


def test_the_command_speaks_json_and_goes_on(tmp_path, cli):
    words = ("--dataset", "toys", "--search", "rate=0.01..1", "--no-figures", "--quiet", "--json")
    done = cli("tune", "toy", *words, "--trials", 2, "--out", tmp_path)
    told = json.loads(done.out)
    assert told["best"]["options"].keys() == {"rate"}
    assert told["command"].startswith("mlzoo run toy")
    assert done.err == ""
    resumed = cli("tune", "toy", "--resume", told["directory"], "--trials", 3, "--json", "--quiet")
    assert sum(json.loads(resumed.out)["counts"].values()) == 3
    refused = cli("tune", "toy", "--resume", told["directory"], "--rate", 0.1)
    assert refused.code == 2
    assert "--rate cannot be said with --resume" in refused.err


def test_help_of_the_command_lists_the_options_without_the_rule(cli):
    told = cli("tune", "toy", "--help").out
    assert "--search NAME=VALUES" in told
    assert "--rate" in told
    assert "--select" not in told


def test_a_terminal_shows_a_bar_for_each_trial(tmp_path):
    import io

    stream = io.StringIO()
    tune(tmp_path, progress=BarProgress(stream), trials=2)
    shown = stream.getvalue()
    assert shown.count(": val error") == 2
    assert "epoch 4/4" in (folder_in(tmp_path) / "log.txt").read_text()


def test_a_model_without_randomness_is_judged_by_one_run(toy, tmp_path):
    change(toy, 'default_dataset="toys",', 'default_dataset="toys", deterministic=True,')
    tuned = tune(tmp_path, trials=1)
    assert "--seeds" not in command_for(tuned)


def test_scores_that_are_no_number_fail_the_trial(toy, tmp_path):
    change(
        toy,
        'return {"error": float(np.mean(errors**2))',
        'return {"error": float(np.mean(errors**2)) if len(seen := seen_so_far(errors)) < 9 '
        'else float("nan")',
    )
    change(
        toy,
        "def score(predictions, data):",
        "SEEN = []\n\n\ndef seen_so_far(errors):\n    SEEN.append(1)\n    return SEEN\n\n\n"
        "def score(predictions, data):",
    )
    tuned = tune(tmp_path, trials=2, search={"rate": "0.1,0.2"}, epochs=4)
    assert math.isfinite(tuned.value)
