"""Official checkpoints and runs come in as they are, or not at all."""

from __future__ import annotations

import io
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from multisk_oracles import VARIANTS, batch, everything_at_once, golden, group, multisk, sizes_of
from torch import Tensor

from mlzoo.checkpoints import save_checkpoint
from mlzoo.errors import CheckpointError, DataError
from mlzoo.progress import Progress
from mlzoo_multisk.anchor_loss import AnchorLoss
from mlzoo_multisk.clips import Shape
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig
from mlzoo_multisk.networks import EverythingAtOnceNetwork, MultiSKNetwork, TokenNetwork
from mlzoo_multisk.weights import import_weights, load_official, official_state, start_from

State = dict[str, Any]

LEFT_OUT = 40


class Holder:
    """As a model of this package."""

    def __init__(self, network: TokenNetwork, anchors: AnchorLoss | None = None) -> None:
        self.network = network
        if anchors is not None:
            self.anchors = anchors

    def state_dict(self) -> State:
        """As the models have it."""
        parts = {"network": self.network.state_dict()}
        if hasattr(self, "anchors"):
            parts["anchors"] = self.anchors.state_dict()
        return {f"{part}.{name}": x for part, state in parts.items() for name, x in state.items()}


def published() -> State:
    return group(golden("model_full"), "w.")


def options(**changes: object) -> MultiSKConfig:
    sizes = sizes_of(published()) | {"anchors": 8, "anchor_queue": 12}
    return MultiSKConfig.model_validate(sizes | changes)


def holder(**changes: object) -> Holder:
    """With weights of its own."""
    config = options(**changes)
    return Holder(MultiSKNetwork(config, Shape(6, 10, 3, 14, 192)), AnchorLoss.from_config(config))


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(one[k].equal(other[k]) for k in one)


def kept(model: Holder) -> State:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_every_weight_of_multisk_has_its_official_name() -> None:
    model, state = holder(), published()
    left_out = load_official(state, model.network, model.anchors)
    again = official_state(model.network, model.anchors)
    assert again.keys() == state.keys()
    for name, value in again.items():
        assert value.shape == state[name].shape, name
        assert value.equal(state[name]) or name in left_out, name
    assert "fusion.blocks.0.attn.qkv.weight" in left_out, "text's transformer, a second time"
    assert {"fusion_video.masking_token", "cluster_text.anc_dist"} <= set(left_out)
    assert len(left_out) == LEFT_OUT


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_weight_of_everything_at_once_has_its_official_name(variant: str) -> None:
    state = group(golden("model_eao"), f"{variant}.w.")
    network = everything_at_once(variant)
    again = official_state(network)
    assert again.keys() == state.keys()
    left_out = load_official(state, network)
    assert all(value.equal(state[name]) or name in left_out for name, value in again.items())


def test_what_is_never_used_does_nothing_in_the_official_file() -> None:
    state = official_state(holder().network)
    assert state["fusion_text.norm.weight"].equal(torch.ones(32))
    assert state["davenet.batchnorm1.running_var"].equal(torch.ones(1))


def test_network_without_anchors_or_audio_leaves_theirs_out() -> None:
    state = published()
    network = MultiSKNetwork(options(modalities="tv"), Shape(6, 10, 3, 14, 192))
    left_out = load_official(state, network)
    assert {"davenet.conv1.weight", "cluster_video.anc_linear.weight"} <= set(left_out)
    assert network.masking_token.equal(state["fusion_text.masking_token"])


class ConfigParser:
    """Stands for the class of the published program, which is not there when its file is read."""

    def __init__(self) -> None:
        self.config = {"trainer": {"epochs": 15}}
        self.save_dir = Path("exp")


def whole(state: State) -> State:
    """What ``latest_model.pth`` holds."""
    adam = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 5e-5}]}
    return {
        "arch": "TransformerPerModality",
        "epoch": 14,
        "step": 8000,
        "state_dict": OrderedDict(state),
        "optimizer": adam,
        "monitor_best": 0.5,
        "config": {"trainer": {"epochs": 15}},
    }


def with_object(state: State) -> State:
    return whole(state) | {"config": ConfigParser(), "monitor_best": np.float64(0.5)}


def of_data_parallel(state: State) -> State:
    return whole({f"module.{name}": value for name, value in state.items()})


WRAPPINGS: dict[str, Callable[[State], State]] = {
    "as it is": dict,
    "latest_model.pth": whole,
    "with its config as an object": with_object,
    "of DataParallel": of_data_parallel,
    "twice": lambda state: of_data_parallel({f"module.{k}": v for k, v in state.items()}),
}


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Callable[[State, Path], None]:
    """Write a file as the published program does."""

    def write(content: State, file: Path) -> None:
        module = types.ModuleType("parse_config")
        module.ConfigParser = ConfigParser  # type: ignore[attr-defined]
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "parse_config", module)
            patch.setattr(ConfigParser, "__module__", "parse_config")
            torch.save(content, file)

    return write


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_checkpoint_comes_in_however_it_is_wrapped(
    wrapping: str, tmp_path: Path, program: Callable[[State, Path], None]
) -> None:
    file, model, told = tmp_path / "latest_model.pth", holder(), io.StringIO()
    program(WRAPPINGS[wrapping](published()), file)
    facts = import_weights(file, model, None, Progress(told))
    expected = holder()
    load_official(published(), expected.network, expected.anchors)
    assert same(model.state_dict(), expected.state_dict())
    assert facts["arrays"] == len(published()) - LEFT_OUT
    assert facts.get("epoch") == (None if wrapping == "as it is" else 14)
    assert "here they are 4" in told.getvalue()


def refusal(state: State, folder: Path, model: Holder | None = None) -> str:
    """The error, which leaves the model as it was."""
    target, file = model or holder(), folder / "latest_model.pth"
    before = kept(target)
    torch.save(state, file)
    with pytest.raises(CheckpointError) as caught:
        import_weights(file, target, None, Progress(io.StringIO()))
    assert same(target.state_dict(), before)
    assert "latest_model.pth" in str(caught.value)
    return str(caught.value)


def without(name: str) -> State:
    return {key: value for key, value in published().items() if key != name}


BAD: dict[str, tuple[Callable[[], State], str]] = {
    "missing": (lambda: without("text_proj.fc.bias"), "it lacks text_proj.fc.bias"),
    "no anchors": (
        lambda: without("cluster_audio.anc_linear.weight"),
        "it lacks cluster_audio.anc_linear.weight",
    ),
    "unknown": (
        lambda: published() | {"text_proj.extra": torch.zeros(1)},
        "it has text_proj.extra, which the network has not",
    ),
    "two transformers of text": (
        lambda: published() | {"fusion.masking_token": torch.zeros(32)},
        "it has fusion.masking_token",
    ),
    "mis-shaped": (
        lambda: published() | {"text_proj.fc.bias": torch.zeros(7)},
        "text_proj.fc.bias is [7], the model's is [20]",
    ),
    "not finite": (
        lambda: published() | {"text_proj.fc.bias": torch.full((20,), torch.nan)},
        "text_proj.fc.bias has values",
    ),
    "negative variance": (
        lambda: published() | {"davenet.bn1.running_var": -torch.ones(4)},
        "davenet.bn1.running_var has values",
    ),
    "integers": (
        lambda: published() | {"text_proj.fc.bias": torch.zeros(20, dtype=torch.int64)},
        "text_proj.fc.bias is torch.int64",
    ),
    "no tensor": (lambda: published() | {"text_proj.fc.bias": 1.0}, "is no dense tensor"),
    "empty": (dict, "it lacks"),
    "no state dict": (lambda: {"state_dict": [1]}, "state_dict"),
}


@pytest.mark.parametrize("case", BAD)
def test_file_that_does_not_fit_is_refused_with_what_is_wrong(case: str, tmp_path: Path) -> None:
    state, text = BAD[case]
    assert text in refusal(state(), tmp_path)


def test_many_names_are_told_in_a_line(tmp_path: Path) -> None:
    text = refusal({f"layer{i}.weight": torch.zeros(1) for i in range(50)}, tmp_path)
    assert "and 45 more" in text
    assert len(text) < 900


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_code_in_a_file_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = refusal(whole(published()) | {"config": Hostile(mark)}, tmp_path)
    assert "was refused" in text
    assert not mark.exists()


def test_classes_that_are_ignored_are_admitted_here_alone(
    tmp_path: Path, program: Callable[[State, Path], None]
) -> None:
    file = tmp_path / "latest_model.pth"
    program(with_object(published()), file)
    import_weights(file, holder(), None, Progress(io.StringIO()))
    admitted = torch.serialization.get_safe_globals()
    assert not any(getattr(kind, "__name__", "") == "ConfigParser" for kind in admitted)


def test_missing_file_is_told() -> None:
    with pytest.raises(DataError, match="nowhere.pth"):
        import_weights(Path("nowhere.pth"), holder(), None, Progress(io.StringIO()))


def in_a_run(folder: Path, model: Holder, name: str = "best.pt") -> Path:
    state: State = {"model": model.state_dict(), "epoch": 3, "finished": True}
    if name == "last.pt":
        state = {"state": {"model": model.state_dict()}, "epoch": 3}
    (folder / "checkpoints").mkdir(exist_ok=True)
    save_checkpoint(folder / "checkpoints" / name, state)
    return folder


def test_run_is_started_from_its_best_checkpoint_then_its_last(tmp_path: Path) -> None:
    last, best = holder(), holder()
    in_a_run(tmp_path, last, "last.pt")
    model = holder()
    assert start_from(tmp_path, model)["file"] == "last.pt"
    assert same(model.state_dict(), last.state_dict())
    in_a_run(tmp_path, best)
    assert start_from(tmp_path, model)["file"] == "best.pt"
    assert same(model.state_dict(), best.state_dict())
    assert start_from(tmp_path / "checkpoints" / "last.pt", model)["file"] == "last.pt"
    assert same(model.state_dict(), last.state_dict())


def test_official_file_can_be_started_from(tmp_path: Path) -> None:
    model = holder()
    torch.save(of_data_parallel(published()), tmp_path / "latest_model.pth")
    facts = start_from(tmp_path / "latest_model.pth", model)
    assert len(facts["unused"]) == LEFT_OUT
    expected = multisk().state_dict()
    assert same(model.network.state_dict(), expected)


def test_queues_are_not_started_from(tmp_path: Path) -> None:
    source = holder()
    arrays = golden("model_full")
    source.anchors(source.network(batch(arrays, "in."), 3).both_sides())
    model = holder()
    start_from(in_a_run(tmp_path, source), model)
    assert model.anchors.queues.count == 0


def test_model_without_anchors_starts_from_one_with_them(tmp_path: Path) -> None:
    source, model = holder(), Holder(holder().network)
    start_from(in_a_run(tmp_path, source), model)
    assert same(model.network.state_dict(), source.network.state_dict())


def test_run_of_other_widths_is_refused(tmp_path: Path) -> None:
    in_a_run(tmp_path, holder(projection=24))
    model = holder()
    before = kept(model)
    with pytest.raises(CheckpointError, match="text_proj"):
        start_from(tmp_path, model)
    assert same(model.state_dict(), before)


def test_folder_without_checkpoints_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="best.pt"):
        start_from(tmp_path, holder())


def test_position_embeddings_are_brought_to_the_number_of_tokens(tmp_path: Path) -> None:
    config = EverythingAtOnceConfig.model_validate(
        sizes_of(published()) | {"position_embeddings": True}
    )
    source = EverythingAtOnceNetwork(config, Shape(6, 10, 3, 14, 192))
    model = EverythingAtOnceNetwork(config, Shape(6, 10, 12, 14, 768))
    facts = start_from(in_a_run(tmp_path, Holder(source)), Holder(model))
    assert facts["interpolated"] == ["audio_pos_embed", "video_pos_embed"]
    given: Tensor = source.pos_embed["video"]
    found: Tensor = model.pos_embed["video"]
    assert found.shape == (1, 12, 32)
    torch.testing.assert_close(found[:, 0], given[:, 0])
    torch.testing.assert_close(found[:, -1], given[:, -1])
    torch.testing.assert_close(model.pos_embed["text"], source.pos_embed["text"])
