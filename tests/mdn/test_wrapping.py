"""Layers behind the parts of other people's networks."""

from __future__ import annotations

import copy
import doctest
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mlzoo_mdn
from mlzoo.errors import UsageError
from mlzoo_mdn import wrapping
from mlzoo_mdn.layer import MetadataNorm
from mlzoo_mdn.recalibration import recalibrate
from mlzoo_mdn.recursive import RecursiveMDN
from mlzoo_mdn.wrapping import WithMetadata, metadata_of, wrap


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Conv3d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.values(x))


class Volumes(nn.Module):
    """A small 3-D network with nested parts, one part that is never used and one that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(1, 4, 3)
        self.blocks = nn.Sequential(Block(), Block())
        self.unused = nn.Linear(2, 2)
        self.act = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        x = self.act(self.blocks(self.act(self.stem(x))))
        return self.head(scale * x.mean(dim=(2, 3, 4)))


def make(count: int = 24) -> tuple[Volumes, Tensor, Tensor]:
    torch.manual_seed(0)
    network = Volumes()
    label = (torch.arange(count) % 2).double()
    metadata = torch.stack([label, label + torch.randn(count).double()], dim=1)
    return (
        network,
        torch.randn(count, 1, 6, 5, 4) + metadata[:, 1].float()[:, None, None, None, None],
        metadata,
    )


def test_wrapped_network_is_the_network_with_layers_written_into_it() -> None:
    network, volumes, metadata = make()
    plain = copy.deepcopy(network)
    model = wrap(network, ["stem", "head"], metadata, sample=volumes[:2])
    stem, head = MetadataNorm(metadata, (4, 4, 3, 2)), MetadataNorm(metadata, 3)
    for rows in (slice(0, 10), slice(10, 24)):
        x = plain.act(plain.blocks(plain.act(stem(plain.stem(volumes[rows]), metadata[rows]))))
        expected = head(plain.head(x.mean(dim=(2, 3, 4))), metadata[rows])
        torch.testing.assert_close(model(volumes[rows], metadata[rows]), expected)
    assert model.norms["stem/norm"].feature_shape == (4, 4, 3, 2)
    assert torch.equal(model.norms["head/norm"].running, head.running)


def test_patterns_find_nested_parts_in_order() -> None:
    network, volumes, metadata = make()
    model = wrap(network, ["head", "blocks.*.values"], metadata, sample=volumes[:1])
    assert list(model.norms) == ["blocks/0/values/norm", "blocks/1/values/norm", "head/norm"]


def test_recursive_layers_stand_there_on_request_with_their_options() -> None:
    network, volumes, metadata = make()
    model = wrap(network, "head", metadata, sample=volumes[:1], method="recursive", forgetting=0.9)
    (norm,) = model.norms.values()
    assert isinstance(norm, RecursiveMDN)
    assert norm.forgetting == 0.9
    assert model(volumes, metadata).shape == (24, 3)


def test_metadata_come_by_position_by_name_or_from_the_context() -> None:
    network, volumes, metadata = make()
    model = wrap(network, "head", metadata, sample=volumes[:1])
    model(volumes, metadata)
    model.eval()
    expected = model(volumes, metadata)
    assert torch.equal(model(volumes, metadata=metadata), expected)
    assert torch.equal(model(volumes, metadata, scale=1.0), expected)
    with metadata_of(metadata):
        assert torch.equal(model(volumes), expected)
        assert torch.equal(model.module(volumes), expected)
        with metadata_of(metadata[:3]):
            torch.testing.assert_close(model(volumes[:3]), expected[:3])
        assert torch.equal(model(volumes), expected)


def test_missing_and_stale_metadata_are_refused() -> None:
    network, volumes, metadata = make()
    model = wrap(network, "head", metadata, sample=volumes[:1])
    with pytest.raises(UsageError, match="needs the batch's metadata"):
        model(volumes)
    with pytest.raises(UsageError, match="layer behind 'head' has no metadata"):
        network(volumes)
    with (
        metadata_of(metadata[:10]),
        pytest.raises(UsageError, match="24 samples and metadata of 10"),
    ):
        model(volumes)
    with pytest.raises(UsageError, match="24 samples and metadata of 23"):
        model(volumes, metadata[:23])
    model(volumes, metadata)
    with pytest.raises(UsageError, match="has no metadata"):  # nothing stays in force
        network(volumes)


def test_context_of_one_thread_is_not_that_of_another() -> None:
    network, volumes, metadata = make()
    wrap(network, "head", metadata, sample=volumes[:1])
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            network(volumes)
        except UsageError as error:
            raised.append(error)

    with metadata_of(metadata):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert raised


def test_unwrapped_network_is_as_it_was() -> None:
    network, volumes, metadata = make()
    keys, expected = list(network.state_dict()), network(volumes)
    model = wrap(network, ["stem", "head"], metadata, sample=volumes[:1])
    model(volumes, metadata)
    assert list(network.state_dict()) == keys
    assert model.unwrap() is network
    assert torch.equal(network(volumes), expected)
    assert wrap(network, "stem", metadata, sample=volumes[:1])(volumes, metadata).shape == (24, 3)


def test_state_dict_makes_the_round_trip_and_moves_with_the_model() -> None:
    network, volumes, metadata = make()
    model = wrap(network, ["stem", "head"], metadata, sample=volumes[:1])
    model(volumes, metadata)
    other_network, _, _ = make()
    other = wrap(other_network, ["stem", "head"], metadata, sample=volumes[:1])
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.eval()(volumes, metadata), model.eval()(volumes, metadata))
    assert set(model.state_dict()) >= {"module.stem.weight", "norms.head/norm.running"}


def test_copy_of_a_wrapped_model_has_layers_of_its_own() -> None:
    network, volumes, metadata = make()
    model = wrap(network, "head", metadata, sample=volumes[:1])
    twin = copy.deepcopy(model)
    twin(volumes, metadata)
    assert not model.norms["head/norm"].running.any()
    assert twin.norms["head/norm"].running.any()
    twin.unwrap()(volumes)
    with pytest.raises(UsageError):
        network(volumes)


def test_exact_statistics_of_a_wrapped_network_leave_no_linear_trace() -> None:
    network, volumes, metadata = make()
    model = wrap(network, ["stem", "head"], metadata, sample=volumes[:1])
    changed = recalibrate(model, [(volumes[:10], metadata[:10]), (volumes[10:], metadata[10:])])
    assert list(changed) == ["norms.stem/norm", "norms.head/norm"]
    design = torch.cat([metadata, torch.ones(24, 1).double()], dim=1)
    left = torch.linalg.lstsq(design, model.eval()(volumes, metadata).double()).solution[1:]
    torch.testing.assert_close(left, torch.zeros_like(left), atol=1e-5, rtol=0)


def test_training_reaches_the_weights_through_the_layers() -> None:
    network, volumes, metadata = make()
    model = wrap(network, ["stem", "head"], metadata, sample=volumes[:1], estimator="batch")
    model(volumes, metadata).square().sum().backward()
    assert network.stem.weight.grad is not None
    assert network.stem.weight.grad.any()
    # The layer takes every effect of the mean away, so the bias before it has none.
    torch.testing.assert_close(network.head.bias.grad, torch.zeros(3), atol=1e-4, rtol=0)


def test_probing_changes_neither_mode_nor_random_stream() -> None:
    network, volumes, metadata = make()
    network.blocks.eval()
    state = torch.get_rng_state()
    wrap(network, "head", metadata, sample=volumes[:1])
    assert network.training
    assert not network.blocks[0].drop.training
    assert torch.equal(torch.get_rng_state(), state)


def test_compiled_model_equals_the_eager_one() -> None:
    network, volumes, metadata = make()
    model = wrap(network, ["stem", "head"], metadata, sample=volumes[:1])
    twin = copy.deepcopy(model)
    torch._dynamo.reset()
    compiled = torch.compile(twin, backend="aot_eager")
    for _ in range(2):
        torch.testing.assert_close(compiled(volumes, metadata), model(volumes, metadata))
    torch.testing.assert_close(twin.norms["head/norm"].running, model.norms["head/norm"].running)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("heads", r"no part 'heads'\.\n.*'head'"),
        (["stem", "block?.x"], "no part 'block"),
        ([], "no layers are named"),
        ("unused", "'unused' is called 0 times"),
        ("act", "'act' is called 2 times"),
    ],
)
def test_parts_that_cannot_be_normalised_are_refused(layers: object, message: str) -> None:
    network, volumes, metadata = make()
    with pytest.raises(UsageError, match=message):
        wrap(network, layers, metadata, sample=volumes[:1])  # type: ignore[arg-type]
    network(volumes)


def test_parts_without_features_by_sample_are_refused() -> None:
    _, _, metadata = make()
    network = nn.Sequential(nn.GRU(4, 3), nn.Identity())
    with pytest.raises(UsageError, match="part '0' gives tuple for 5 samples"):
        wrap(network, "0", metadata, sample=torch.randn(5, 2, 4))
    with pytest.raises(UsageError, match=r"part '0' gives \[15\] for 5 samples"):
        wrap(nn.Sequential(nn.Flatten(0)), "0", metadata, sample=torch.randn(5, 3))


def test_wrapping_twice_and_unknown_methods_are_refused() -> None:
    network, volumes, metadata = make()
    with pytest.raises(UsageError, match="unknown method 'mnd'"):
        wrap(network, "head", metadata, sample=volumes[:1], method="mnd")  # type: ignore[arg-type]
    model = wrap(network, "head", metadata, sample=volumes[:1])
    with pytest.raises(UsageError, match="wrapped already"):
        wrap(model, "module.stem", metadata, sample=volumes[:1])


def test_public_names_and_the_documentations_example_work() -> None:
    assert mlzoo_mdn.metadata_of is metadata_of
    assert mlzoo_mdn.wrap is wrap
    assert issubclass(WithMetadata, nn.Module)
    results = doctest.testmod(wrapping)
    assert results.attempted > 0
    assert not results.failed


def test_example_of_the_guide_on_a_3d_network_runs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "mdn.md").read_text(encoding="utf-8")
    section = page.partition("## Behind any network")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["scores"].shape == (5, 1)
    assert not any(isinstance(part, MetadataNorm) for part in found["network"].modules())
