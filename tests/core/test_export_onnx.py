"""``mlzoo export RUN --to onnx``: the file gives torch's numbers, or there is none."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mlzoo
from mlzoo import OnnxNetwork
from mlzoo.cli import output
from mlzoo.errors import PluginError, RunError, UsageError
from mlzoo.progress import Progress
from mlzoo.registry import registry

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
from mlzoo.export.onnx import TOLERANCE, _all_sizes, _difference, _resized, written  # noqa: E402

ONNX = """

def onnx(model, data):
    import torch

    from mlzoo import OnnxNetwork
    from mlzoo.errors import UsageError

    if model.config.noise:
        raise UsageError("onnx: not with noise.")
    rows = {1.0: 1}.get(model.config.rate, 4)
    x = torch.from_numpy(data.x["test"][:rows])
    return OnnxNetwork(network=model.line, inputs={"x": x}, outputs=("y",),
                       axes={"x": {0: "batch"}}, facts={"unit": "metre"})
"""
QUIET = {"progress": Progress(quiet=True), "figures": False}


@pytest.fixture
def exporter(toy):
    """The made-up plugin, whose model has a network to write."""
    module = toy.folder / "mlzoo_toy.py"
    text = module.read_text(encoding="utf-8")
    text = text.replace('default_dataset="toys",', 'default_dataset="toys", onnx=f"{ME}:onnx",')
    module.write_text(text + ONNX, encoding="utf-8")
    sys.modules.pop("mlzoo_toy", None)
    registry.cache_clear()
    output.installed.cache_clear()
    return toy


class Changing(torch.nn.Module):
    """Gives other numbers with every call, which no file can."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        return x * self.calls


class Halves(torch.nn.Module):
    """Two outputs, the second of whole numbers."""

    def forward(self, x, y):
        return x @ y.T, (x > 0).sum(dim=1)


def network(module=None, **changes):
    x = torch.arange(8.0).view(4, 2)
    given = {"network": module or torch.nn.Linear(2, 1), "inputs": {"x": x}, "outputs": ("y",)}
    return OnnxNetwork(**{**given, "axes": {"x": {0: "batch"}}, **changes})


def test_the_file_gives_the_models_predictions_and_says_whose_it_is(exporter, cli):
    run = mlzoo.run("toy", seed=1, **QUIET).directory
    called = cli("export", run, "--to", "onnx", "--out", "toy.onnx", "--json")
    assert called.code == 0, called.err
    assert called.err == ""
    facts = json.loads(called.out)["facts"]
    assert facts["inputs"] == {"x": ["batch", 2]}
    assert facts["outputs"] == ["y"]
    assert facts["compared_at"] == ["batch 4", "batch 1", "batch 9"]
    assert facts["largest_relative_difference"] < 1e-5
    session = onnxruntime.InferenceSession("toy.onnx", providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    assert (said["model"], said["seed"]) == ("toy", "1")
    assert json.loads(said["facts"]) == {"unit": "metre"}
    data = mlzoo.RunRecord(run).load_data()
    (y,) = session.run(None, {"x": data.x["test"]})
    kept = mlzoo.RunRecord(run).predictions("test")["predicted"]
    np.testing.assert_allclose(y[:, 0], kept, rtol=1e-5, atol=1e-6)


def test_several_inputs_axes_and_outputs_are_compared_at_many_sizes():
    inputs = {"x": torch.randn(3, 5), "y": torch.randn(2, 5)}
    given = network(
        Halves(), inputs=inputs, outputs=("products", "positive"),
        axes={"x": {0: "batch"}, "y": {0: "tags"}},
    )  # fmt: skip
    content, _, compared = written(given, {}, "onnx of x")
    assert list(compared) == [
        "batch 3, tags 2", "batch 1, tags 2", "batch 7, tags 2", "batch 3, tags 1", "batch 3, tags 5",
    ]  # fmt: skip
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    products, positive = session.run(None, {"x": np.ones((2, 5), "f4"), "y": np.ones((6, 5), "f4")})
    assert products.shape == (2, 6)
    assert positive.tolist() == [5, 5]


def test_a_file_that_differs_from_torch_is_not_written(exporter, monkeypatch):
    run = mlzoo.run("toy", preset="smoke", **QUIET).directory
    module = sys.modules["mlzoo_toy"]
    own = module.onnx
    monkeypatch.setattr(module, "onnx", lambda *given: replace(own(*given), network=Changing()))
    with pytest.raises(RunError, match=r"other numbers than torch: y differs by .* at batch"):
        mlzoo.export_run(run, "onnx", out="toy.onnx")
    assert not Path("toy.onnx").exists()


def test_wishes_of_the_ref_reach_the_person(exporter, cli):
    run = mlzoo.run("toy", preset="smoke", noise=0.1, **QUIET).directory
    called = cli("export", run, "--to", "onnx")
    assert (called.code, called.err) == (2, "mlzoo: error: onnx: not with noise.\n")
    run = mlzoo.run("toy", preset="smoke", rate=1.0, **QUIET).directory
    called = cli("export", run, "--to", "onnx")
    assert called.code == 1
    assert "onnx of mlzoo-toy 1.0: axis 0 of 'x', batch, is 1 in the example" in called.err


def test_changed_data_are_refused(exporter, monkeypatch):
    run = mlzoo.run("toy", preset="smoke", **QUIET).directory
    module, own = sys.modules["mlzoo_toy"], sys.modules["mlzoo_toy"].load
    other = lambda root, options: own(root, options.model_copy(update={"samples": 9}))  # noqa: E731
    monkeypatch.setattr(module, "load", other)
    with pytest.raises(RunError, match="is not what .* was made with"):
        mlzoo.export_run(run, "onnx")


def test_a_missing_library_is_named(exporter, monkeypatch):
    run = mlzoo.run("toy", preset="smoke", **QUIET).directory
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RunError, match="needs onnxruntime, which is not installed"):
        mlzoo.export_run(run, "onnx")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": 1}, "returned dict instead of an OnnxNetwork"),
        (network(outputs=()), "names no inputs or no outputs"),
        (network(outputs=("x",)), "names both an input and an output 'x'"),
        (network(axes={"z": {0: "batch"}}), r"names axes of \['z'\], which are no inputs"),
        (network(inputs={"x": torch.ones(1, 2)}), "it must be at least 2"),
        (
            network(inputs={"x": torch.ones(4, 2), "z": torch.ones(3, 2)},
                    axes={"x": {0: "batch"}, "z": {0: "batch"}}),
            "have one size everywhere",
        ),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_blamed_on_its_plugin(given, message):
    with pytest.raises(PluginError, match=f"onnx of x.*{message}"):
        written(given, {}, "onnx of x")


def test_outputs_are_counted_and_must_be_finite():
    with pytest.raises(PluginError, match=r"names 2 outputs, its network returns 1 \(Tensor\)"):
        written(network(outputs=("y", "z")), {}, "onnx of x")
    with pytest.raises(RunError, match="y is not finite"):
        _difference("y", np.array([np.nan]), np.array([np.nan]), "batch 1")


def test_difference_is_a_share_of_the_largest_value():
    large = np.array([1e6, 1.0])
    assert _difference("y", large, large + 50, "batch 2") == pytest.approx(5e-5)
    with pytest.raises(RunError, match="differs by 0.0002 of its largest value at batch 2"):
        _difference("y", large, large + 2 * TOLERANCE * 1e6, "batch 2")
    with pytest.raises(RunError, match="other numbers"):
        _difference("y", large, np.array([np.nan, 1.0]), "batch 2")
    with pytest.raises(RunError, match="of \\[1\\] at batch 2, torch of \\[2\\]"):
        _difference("y", large, large[:1], "batch 2")
    assert _difference("y", np.zeros(2), np.zeros(2), "batch 2") == 0


def test_other_sizes_are_rows_of_the_example():
    given = network()
    sizes = list(_all_sizes(given))
    assert sizes == [{"batch": 4}, {"batch": 1}, {"batch": 9}]
    longer = _resized(given.inputs["x"], {0: "batch"}, sizes[2])
    assert torch.equal(longer[4:8], given.inputs["x"])


def test_a_format_of_another_model_is_refused(toy, cli):
    run = mlzoo.run("toy", preset="smoke", **QUIET).directory
    with pytest.raises(UsageError, match="toy names no feature-level network"):
        mlzoo.export_run(run, "onnx")
