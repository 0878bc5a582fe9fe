"""Published state dicts fit by name, or are refused with what does not fit; nothing is half loaded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from small_cross import given_of, group, random_given, recorded, shaken, small_values
from torch import Tensor

from mlzoo.checkpoints import save_checkpoint
from mlzoo.errors import CheckpointError, DataError
from mlzoo.progress import Progress
from mlzoo_imagecode.cross.names import doubles, published_names
from mlzoo_imagecode.cross.network import CrossNetwork
from mlzoo_imagecode.cross.scheme_reading import scheme_of
from mlzoo_imagecode.cross.weights import import_weights, load_published, start_from

QUIET = Progress(quiet=True)


def network_of(kind: str = "uniter", variant: Any = "contra", seed: int = 0) -> CrossNetwork:
    network = CrossNetwork(scheme_of(small_values(kind), "test"), variant)
    shaken(network, seed)
    return network


def published(network: CrossNetwork) -> dict[str, Tensor]:
    """As the programs save it: shared weights under both names."""
    state = published_names(network.state_dict())
    twice = {
        second: state[first]
        for second, first in doubles(network.bert.scheme).items()
        if second.startswith("bert.")
    }
    return {**state, **twice}


def same(one: CrossNetwork, other: CrossNetwork) -> bool:
    states = one.state_dict(), other.state_dict()
    return all(states[0][name].equal(states[1][name]) for name in states[0])


def imported(state: Any, network: CrossNetwork, folder: Path) -> dict[str, Any]:
    file = folder / "published.bin"
    torch.save(state, file)
    return import_weights(file, SimpleNamespace(network=network), None, QUIET)


@pytest.mark.parametrize("kind", ["uniter", "vilbert"])
@pytest.mark.parametrize("variant", ["zero-shot", "contra", "contextual"])
def test_published_weights_are_taken_with_and_without_second_names(
    kind: str, variant: str, tmp_path: Path
) -> None:
    source = network_of(kind, variant, seed=1)
    for number, state in enumerate((published_names(source.state_dict()), published(source))):
        network = network_of(kind, variant)
        done = imported(state, network, tmp_path)
        assert done == {"arrays": len(source.state_dict()), "unused": []}, number
        assert same(network, source)
        given = random_given(0)
        with torch.no_grad():
            assert network.eval()(given).equal(source.eval()(given))


def test_names_are_the_published_ones_but_for_the_contextual_module() -> None:
    for name in ("uniter_contextual", "vilbert_contextual"):
        found = recorded(name)
        network = CrossNetwork(
            scheme_of(found["config"], name),
            "contextual",
            layers=int(found["ctx_layers"]),
            temporal=bool(found["ctx_positional"]),
        )
        ours = published_names(network.state_dict())
        theirs = {n for n in group(found, "w:") if not n.startswith("clfs_dict.")}
        assert set(ours) == theirs
        outside = {n for n in network.state_dict() if not n.startswith("context.")}
        assert outside <= theirs


def test_wrapped_and_prefixed_files_are_taken(tmp_path: Path) -> None:
    source, network = network_of("vilbert", seed=1), network_of("vilbert")
    state = {f"module.{name}": value for name, value in published(source).items()}
    done = imported({"model_state_dict": state, "epoch": 3}, network, tmp_path)
    assert done["epoch"] == 3
    assert same(network, source)


def test_heads_of_other_variants_are_left_out_and_named(tmp_path: Path) -> None:
    found = recorded("uniter_contextual")
    network = CrossNetwork(scheme_of(found["config"], "recorded"), "contextual")
    done = imported(group(found, "w:"), network, tmp_path)
    assert done["unused"] == ["clfs_dict.TASK3.bias", "clfs_dict.TASK3.weight"]
    found = recorded("uniter_itm")
    network = CrossNetwork(scheme_of(found["config"], "recorded"), "zero-shot")
    state = group(found, "w:")
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    done = imported(state, network, tmp_path)
    assert all(name.startswith("cls.imagePredictions.") for name in done["unused"])
    assert len(done["unused"]) == 4
    with torch.no_grad():
        p = network.eval()(given_of(found)).sigmoid().flatten()
    torch.testing.assert_close(p, found["p_aligned"], rtol=0, atol=1e-5)


def without_pooler(state: dict[str, Any]) -> None:
    del state["bert.t_pooler.dense.bias"]


def with_more(state: dict[str, Any]) -> None:
    state["bert.encoder.layer.9.output.dense.weight"] = torch.ones(2)


def misshaped(state: dict[str, Any]) -> None:
    state["clfs_dict.TASK3.weight"] = torch.ones(1, 3)


def not_finite(state: dict[str, Any]) -> None:
    state["clfs_dict.TASK3.weight"][0, 0] = torch.nan


def unequal(state: dict[str, Any]) -> None:
    name = "bert.encoder.layer.2.attention_self.v_query.bias"
    state[name] = state[name] + 1


def headless(state: dict[str, Any]) -> None:
    for name in [name for name in state if name.startswith("clfs_dict")]:
        del state[name]


def integers(state: dict[str, Any]) -> None:
    state["clfs_dict.TASK3.weight"] = torch.ones(1, 16, dtype=torch.int64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_pooler, "lacks bert.t_pooler.dense.bias"),
        (with_more, "unknown bert.encoder.layer.9.output.dense.weight"),
        (misshaped, r"clfs_dict.TASK3.weight is \[1, 3\]"),
        (not_finite, "clfs_dict.TASK3.weight has values that are not finite"),
        (unequal, "attention_self.v_query.bias and .* differ, but the scheme has them as one"),
        (headless, r"has no head of the variant contra \(clfs_dict.…\)"),
        (integers, "clfs_dict.TASK3.weight is no dense tensor of fractions"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(
    change: Any, message: str, tmp_path: Path
) -> None:
    state = {name: value.clone() for name, value in published(network_of(seed=1)).items()}
    change(state)
    network = network_of()
    with pytest.raises(CheckpointError, match=message) as caught:
        imported(state, network, tmp_path)
    assert "published.bin" in caught.value.message
    assert same(network, network_of())


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    model = SimpleNamespace(network=network_of())
    with pytest.raises(DataError, match="nowhere.bin"):
        import_weights(tmp_path / "nowhere.bin", model, None, QUIET)
    file = tmp_path / "file.bin"
    file.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="file.bin"):
        import_weights(file, model, None, QUIET)
    torch.save({"options": SimpleNamespace}, file)
    with pytest.raises(CheckpointError, match="refused"):
        import_weights(file, model, None, QUIET)
    with pytest.raises(CheckpointError, match="does not fit"):
        imported(published(network_of("vilbert")), network_of("uniter"), tmp_path)


@pytest.mark.parametrize("wrap", [{}, {"prefix": "network."}])
def test_training_starts_from_a_run_of_another_variant(
    wrap: dict[str, str], tmp_path: Path
) -> None:
    source, network = network_of("vilbert", "contra", seed=1), network_of("vilbert", "contextual")
    head = {n: v.clone() for n, v in network.state_dict().items() if n.startswith("context.")}
    (tmp_path / "checkpoints").mkdir()
    prefix = wrap.get("prefix", "")
    state: dict[str, Any] = {prefix + name: value for name, value in source.state_dict().items()}
    save_checkpoint(
        tmp_path / "checkpoints" / "best.pt", {"model": {**state, "facts": {"words": 3}}}
    )
    done = start_from(tmp_path, network)
    assert (done["file"], done["head"]) == ("best.pt", False)
    assert done["unused"] == ["clfs_dict.TASK3.bias", "clfs_dict.TASK3.weight"]
    for name, value in network.bert.state_dict().items():
        assert value.equal(source.bert.state_dict()[name])
    assert all(network.state_dict()[name].equal(value) for name, value in head.items())


def test_training_starts_from_a_pretrained_file_and_from_one_of_the_same_variant(
    tmp_path: Path,
) -> None:
    file = tmp_path / "pretrained.bin"
    for variant, head in (("zero-shot", False), ("contextual", True)):
        source, network = network_of("uniter", variant, seed=1), network_of("uniter", "contextual")
        torch.save(published(source), file)
        assert start_from(file, network)["head"] is head
        assert network.bert.state_dict()["t_pooler.dense.bias"].equal(
            source.bert.state_dict()["t_pooler.dense.bias"]
        )
    with pytest.raises(CheckpointError, match=r"has no checkpoints/best.pt"):
        start_from(tmp_path, network)


def test_half_a_head_is_refused(tmp_path: Path) -> None:
    state = published_names(network_of("uniter", "contextual").state_dict())
    del state["prediction_layer.weight"]
    with pytest.raises(CheckpointError, match=r"lacks context.prediction_layer.weight"):
        load_published(state, network_of("uniter", "contextual"), "a file", heads=False)
