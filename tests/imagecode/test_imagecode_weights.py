"""Weights of the published programs and of runs: all of them, or none."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from plain_clip import Sizes, random_state
from torch import Tensor, nn

from mlzoo.checkpoints import save_checkpoint
from mlzoo.errors import CheckpointError, DataError
from mlzoo.progress import Progress
from mlzoo_imagecode.clip import ClipEncoders, openai_encoders, small_clip
from mlzoo_imagecode.config import ImageCoDeConfig
from mlzoo_imagecode.context_module import ContextModule
from mlzoo_imagecode.weights import import_weights, start_from

SIZES = Sizes(embedding=16)
State = dict[str, Tensor]


@dataclass
class Model:
    encoders: ClipEncoders
    head: nn.Module | None = None


def encoders(seed: int = 0) -> ClipEncoders:
    return openai_encoders(random_state(SIZES, seed), vision_heads=3, text_heads=4)


def module(
    seed: int = 0, temporal: bool = True, layers: int = 2, fusion: str = "mult"
) -> nn.Module:
    torch.manual_seed(seed)
    return ContextModule(
        16, temporal=temporal, layers=layers, feed_forward=24, fusion=fusion, heads=4
    )  # fmt: skip


def model(seed: int = 0, **options: object) -> Model:
    return Model(encoders(seed), module(seed, **options))


def snapshot(model: Model) -> State:
    parts = {"encoders": model.encoders, "head": model.head}
    return {
        f"{part}.{name}": value.clone()
        for part, each in parts.items()
        if each is not None
        for name, value in each.state_dict().items()
    }


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def official(tmp_path: Path, state: State, **beside: object) -> Path:
    """As the published programs write it."""
    file = tmp_path / "CONTRA_0.5.pt"
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 4e-6}]}
    found = {"epoch": 7, "model_state_dict": state, "optimizer_state_dict": optimizer, **beside}
    torch.save(found, file)
    return file


def contra(seed: int) -> State:
    return {name: value.half() for name, value in random_state(SIZES, seed).items()}


def contextual(seed: int, **options: object) -> State:
    clip = {f"clip.{name}": value for name, value in contra(seed).items()}
    return {**clip, **module(seed, **options).state_dict()}


def of_run(folder: Path, model: Model, name: str = "best.pt", parts: str = "both") -> Path:
    state = {k: v for k, v in snapshot(model).items() if parts == "both" or k.startswith(parts)}
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    kept = {"model": state, "epoch": 1}
    save_checkpoint(folder / "checkpoints" / name, {"state": kept} if name == "last.pt" else kept)
    return folder


def half(seed: int) -> ClipEncoders:
    return openai_encoders(contra(seed), vision_heads=3, text_heads=4)


def told(stream: io.StringIO | None = None) -> Progress:
    return Progress(stream or io.StringIO())


def test_contra_checkpoint_fills_the_encoders(tmp_path: Path) -> None:
    empty = Model(encoders(1))
    facts = import_weights(official(tmp_path, contra(2)), empty, None, told())
    assert facts == {"arrays": len(contra(2)), "parts": ["encoders"], "epoch": 7}
    assert same(snapshot(empty), snapshot(Model(half(2))))
    assert {each.dtype for each in empty.encoders.parameters()} == {torch.float32}


def test_contextual_checkpoint_fills_encoders_and_module(tmp_path: Path) -> None:
    empty, stream = model(1), io.StringIO()
    file = official(tmp_path, contextual(2))
    facts = import_weights(file, empty, None, told(stream))
    assert facts == {"arrays": len(contextual(2)), "parts": ["encoders", "head"], "epoch": 7}
    assert same(snapshot(empty), snapshot(Model(half(2), module(2))))
    assert "does not tell its module's scale" in stream.getvalue()


def test_state_dict_alone_and_parallel_prefixes_are_read(tmp_path: Path) -> None:
    file = tmp_path / "alone.pt"
    torch.save({f"module.{name}": value for name, value in contra(2).items()}, file)
    empty = Model(encoders(1))
    assert import_weights(file, empty, None, told()) == {
        "arrays": len(contra(2)),
        "parts": ["encoders"],
    }
    assert same(snapshot(empty), snapshot(Model(half(2))))


def without(state: State, name: str) -> State:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (without(contextual(2), "clip.logit_scale"), ["it lacks logit_scale"]),
        (without(contextual(2), "prediction_layer.bias"), ["it lacks prediction_layer.bias"]),
        ({**contextual(2), "more": torch.zeros(1)}, ["it has more, which the model has not"]),
        ({**contextual(2), "clip.more": torch.zeros(1)}, ["it has more"]),
        (contextual(2, temporal=False), ["lacks positional_emb.weight", "--no-temporal"]),
        (contextual(2, layers=1), ["--head-layers 1"]),
        (contextual(2, fusion="concat"), ["--fusion concat"]),
        (
            {**contextual(2), "clip.visual.proj": torch.zeros(48, 8)},
            ["visual.proj is [48, 8], the model's is [48, 16]", "--clip"],
        ),
        ({**contextual(2), "prediction_layer.bias": torch.tensor([float("nan")])}, ["not finite"]),
        (contra(2), ["a CLIP alone", "--initial-weights"]),
        ({}, ["holds no weights"]),
    ],
)
def test_checkpoint_that_does_not_fit_is_named_and_nothing_is_loaded(
    tmp_path: Path, state: State, words: list[str]
) -> None:
    whole = model(1)
    before = snapshot(whole)
    file = official(tmp_path, state)
    with pytest.raises(CheckpointError) as raised:
        import_weights(file, whole, None, told())
    for text in (*words, str(file)):
        assert text in str(raised.value)
    assert same(snapshot(whole), before)


def test_temporal_checkpoint_says_which_option_it_needs(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="with --temporal"):
        import_weights(official(tmp_path, contextual(2)), model(1, temporal=False), None, told())
    other = ContextModule(16, layers=2, feed_forward=48, heads=4)
    with pytest.raises(CheckpointError, match="--head-feed-forward 24"):
        import_weights(official(tmp_path, contextual(2)), Model(encoders(), other), None, told())
    concat = module(fusion="concat")
    with pytest.raises(CheckpointError, match="--fusion mult"):
        import_weights(official(tmp_path, contextual(2)), Model(encoders(), concat), None, told())


def test_contextual_checkpoint_needs_a_contextual_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="--preset temporal"):
        import_weights(official(tmp_path, contextual(2)), Model(encoders()), None, told())


def test_openai_weights_need_their_activation(tmp_path: Path) -> None:
    other = encoders()
    other.clip.config.text_config.hidden_act = "gelu"
    with pytest.raises(
        CheckpointError, match="need quick_gelu; the model computes gelu, quick_gelu"
    ):
        import_weights(official(tmp_path, contra(2)), Model(other), None, told())


def test_missing_or_hostile_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        import_weights(tmp_path / "no.pt", Model(encoders()), None, told())
    file = official(tmp_path, contra(2), options=Path("x"))
    with pytest.raises(CheckpointError, match="more than tensors"):
        import_weights(file, Model(encoders()), None, told())


def test_run_is_no_published_checkpoint(tmp_path: Path) -> None:
    run = of_run(tmp_path, model(2))
    with pytest.raises(CheckpointError, match="mlzoo eval"):
        import_weights(run / "checkpoints" / "best.pt", model(1), None, told())


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
def test_start_from_a_run_takes_encoders_and_module(tmp_path: Path, name: str) -> None:
    run = of_run(tmp_path, model(2), name)
    for path in (run, run / "checkpoints" / name):
        whole = model(1)
        found = start_from(path, whole.encoders, whole.head)
        assert found == {"file": name, "parts": ["encoders", "head"]}
        assert same(snapshot(whole), snapshot(model(2)))


def test_best_of_a_run_comes_before_its_last(tmp_path: Path) -> None:
    of_run(tmp_path, model(3), "last.pt")
    whole = model(1)
    start_from(of_run(tmp_path, model(2)), whole.encoders, whole.head)
    assert same(snapshot(whole), snapshot(model(2)))


def test_contextual_run_starts_from_a_contra_run_or_file(tmp_path: Path) -> None:
    run = of_run(tmp_path / "run", Model(encoders(2)))
    for path, expected in ((run, encoders(2)), (official(tmp_path, contra(3)), half(3))):
        whole = model(1)
        assert start_from(path, whole.encoders, whole.head)["parts"] == ["encoders"]
        assert same(snapshot(whole), snapshot(Model(expected, module(1))))


def test_contra_starts_from_a_contextual_files_encoders(tmp_path: Path) -> None:
    whole = Model(encoders(1))
    file = official(tmp_path, contextual(2))
    assert start_from(file, whole.encoders, None) == {"file": file.name, "parts": ["encoders"]}
    assert same(snapshot(whole), snapshot(Model(half(2))))


def test_run_that_left_the_encoders_alone_gives_its_module(tmp_path: Path) -> None:
    run = of_run(tmp_path, model(2), parts="head")
    whole = model(1)
    assert start_from(run, whole.encoders, whole.head)["parts"] == ["head"]
    assert same(snapshot(whole), snapshot(Model(encoders(1), module(2))))
    with pytest.raises(CheckpointError, match="contextual module alone"):
        start_from(run, whole.encoders, None)


def test_run_that_does_not_fit_loads_nothing(tmp_path: Path) -> None:
    whole = model(1)
    before = snapshot(whole)
    run = of_run(tmp_path / "a", model(2, layers=1))
    with pytest.raises(CheckpointError, match="--head-layers 1"):
        start_from(run, whole.encoders, whole.head)
    config = ImageCoDeConfig(width=16, depth=1, heads=2, patch=8, image_size=16, embedding=16)
    small = of_run(tmp_path / "b", Model(small_clip(config, ["a text"])[0], module(2)))
    with pytest.raises(CheckpointError, match="encoders. does not fit"):
        start_from(small, whole.encoders, whole.head)
    assert same(snapshot(whole), before)


def test_other_runs_and_empty_folders_are_refused(tmp_path: Path) -> None:
    whole = model(1)
    with pytest.raises(CheckpointError, match="no checkpoints/best.pt or last.pt"):
        start_from(tmp_path, whole.encoders, whole.head)
    (tmp_path / "checkpoints").mkdir()
    save_checkpoint(
        tmp_path / "checkpoints" / "best.pt", {"model": {"network.w": torch.zeros(1)}, "epoch": 1}
    )
    with pytest.raises(CheckpointError, match="run of another model"):
        start_from(tmp_path, whole.encoders, whole.head)
