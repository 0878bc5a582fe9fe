"""``mlzoo predict RUN INPUT... --top 5``: options of a model's prediction, on the line and in Python."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlzoo
from mlzoo.cli import output
from mlzoo.errors import PluginError, UsageError
from mlzoo.progress import Progress
from mlzoo.registry import registry
from mlzoo.specs import ModelSpec, refs_of
from mlzoo.testing import check_options, check_refs

PREDICT = """

class PredictOptions(Config):
    top: int = Field(5, gt=0, description="how many are named")
    tags: tuple[str, ...] | None = Field(None, description="only these")
    figure: Path | None = Field(None, description="picture to draw")
    order: Literal["score", "name"] = Field("score", description="what comes first")
    loud: bool = Field(False, description="say more")


def predict(model, data, inputs, progress, options):
    assert type(options) is PredictOptions
    if options.figure is not None:
        options.figure.write_text("picture")
    if options.loud:
        progress.message(f"{len(inputs)} inputs")
    names = options.tags or ("a", "b", "c")
    rows = [(path.name, tag) for path in inputs for tag in names[: options.top]]
    return {"input": [name for name, _ in rows], "tag": [tag for _, tag in rows]}
"""


def rewritten(toy, change=lambda text: text, config: str = "PredictOptions") -> None:
    """The made-up plugin, with a prediction that has options."""
    module = toy.folder / "mlzoo_toy.py"
    if not (toy.folder / "plain").exists():
        module.rename(toy.folder / "plain")
    text = (toy.folder / "plain").read_text(encoding="utf-8")
    refs = f'predict=f"{{ME}}:predict", predict_config=f"{{ME}}:{config}",'
    text = text.replace('default_dataset="toys",', f'default_dataset="toys", {refs}')
    imports = "\nfrom pathlib import Path\nfrom typing import Literal\n"
    module.write_text(imports + change(text + PREDICT), encoding="utf-8")
    sys.modules.pop("mlzoo_toy", None)
    registry.cache_clear()
    output.installed.cache_clear()


@pytest.fixture
def run(toy):
    """A finished run of a model whose prediction has options, and an input."""
    rewritten(toy)
    Path("a.txt").write_text("1 2")
    return mlzoo.run("toy", preset="smoke", progress=Progress(quiet=True), figures=False).directory


def tags_of(text: str) -> list[str]:
    return [row["tag"] for row in csv.DictReader(io.StringIO(text))]


@pytest.mark.parametrize("where", ["before", "between", "after"])
def test_options_are_taken_wherever_they_stand(run, cli, where):
    words = {
        "before": ["--top", "2", run, "a.txt"],
        "between": [run, "--top=2", "a.txt"],
        "after": [run, "a.txt", "--top", 2],
    }[where]
    called = cli("predict", *words)
    assert (called.code, called.err) == (0, "")
    assert tags_of(called.out) == ["a", "b"]


def test_values_have_the_types_of_the_class(run, cli):
    called = cli("predict", run, "a.txt", "--tags", "x,y z", "--figure", "out.png", "--loud")
    assert tags_of(called.out) == ["x", "y z"]
    assert Path("out.png").read_text() == "picture"
    assert called.err == "1 inputs\n"
    assert tags_of(cli("predict", run, "a.txt", "--tags", "none", "--no-loud").out) == [
        "a",
        "b",
        "c",
    ]


def test_help_of_a_run_lists_them_with_defaults(run, cli):
    told = " ".join(cli("predict", run, "--help").out.split())
    assert "Model (toy) options:" in told
    assert "--top INTEGER how many are named [5]" in told
    assert "--figure PATH picture to draw [none]" in told
    assert "--order [score|name]" in told
    assert "--out PATH" in told
    plain = cli("predict", "--help").out
    assert "--top" not in plain
    assert "predict RUN --help" in plain


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--top", "0"], 2, "--top: Input should be greater than 0, got '0'"),
        (["--order", "nam"], 2, "Did you mean 'name'?"),
        (["--tip", "3"], 2, "--top"),
    ],
)
def test_wrong_values_are_refused(run, cli, words, code, message):
    called = cli("predict", run, "a.txt", *words)
    assert called.code == code
    assert message in called.err
    assert "Traceback" not in called.err


def test_python_takes_the_same_options(run):
    quiet = Progress(quiet=True)
    assert mlzoo.predict(run, ["a.txt"], top=1, progress=quiet)["tag"] == ["a"]
    assert mlzoo.predict(run, ["a.txt"], tags=["z"], progress=quiet)["tag"] == ["z"]
    with pytest.raises(UsageError, match="unknown option 'tops'") as error:
        mlzoo.predict(run, ["a.txt"], tops=1)
    assert "Did you mean 'top'" in error.value.fix
    with pytest.raises(UsageError, match="--top: Input should be"):
        mlzoo.predict(run, ["a.txt"], top=0)


def test_a_model_without_options_refuses_them(run, toy, cli):
    ref = 'predict_config=f"{ME}:PredictOptions",'
    optional = "progress, options=PredictOptions()):"
    rewritten(toy, lambda text: text.replace(ref, "").replace("progress, options):", optional))
    assert tags_of(cli("predict", run, "a.txt").out) == ["a", "b", "c"]
    assert "No such option" in cli("predict", run, "a.txt", "--top", "1").err
    with pytest.raises(UsageError, match="toy predicts without options, got 'top'"):
        mlzoo.predict(run, ["a.txt"], top=1)


def test_options_alone_can_say_what_to_predict(run, toy, cli):
    assert "toy needs an INPUT to predict" in cli("predict", run, "--tags", "x").err
    ref = 'predict=f"{ME}:predict",'

    def without_inputs(text: str) -> str:
        text = text.replace("in inputs for", 'in inputs or [Path("typed")] for')
        return text.replace(ref, f"{ref} predict_without_inputs=True,")

    rewritten(toy, without_inputs)
    called = cli("predict", run, "--tags", "x,y")
    assert (called.code, tags_of(called.out)) == (0, ["x", "y"])
    with pytest.raises(ValueError, match="predict_without_inputs needs a predict_config"):
        ModelSpec(
            name="x", summary="x", task="x", paper=None, config="a:b", factory="a:b",
            default_dataset="x", predict="a:c", predict_without_inputs=True,
        )  # fmt: skip


def test_no_run_is_named_before_its_options_are_missed(run, cli):
    called = cli("predict", "nowhere", "a.txt", "--top", "1")
    assert called.code == 1
    assert "nowhere is not a run" in called.err
    assert "Missing argument" in cli("predict").err


def test_option_with_the_name_of_one_of_the_command_is_the_plugins_fault(run, toy, cli):
    taken = '    out: int = Field(1, description="x")\n    top: int'
    rewritten(toy, lambda text: text.replace("    top: int", taken))
    called = cli("predict", run, "a.txt")
    assert called.code == 1
    assert "has an option 'out', which predict has itself" in called.err
    with pytest.raises(PluginError, match="option 'out'"):
        check_options(registry().model("toy"))


def test_contract_looks_at_the_class(run, toy):
    entry = registry().model("toy")
    assert dict(refs_of(entry.spec))["predict_config"] == "mlzoo_toy:PredictOptions"
    check_refs(entry)
    check_options(entry)
    rewritten(toy, lambda text: text.replace(', description="say more"', ""))
    with pytest.raises(AssertionError, match="option loud of PredictOptions has no description"):
        check_options(registry().model("toy"))
    rewritten(toy, config="ToyData")
    with pytest.raises(AssertionError, match="ToyData must derive from mlzoo.Config"):
        check_options(registry().model("toy"))


def test_options_of_no_prediction_are_refused():
    with pytest.raises(ValueError, match="predict_config needs a predict"):
        ModelSpec(
            name="x", summary="x", task="x", paper=None, config="a:b", factory="a:b",
            default_dataset="x", predict_config="a:c",
        )  # fmt: skip


def test_they_are_completed_in_the_shell(run, toy):
    def complete(line: str) -> list[str]:
        asked = {
            "_MLZOO_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        path = os.pathsep.join([str(toy.folder), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-c", "from mlzoo.cli.main import main; main()"],
            env={**os.environ, **asked, "PYTHONPATH": path},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return [entry.partition(",")[2] for entry in done.stdout.splitlines()]

    assert {"--top", "--tags", "--figure", "--out"} <= set(
        complete(f"mlzoo predict {run} a.txt --")
    )
    assert complete(f"mlzoo predict {run} --order ") == ["score", "name"]
    assert complete("mlzoo predict runs/") == [str(run)]
    assert "--out" in complete("mlzoo predict nowhere --")


def test_json_holds_a_row_for_each(run, cli):
    rows = json.loads(cli("predict", run, "a.txt", "--top", 1, "--json").out)
    assert rows == [{"input": "a.txt", "tag": "a"}]
