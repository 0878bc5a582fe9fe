"""Opening a CLIP: folders, files, names of the hub; and what is refused, each in one error that says why."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
import transformers
from plain_clip import Sizes, random_state
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mlzoo.errors import CheckpointError, DataError, MlzooError
from mlzoo_imagecode.clip import (
    open_clip,
    small_clip,
    tiny_clip_folder,
    to_openai,
    write_clip,
)
from mlzoo_imagecode.config import ImageCoDeConfig

TEXTS = ["The girl looks straight at the camera.", "it’s blurry & nobody is visible", ""]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip") / "tiny"
    tiny_clip_folder(folder, seed=3)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "tiny"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    edit(found)
    file.write_text(json.dumps(found), encoding="utf-8")


def rewrite(file: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    state = load_file(file)
    edit(state)
    save_file(state, file)


def test_tiny_folder_is_what_transformers_reads(
    made: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    encoders, tokens = open_clip(str(made))
    assert capfd.readouterr() == ("", "")
    model = transformers.CLIPModel.from_pretrained(made).eval()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(made)
    plain = "the girl looks straight at the camera."
    ids = tokenizer([plain], return_tensors="pt")["input_ids"]
    assert tokens.encode([plain])[0, : ids.shape[1]].tolist() == ids[0].tolist()
    assert len(tokenizer) == tokens.size == encoders.vocabulary
    pixels = torch.randn(2, 3, 32, 32)
    assert encoders.image(pixels).equal(model.get_image_features(pixels).pooler_output)
    torch.testing.assert_close(
        encoders.text(tokens.encode([plain])), model.get_text_features(ids).pooler_output
    )
    assert encoders.remarks == ()


def test_tiny_folder_follows_from_its_seed_and_leaves_the_generator_alone(
    made: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    tiny_clip_folder(tmp_path / "same", seed=3)
    tiny_clip_folder(tmp_path / "other", seed=4)
    open_clip(str(made))
    assert torch.get_rng_state().equal(before)
    files = sorted(path.name for path in made.iterdir())
    assert files == [
        "config.json", "merges.txt", "model.safetensors", "preprocessor_config.json", "tokenizer_config.json",
        "vocab.json",
    ]  # fmt: skip
    same = {name: (tmp_path / "same" / name).read_bytes() for name in files}
    assert same == {name: (made / name).read_bytes() for name in files}
    other = (tmp_path / "other" / "model.safetensors").read_bytes()
    assert other != same["model.safetensors"]


def test_written_encoders_of_words_open_again(tmp_path: Path) -> None:
    config = ImageCoDeConfig(width=16, depth=1, heads=2, patch=8, image_size=16, embedding=12)
    encoders, tokens = small_clip(config, TEXTS)
    write_clip(tmp_path / "words", encoders, tokens)
    again, same = open_clip(str(tmp_path / "words"))
    assert again.identity() == encoders.identity()
    assert same.encode(TEXTS).tolist() == tokens.encode(TEXTS).tolist()


@pytest.mark.parametrize("form", ["bin", "sharded", "sharded bin"])
def test_other_forms_of_weights_are_the_same_encoders(made: Path, folder: Path, form: str) -> None:
    file = folder / "model.safetensors"
    state = load_file(file)
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]  # of older files
    file.unlink()
    if form == "bin":
        torch.save(state, folder / "pytorch_model.bin")
    else:
        kind, suffix = ("pytorch_model", "bin") if "bin" in form else ("model", "safetensors")
        names = {name: f"{kind}-{1 + i % 2}-of-2.{suffix}" for i, name in enumerate(state)}
        for shard in set(names.values()):
            part = {name: state[name] for name in state if names[name] == shard}
            torch.save(part, folder / shard) if suffix == "bin" else save_file(part, folder / shard)
        index = json.dumps({"metadata": {}, "weight_map": names})
        (folder / f"{kind}.{suffix}.index.json").write_text(index)
    assert open_clip(str(folder))[0].identity() == open_clip(str(made))[0].identity()


def test_half_precision_weights_become_single_precision(folder: Path) -> None:
    def halve(state: dict[str, Tensor]) -> None:
        state.update({name: value.half() for name, value in state.items()})

    rewrite(folder / "model.safetensors", halve)
    change(folder / "config.json", lambda found: found.update(dtype="float16"))
    encoders, _ = open_clip(str(folder))
    assert {each.dtype for each in encoders.parameters()} == {torch.float32}


def test_another_activation_is_taken_as_configured_and_told(folder: Path) -> None:
    def gelu(found: dict[str, Any]) -> None:
        found["vision_config"]["hidden_act"] = "gelu"

    before = open_clip(str(folder))[0]
    change(folder / "config.json", gelu)
    after = open_clip(str(folder))[0]
    (remark,) = after.remarks
    assert "gelu for images, as its config.json says; OpenAI's weights need quick_gelu" in remark
    pixels = torch.randn(1, 3, 32, 32)
    assert not after.image(pixels).equal(before.image(pixels))


def test_vocabulary_may_lie_elsewhere(made: Path, folder: Path, tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        shutil.move(folder / name, tmp_path / name)
    with pytest.raises(DataError, match="--vocabulary PATH") as raised:
        open_clip(str(folder))
    assert "vocab.json with merges.txt, or tokenizer.json" in str(raised.value)
    for where in (tmp_path, tmp_path / "vocab.json"):
        tokens = open_clip(str(folder), where)[1]
        assert tokens.encode(TEXTS).tolist() == open_clip(str(made))[1].encode(TEXTS).tolist()


def test_openai_file_is_the_same_model_as_the_folder(tmp_path: Path) -> None:
    """Widths of 64 a head, as in every published CLIP."""
    tiny_clip_folder(tmp_path, seed=1, width=128, depth=1, heads=2)
    expected = open_clip(str(tmp_path))[0]
    state = to_openai(load_file(tmp_path / "model.safetensors"))
    nested = {"epoch": 3, "model_state_dict": {f"module.{k}": v for k, v in state.items()}}
    torch.save(state, tmp_path / "clip.pt")
    torch.save(nested, tmp_path / "nested.pth")
    save_file(state, tmp_path / "clip.safetensors")
    for name in ("clip.pt", "nested.pth", "clip.safetensors"):
        assert open_clip(str(tmp_path / name))[0].identity() == expected.identity()


class Program(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1


def test_torchscript_archive_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "ViT-B-16.pt"
    torch.jit.script(Program()).save(str(file))
    with pytest.raises(CheckpointError, match="TorchScript archive") as raised:
        open_clip(str(file))
    assert "torch.jit.load('ViT-B-16.pt'" in raised.value.fix
    assert "ViT-B-16-weights.pt" in raised.value.fix


def refuses(
    where: object, kind: type[MlzooError], *told: str, vocabulary: Path | None = None
) -> None:
    with pytest.raises(kind) as raised:
        open_clip(str(where), vocabulary)
    lines = str(raised.value).splitlines()
    assert len(lines) <= 2
    for text in told:
        assert text in str(raised.value)


def test_name_of_the_hub_that_is_not_in_the_cache_says_how_to_get_a_folder(
    capfd: pytest.CaptureFixture[str],
) -> None:
    name = "openai/clip-vit-base-patch16"
    refuses(name, DataError, f"hf download {name} --local-dir DIR", "--clip DIR")
    assert capfd.readouterr() == ("", "")


def test_name_of_the_hub_in_the_cache_is_opened(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    shutil.copytree(made, repository / "snapshots" / "abc")
    assert open_clip("someone/tiny")[0].identity() == open_clip(str(made))[0].identity()
    (repository / "snapshots" / "abc" / "model.safetensors").unlink()
    refuses("someone/tiny", DataError, "someone/tiny has no weights", "hf download someone/tiny")


@pytest.mark.parametrize(
    "where", ["./nothing", "/no/where/clip", "clip.pt", "a b", "~/nothing/at/all"]
)
def test_path_that_is_not_there_is_no_name_of_the_hub(where: str) -> None:
    refuses(where, DataError, f"there is no file or folder {where}.")


def test_what_is_missing_in_a_folder_is_listed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", DataError, "config.json", "model.safetensors", "vocab.json")
    (folder / "model.safetensors").unlink()
    refuses(folder, DataError, "no weights", "model.safetensors", "pytorch_model.bin")


@pytest.mark.parametrize(
    ("kind", "names", "told"),
    [
        ("bert", ["BertModel"], "a model of type 'bert'"),
        ("siglip", ["SiglipModel"], "a model of type 'siglip'"),
        ("clip_text_model", ["CLIPTextModel"], "a model of type 'clip_text_model'"),
        ("clip", ["CLIPForImageClassification"], "CLIPForImageClassification"),
        (None, [], "a model of type None"),
    ],
)
def test_other_architectures_are_refused_by_name(
    folder: Path, kind: str | None, names: list[str], told: str
) -> None:
    change(folder / "config.json", lambda found: found.update(model_type=kind, architectures=names))
    refuses(folder, CheckpointError, told, "not a CLIP of both encoders")


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda s: s.pop("logit_scale"), "lacks logit_scale"),
        (lambda s: s.update(more=torch.zeros(1)), "it has more, which the model has not"),
        (
            lambda s: s.update({"visual_projection.weight": torch.zeros(2, 2)}),
            "visual_projection.weight is [2, 2], the model's is [32, 32]",
        ),
        (lambda s: s["logit_scale"].fill_(float("inf")), "logit_scale has values that are not"),
        (
            lambda s: [s.pop(k) for k in list(s) if "text_model.encoder.layers.1." in k],
            "has 1 layers text_model.encoder.layers.*, its configuration 2",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(
    folder: Path, edit: Callable[[dict[str, Tensor]], object], told: str
) -> None:
    rewrite(folder / "model.safetensors", edit)
    refuses(folder, CheckpointError, told, "model.safetensors")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocab.json"])
def test_damaged_files_are_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    refuses(folder, MlzooError, name)


def test_config_that_is_none_of_clips_is_refused(folder: Path) -> None:
    change(folder / "config.json", lambda found: found["text_config"].update(hidden_size="wide"))
    refuses(folder, CheckpointError, "no configuration of a CLIP")


def test_pickles_with_more_than_tensors_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"logit_scale": Path("x")}, folder / "pytorch_model.bin")
    refuses(folder, CheckpointError, "pytorch_model.bin was refused")


def test_shards_outside_the_folder_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "stolen.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"logit_scale": "../stolen.safetensors"}}))
    refuses(folder, CheckpointError, "no weight_map of files beside it")
    index.write_text(json.dumps({"weight_map": {"logit_scale": "gone.safetensors"}}))
    refuses(folder, DataError, "lists gone.safetensors, which is not there")


def test_vocabulary_of_another_size_or_end_is_refused(folder: Path, tmp_path: Path) -> None:
    tiny_clip_folder(tmp_path / "other", merges=50)
    told = ("has 564 tokens", "vocabulary has 714")
    refuses(folder, DataError, *told, vocabulary=tmp_path / "other")
    change(folder / "config.json", lambda found: found["text_config"].update(eos_token_id=5))
    refuses(folder, DataError, "ends texts with token 713, the encoders look for 5")


def test_other_normalisation_of_images_is_refused(folder: Path) -> None:
    change(folder / "preprocessor_config.json", lambda found: found.update(image_mean=[0.5] * 3))
    refuses(folder, CheckpointError, "image_mean is [0.5, 0.5, 0.5]")


def test_file_that_is_no_openai_clip_says_so(made: Path, tmp_path: Path) -> None:
    refuses(made / "model.safetensors", CheckpointError, "transformers' names", "its folder")
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    refuses(tmp_path / "a.pt", CheckpointError, "a.pt is no CLIP: it lacks")
    torch.save({"epoch": 3}, tmp_path / "b.pt")
    refuses(tmp_path / "b.pt", CheckpointError, "'epoch' is a int")
    torch.save(random_state(Sizes()), tmp_path / "c.pt")
    refuses(tmp_path / "c.pt", CheckpointError, "no multiple of 64")


def test_tokeniser_and_names_are_read_without_torch() -> None:
    code = (
        "import sys, mlzoo_imagecode.clip.tokens, mlzoo_imagecode.clip.lengths; "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
