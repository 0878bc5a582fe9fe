"""``mlzoo export RUN --to FORMAT``: the request, model cards, safetensors, results for MTEB."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml

import mlzoo
from mlzoo.cli import output
from mlzoo.errors import RunError, UsageError
from mlzoo.experiment import Interrupted
from mlzoo.export import FORMATS
from mlzoo.export.markdown import code, fenced, link, plain
from mlzoo.export.safetensors import split_state, without_copies
from mlzoo.faults import failing_writes
from mlzoo.progress import Progress
from mlzoo.registry import registry

MTEB = """mteb=(
    MtebTask(type="Retrieval", main="share", scores={"share": "recall_at_1", "error": "error"},
             languages=("eng-Latn",)),
    MtebTask(type="Retrieval", main="bias", scores={"bias": "b"}, languages=(), suffix="back"),
),"""

PUBLISHED = """published=(
    Published(dataset="toys", metric="error", value=0.5, source="Table 1 | row <b>", selection="val",
              verified=True, tolerance=100),
    Published(dataset="toys", metric="error", value=0.25, source="from memory", selection="test",
              verified=False, tolerance=0.1),
),"""
QUIET = {"progress": Progress(quiet=True), "figures": False}


@pytest.fixture
def exporter(toy):
    """The made-up plugin with published numbers and tasks of MTEB's kind."""
    module = toy.folder / "mlzoo_toy.py"
    text = module.read_text(encoding="utf-8")
    text = text.replace('default_dataset="toys",', 'default_dataset="toys",' + PUBLISHED)
    text = text.replace(
        '"bias": Metric(',
        '"share": Metric(higher_is_better=True, summary="s", unit="%"), "bias": Metric(',
    )
    text = text.replace('score=f"{ME}:score",', 'score=f"{ME}:score",' + MTEB)
    text = text.replace(
        '"bias": float(np.mean(errors))}', '"bias": float(np.mean(errors)), "share": 12.5}'
    )
    module.write_text("from mlzoo import MtebTask, Published\n" + text, encoding="utf-8")
    sys.modules.pop("mlzoo_toy", None)
    registry.cache_clear()
    output.installed.cache_clear()
    return toy


def trained(**options):
    return mlzoo.run("toy", **{**QUIET, **options}).directory


def results_of(run, **changes):
    """Change ``results.json`` of a run."""
    path = run / "results.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**found, **changes}), encoding="utf-8")
    return found


def left_here():
    return {str(path) for path in Path().rglob("*") if "runs" not in path.parts}


# ---- the request


def test_a_folder_called_like_the_run_gets_all_formats(exporter, cli):
    pytest.importorskip("safetensors")
    run = trained()
    for form in ("hf-card", "safetensors", "mteb-json"):
        assert cli("export", run, "--to", form).code == 0
    folder = Path(f"toy-toys-{run.name}")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == {
        "README.md", "model.safetensors", "mteb/toys.json", "mteb/toys-back.json",
    }  # fmt: skip


def test_one_file_can_be_named(exporter, cli):
    run = trained()
    called = cli("export", run, "--to", "hf-card", "--out", "card.md")
    assert called.out == "written card.md\n"
    assert cli("export", run, "--to", "hf-card", "--out", "hub").code == 0
    assert Path("hub/README.md").read_bytes() == Path("card.md").read_bytes()


def test_files_are_replaced_only_with_force(exporter, cli):
    run = trained()
    Path("card.md").write_text("mine")
    refused = cli("export", run, "--to", "hf-card", "--out", "card.md")
    assert (refused.code, Path("card.md").read_text()) == (2, "mine")
    assert "card.md exists" in refused.err
    assert "--force" in refused.err
    assert cli("export", run, "--to", "hf-card", "--out", "card.md", "--force").code == 0
    assert Path("card.md").read_text().startswith("---\nlicense")


def test_nothing_in_the_run_changes(exporter, cli):
    run = trained()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for form in FORMATS:
        cli("export", run, "--to", form)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    refused = cli("export", run, "--to", "mteb-json", "--out", run / "config.json", "--force")
    assert refused.code == 2
    assert "lies in the run's own folder" in refused.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--to", "onxx"], 2, "no format named 'onxx'.\nDid you mean 'onnx'?"),
        (
            ["--to", "onnx"],
            2,
            "onnx: toy names no feature-level network to write.\nThis run can be",
        ),
        ([], 2, "Missing option '--to'"),
        (["--to", "hf-card", "--out", "no/where/x.md"], 2, "there is no folder no/where"),
        (["--to", "hf-card", "--out", "notes.txt"], 2, "notes.txt is a file; expected a folder"),
        (["--to", "mteb-json", "--out", "x.json"], 2, "x.json is one file, and 2 are written"),
        (["--to", "mteb-json", "--licence", "mit"], 2, "mteb-json does not state a licence"),
        (["--to", "hf-card", "--licence", "MIT <b>"], 2, "is no name of the hub's"),
    ],
)
def test_wrong_requests_are_refused(exporter, cli, words, code, message):
    run = trained()
    Path("notes.txt").touch()
    called = cli("export", run, *words)
    assert called.code == code
    assert message in called.err
    assert left_here() == {"notes.txt"}


def test_a_task_that_is_none_of_mtebs_kinds_says_what_makes_sense(toy, cli):
    called = cli("export", trained(), "--to", "mteb-json")
    assert (called.code, called.err) == (
        2,
        "mlzoo: error: mteb-json: the task toy-regression is none of MTEB's kinds.\n"
        "This run can be exported to hf-card, safetensors.\n",
    )


def test_unfinished_and_foreign_folders_are_refused(exporter, cli):
    with pytest.raises(Interrupted):
        trained(stop_after=1)
    (half,) = Path("runs").glob("*/*")
    called = cli("export", half, "--to", "hf-card")
    assert called.code == 1
    assert f"{half} is not done.\nFinish it first: mlzoo resume {half}" in called.err
    Path("empty").mkdir()
    assert "empty is not a run" in cli("export", "empty", "--to", "hf-card").err
    run = trained()
    (run / "results.json").unlink()
    assert "it has no results.json" in cli("export", run, "--to", "hf-card").err


def test_a_run_of_an_uninstalled_plugin_names_what_it_was_made_with(exporter, cli, monkeypatch):
    run = trained()
    monkeypatch.setenv("MLZOO_PLUGINS", "nothing-at-all")
    registry.cache_clear()
    output.installed.cache_clear()
    called = cli("export", run, "--to", "hf-card")
    assert called.code == 2
    assert "is of the model 'toy', which no installed plugin brings" in called.err
    assert "mlzoo-toy 1.0: install that" in called.err


def test_a_missing_library_is_one_error_that_names_the_extra(exporter, cli, monkeypatch):
    run = trained()
    for name in ("safetensors", "safetensors.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    called = cli("export", run, "--to", "safetensors")
    assert (called.code, called.err) == (
        1,
        "mlzoo: error: this export needs safetensors, which is not installed.\n"
        "Install it: python -m pip install 'mlzoo-core[export]'\n",
    )
    assert not left_here()


@pytest.mark.parametrize("at", range(1, 7))
def test_a_full_disk_leaves_no_file_and_no_folder(exporter, at):
    run = trained()
    with failing_writes(Path(), at=at), pytest.raises(RunError, match="No space"):
        mlzoo.export_run(run, "mteb-json")
    assert not left_here()


def test_json_names_files_and_facts(exporter, cli):
    called = cli("export", trained(), "--to", "hf-card", "--out", "x.md", "--json")
    assert json.loads(called.out) == {
        "format": "hf-card", "files": ["x.md"], "facts": {"licence": "unknown"},
    }  # fmt: skip


# ---- the model card


def card_of(run, **options):
    (path,) = mlzoo.export_run(run, "hf-card", out="card.md", force=True, **options).files
    text = path.read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_front_matter_is_the_hubs_schema(exporter):
    run = trained(seed=3)
    head, _ = card_of(run)
    found = json.loads((run / "results.json").read_text())
    assert head["license"] == "unknown"
    assert head["library_name"] == "mlzoo"
    assert head["tags"] == ["mlzoo", "toy-regression", "toy"]
    assert head["datasets"] == ["toys"]
    assert head["metrics"] == ["error", "share", "bias"]
    (index,) = head["model-index"]
    assert index["name"] == "toy-toys-s3"
    first = next(each for each in index["results"] if each["dataset"]["split"] == "test")
    assert first["task"] == {"type": "toy-regression"}
    assert first["dataset"] == {
        "type": "toys", "name": "a plane", "split": "test",
        "revision": found["data"]["fingerprint"],
    }  # fmt: skip
    values = {each["type"]: each["value"] for each in first["metrics"]}
    assert values == found["metrics"]["test"]
    assert card_of(run, licence="cc-by-4.0")[0]["license"] == "cc-by-4.0"


def test_the_hubs_own_library_reads_the_card(exporter):
    cards = pytest.importorskip("huggingface_hub")
    run = trained()
    card_of(run)
    card = cards.ModelCard.load(Path("card.md"), ignore_metadata_errors=False)
    read = {
        (each.dataset_split, each.metric_type): each.metric_value for each in card.data.eval_results
    }
    found = json.loads((run / "results.json").read_text())["metrics"]
    assert read == {(split, name): v for split in found for name, v in found[split].items()}


def test_the_options_in_the_card_repeat_the_run(exporter):
    run = trained(seed=2, rate=0.03, samples=12, preset="smoke")
    _, body = card_of(run)
    options = re.search(r"```json\n(.*?)```", body, re.DOTALL)
    assert options is not None
    Path("options.json").write_text(options[1])
    assert json.loads(options[1]) == {
        "model": "toy", "dataset": "toys", "preset": "smoke", "seed": 2, "rate": 0.03, "samples": 12,
    }  # fmt: skip
    assert "mlzoo run toy --config options.json" in body
    again = mlzoo.run("toy", config="options.json", **QUIET)
    assert again.metrics == json.loads((run / "results.json").read_text())["metrics"]


def test_options_that_differ_from_their_defaults_stand_with_their_source(exporter):
    _, body = card_of(trained(rate=0.03, preset="smoke"))
    assert "| `rate` | `0.03` | `0.1` | option |" in body
    assert "| `epochs` | `2` | `3` | preset toys/smoke |" in body
    assert "`noise`" not in body


def test_published_numbers_stand_with_verdict_and_whether_somebody_saw_them(exporter):
    _, body = card_of(trained())
    rows = [line for line in body.splitlines() if line.startswith("| `error` test")]
    stored = json.loads(next(Path("runs").rglob("results.json")).read_text())["published"]
    assert len(rows) == len(stored) == 2
    for row, number in zip(rows, stored, strict=True):
        assert number["verdict"] in row
    assert "| verified |" in rows[0]
    assert r"Table 1 \| row \<b\>" in rows[0]
    assert "| unverified |" in rows[1]
    assert "published under test, run under val" in rows[1]


def test_a_selection_on_test_data_has_its_inflation_beside_it(exporter):
    _, body = card_of(trained(select="test"))
    assert "selected on test data | selected on val | selection inflation" in body
    assert "The epoch was selected on test data" in body


def test_limits_say_what_the_run_knows_of_itself(exporter):
    _, body = card_of(trained(limit=4))
    assert "Made on limited data (`limit` 4): a try, not a result." in body
    assert "One seed: these numbers have no spread." in body
    assert "data: the dataset's card states none" in body


def test_values_of_a_hostile_run_are_no_markup(exporter):
    run = trained()
    label = "a](javascript:x) <script>|\n# Title"
    results_of(run, selection={"rule": "val", "label": label, "epoch": 1})
    _, body = card_of(run)
    assert "<script>" not in body
    assert "\n# Title" not in body
    assert r"a\](javascript:x) \<script\>\| \# Title" in body


def test_pieces_of_markdown_hold_anything():
    assert plain("a|b\n<c> `d` *e* &amp;") == r"a\|b \<c\> \`d\` \*e\* &amp;amp;"
    assert code("a`b|c\n") == "`a'b¦c`"
    assert fenced("```\nx").startswith("````\n")
    assert link("https://a.org/x") == "<https://a.org/x>"
    assert link("javascript:alert(1)>") == r"javascript:alert(1)\>"


# ---- safetensors


def test_weights_are_read_back_bit_for_bit_with_their_pedigree(exporter, cli):
    reader = pytest.importorskip("safetensors")
    run = trained(seed=1)
    assert cli("export", run, "--to", "safetensors", "--out", "w.safetensors").code == 0
    best = torch.load(run / "checkpoints" / "best.pt", weights_only=True)
    with reader.safe_open("w.safetensors", "pt") as file:
        said = file.metadata()
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert set(found) == {"line.weight", "line.bias"}
    assert torch.equal(found["line.weight"], best["model"]["line"]["weight"])
    assert json.loads(said["state"]) == {"finished": 1}
    assert (said["format"], said["model"], said["dataset"], said["seed"]) == (
        "pt",
        "toy",
        "toys",
        "1",
    )
    assert json.loads(said["selection"])["rule"] == "val"
    assert said["epoch"] == str(best["epoch"])
    assert json.loads(said["config"]) == json.loads((run / "config.json").read_text())
    assert json.loads(said["plugins"]) == {"mlzoo-toy": "1.0"}


def test_names_are_keys_joined_by_dots_and_plain_values_are_kept_apart():
    one, two = torch.ones(2), torch.zeros(1)
    tensors, values = split_state({"a": {"b": one, "n": 3}, "c": [two, "x"], "e": {}, 7: None})
    assert set(tensors) == {"a.b", "c.0"}
    assert values == {"a.n": 3, "c.1": "x", "e": {}, "7": None}
    with pytest.raises(RunError, match="would be called 'a.b'"):
        split_state({"a.b": one, "a": {"b": two}})
    with pytest.raises(RunError, match="x of the weights is nan"):
        split_state({"x": float("nan")})


def test_a_tensor_of_several_names_is_stored_once_and_parts_of_memory_are_copied():
    whole = torch.arange(12.0).view(3, 4)
    given = {"a": whole, "b": whole, "part": whole[1:], "turned": whole.T, "none": torch.empty(0)}
    stored, shared = without_copies(given)
    assert shared == {"b": "a"}
    assert set(stored) == {"a", "part", "turned", "none"}
    assert torch.equal(stored["turned"], whole.T)
    assert all(tensor.is_contiguous() for tensor in stored.values())
    places = {tensor.untyped_storage().data_ptr() for tensor in stored.values() if tensor.numel()}
    assert len(places) == 3


def test_every_kind_of_tensor_comes_back(exporter):
    pytest.importorskip("safetensors")
    run = trained()
    path = run / "checkpoints" / "best.pt"
    shared = torch.tensor([float("nan"), -0.0])
    state = {
        "half": torch.ones(2, dtype=torch.bfloat16), "double": torch.rand(2, 2).double().T,
        "flag": torch.tensor([True, False]), "count": torch.tensor(7), "none": torch.zeros(0, 3),
        "nan": shared, "again": [shared, {"deep": shared[:1]}],
    }  # fmt: skip
    torch.save({"model": state, "epoch": 1}, path)
    found = mlzoo.export_run(run, "safetensors", out="w.safetensors")
    assert found.facts["shared"] == {"again.0": "nan"}
    assert found.facts["tensors"] == 7


def test_a_file_that_does_not_give_the_weights_back_is_not_written(exporter, monkeypatch):
    library = pytest.importorskip("safetensors.torch")
    run = trained()
    save = library.save
    monkeypatch.setattr(
        library, "save", lambda tensors, said: save({n: t + 1 for n, t in tensors.items()}, said)
    )
    with pytest.raises(RunError, match=r"does not give back line\.\w+ as it was"):
        mlzoo.export_run(run, "safetensors")
    assert not left_here()


def test_a_damaged_checkpoint_is_named(exporter, cli):
    pytest.importorskip("safetensors")
    run = trained()
    (run / "checkpoints" / "best.pt").write_bytes(b"PK\3\4 nothing")
    called = cli("export", run, "--to", "safetensors")
    assert called.code == 1
    assert "best.pt is damaged or no checkpoint" in called.err


# ---- MTEB


def test_results_are_in_mtebs_schema(exporter):
    run = trained()
    found = mlzoo.export_run(run, "mteb-json", out="results")
    assert [path.as_posix() for path in found.files] == [
        "results/mteb/toys.json", "results/mteb/toys-back.json",
    ]  # fmt: skip
    stored = json.loads((run / "results.json").read_text())
    read = json.loads(Path("results/mteb/toys.json").read_text())
    assert read["task_name"] == "toys"
    assert read["dataset_revision"] == stored["data"]["fingerprint"]
    assert read["mteb_version"] is read["evaluation_time"] is read["kg_co2_emissions"] is None
    assert isinstance(read["date"], float)
    assert set(read["scores"]) == {"val", "test"}
    error = stored["metrics"]["test"]["error"]
    assert read["scores"]["test"][0] == {
        "recall_at_1": 0.125, "error": error, "main_score": 0.125,
        "hf_subset": "default", "languages": ["eng-Latn"],
    }  # fmt: skip
    assert [each["hf_subset"] for each in read["scores"]["test"]] == ["default", "shifted"]
    assert read["mlzoo"]["selection"]["rule"] == "val"
    assert json.loads(Path("results/mteb/toys-back.json").read_text())["task_name"] == "toys-back"


def test_numbers_that_are_not_there_are_left_out(exporter):
    run = trained()
    metrics = results_of(run)["metrics"]
    for values in metrics.values():
        values["bias"], values["error"] = None, None
    results_of(run, metrics=metrics)
    (only,) = mlzoo.export_run(run, "mteb-json").files
    (first, _) = json.loads(only.read_text())["scores"]["test"]
    assert set(first) == {"recall_at_1", "main_score", "hf_subset", "languages"}
    results_of(run, metrics={"test": {}})
    with pytest.raises(RunError, match="has no number that MTEB's schema asks for"):
        mlzoo.export_run(run, "mteb-json", out="other")
    assert not Path("other").exists()


def test_limited_runs_are_no_results_for_mteb(exporter):
    with pytest.raises(RunError, match="used --limit: that is no result for MTEB"):
        mlzoo.export_run(trained(limit=4), "mteb-json")


def test_mteb_tasks_are_checked_when_they_are_declared():
    with pytest.raises(ValueError, match="must hold the main metric 'b'"):
        mlzoo.MtebTask(type="t", main="b", scores={"a": "x"}, languages=())
    task = mlzoo.MtebTask(type="t", main="b", scores={"b": "x"}, languages=())
    metrics = {"a": mlzoo.Metric(higher_is_better=True, summary="a")}
    with pytest.raises(ValueError, match=r"unknown metrics \['b'\]"):
        mlzoo.EvaluatorSpec(
            name="e", summary="", task="t", score="a:b", metrics=metrics, mteb=(task,)
        )


def test_a_moved_run_is_exported_from_where_it_is(exporter):
    run = trained()
    shutil.move(run, "moved")
    with pytest.raises(UsageError, match="lies in the run's own folder"):
        mlzoo.export_run("moved", "hf-card", out="moved")
    assert mlzoo.export_run("moved", "hf-card").files == (Path("toy-toys-moved/README.md"),)
