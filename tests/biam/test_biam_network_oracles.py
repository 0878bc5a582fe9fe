"""Blocks and network against recorded arrays, in the fast and in the plain formulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_biam import (
    PlainBiAM,
    PlainRegionContextBlock,
    PlainSceneContextBlock,
    plain_ranking_loss,
)
from torch import Tensor, nn

from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.losses import ranking_loss
from mlzoo_biam.networks import BiAM, RegionContextBlock, SceneContextBlock

GOLDEN = Path(__file__).parents[1] / "golden" / "biam"
FORMULATIONS = ("fast", "plain")
REGION_BLOCKS = {"fast": RegionContextBlock, "plain": PlainRegionContextBlock}
SCENE_BLOCKS = {"fast": SceneContextBlock, "plain": PlainSceneContextBlock}
NETWORKS = {"fast": BiAM, "plain": PlainBiAM}
LOSSES = {"fast": ranking_loss, "plain": plain_ranking_loss}
NOISE = "w_k.bias"
"""Its true gradient is 0: softmax does not see a shift of all scores of a query."""

formulations = pytest.mark.parametrize("formulation", FORMULATIONS)


def golden(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        kept = [key for key in file.files if file[key].dtype.kind in "fiub"]
        return {key: torch.from_numpy(np.asarray(file[key])) for key in kept}


def group(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: v for key, v in arrays.items() if key.startswith(prefix)}


def assert_output(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    scale = float(expected.abs().max())
    torch.testing.assert_close(found.detach(), expected, rtol=0, atol=tolerance * scale)


def assert_gradient(found: Tensor | None, expected: Tensor, tolerance: float = 1e-4) -> None:
    assert found is not None
    assert float((found - expected).norm()) <= tolerance * float(expected.norm())


class World:
    """The recorded network with its inputs."""

    def __init__(self, formulation: str, **options: Any) -> None:
        self.arrays = golden("biam_eval_A")
        config = BiAMConfig(
            channels=int(self.arrays["channel_dim"]),
            heads=int(self.arrays["heads"]),
            batch_norm_momentum=0.99,
            dropout=0,
            scene_dropout=0,
            **options,
        )
        self.vectors, self.labels = self.arrays["vecs"], self.arrays["labels"]
        self.network: Any = NETWORKS[formulation](
            config, 512, (14, 14), 4096, self.vectors.shape[1]
        )
        self.network.load_state_dict(golden("biam_weights_A"), strict=True)
        self.regions = self.arrays["features_u8"].float() * self.arrays["feature_scale"]
        self.scene = self.arrays["x_g"]
        self.loss = LOSSES[formulation]

    def logits(self) -> Tensor:
        logits: Tensor = self.network(self.regions, self.scene, self.vectors)
        return logits

    def maps(self) -> dict[str, Tensor]:
        h_r = self.network.low_level(self.regions)
        e_r = self.network.region_context_block(h_r)
        return {
            "h_r": h_r,
            "e_r": e_r,
            "e_g": self.network.scene_context_block(h_r, self.scene),
        }


@formulations
def test_names_and_shapes_of_the_state_are_the_published_ones(formulation: str) -> None:
    weights = golden("biam_weights_A")
    state = World(formulation).network.state_dict()
    assert {name: t.shape for name, t in state.items()} == {n: t.shape for n, t in weights.items()}


@formulations
@pytest.mark.parametrize("zero_score_mask", [False, True])
@torch.no_grad()
def test_evaluation_is_the_recorded_one(formulation: str, zero_score_mask: bool) -> None:
    world = World(formulation, zero_score_mask=zero_score_mask)
    network = world.network.eval()
    for name, found in world.maps().items():
        assert_output(found, world.arrays[name])
    e_f = network.enriched(world.regions, world.scene)
    assert_output(e_f[:, ::28], world.arrays["e_f_every28"])
    m = network.region_scores(e_f, world.vectors)
    assert_output(m.transpose(1, 2), world.arrays["m"])
    assert network.topk_regions(m).transpose(1, 2).equal(world.arrays["topk_regions"].long())
    assert_output(world.logits(), world.arrays["logits"])
    assert_output(world.loss(world.logits(), world.labels), world.arrays["loss"])


@formulations
def test_training_mode_and_its_gradients_are_the_recorded_ones(formulation: str) -> None:
    world, recorded = World(formulation), golden("biam_train_A")
    network = world.network.train()
    logits = world.logits()
    assert_output(logits, recorded["logits"])
    loss = world.loss(logits, world.labels)
    assert_output(loss, recorded["loss"])
    loss.backward()
    parameters = dict(network.named_parameters())
    for name, expected in group(recorded, "grad:").items():
        name, _, cut = name.partition("[:,:")
        if not name.endswith(NOISE):
            found = parameters[name].grad
            assert found is not None
            assert_gradient(found[:, : int(cut[:-1])] if cut else found, expected)
    for name, expected in group(recorded, "after:").items():
        assert_output(network.state_dict()[name], expected)
    with np.load(GOLDEN / "biam_train_A.npz", allow_pickle=False) as file:
        norms = dict(zip(file["grad_norm_names"], file["grad_norms"], strict=True))
    assert set(norms) == set(parameters)
    for name, expected in norms.items():
        if not name.endswith(NOISE):
            assert float(parameters[name].grad.norm()) == pytest.approx(float(expected), rel=1e-4)


@formulations
def test_blocks_in_training_mode_are_the_recorded_ones(formulation: str) -> None:
    world, recorded = World(formulation), golden("biam_train_A")
    world.network.train()
    for name, found in world.maps().items():
        assert_output(found, recorded[name])


@formulations
@pytest.mark.parametrize("fused", [False, True])
def test_four_steps_of_adam_are_the_recorded_ones(formulation: str, fused: bool) -> None:
    world, recorded = World(formulation), golden("biam_steps_A")
    network = world.network.train()
    optimizer = torch.optim.Adam(
        network.parameters(),
        lr=float(recorded["lr"]),
        betas=tuple(recorded["betas"].tolist()),
        eps=1e-8,
        weight_decay=float(recorded["weight_decay"]),
        fused=fused,
    )
    for i in range(4):
        logits = world.logits()
        assert_output(logits, recorded["logits"][i], 1e-4)
        loss = world.loss(logits, world.labels)
        assert float(loss.detach()) == pytest.approx(float(recorded["losses"][i]), rel=1e-4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for name, expected in group(recorded, "final:").items():
        if not name.endswith(NOISE):
            found = network.state_dict()[name]
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    network.eval()
    with torch.no_grad():
        assert_output(world.logits(), recorded["logits_eval_after"], 1e-4)


@formulations
@pytest.mark.parametrize(
    ("record", "zero_score_mask"),
    [("rcb_plain", False), ("rcb_plain", True), ("rcb_zero_scores", True)],
)
@pytest.mark.parametrize("training", [False, True])
def test_region_block_is_the_recorded_one(
    formulation: str, record: str, zero_score_mask: bool, training: bool
) -> None:
    arrays = golden(record)
    x = arrays["x"].requires_grad_()
    block: Any = REGION_BLOCKS[formulation](
        x.shape[1], int(arrays["heads"]), dropout=0, zero_score_mask=zero_score_mask
    )
    block.load_state_dict(group(arrays, "w:"), strict=True)
    block.train(training)
    assert_output(block.attention(x), arrays["attention"])
    y = block(x)
    assert_output(y, arrays["y"])
    (y * arrays["cotangent"]).sum().backward()
    assert_gradient(x.grad, arrays["grad_x"])
    for name, expected in group(arrays, "grad:").items():
        if name != NOISE:
            assert_gradient(block.get_parameter(name).grad, expected)


@formulations
def test_scores_of_exactly_zero_matter_only_where_they_are_masked(formulation: str) -> None:
    arrays = golden("rcb_zero_scores")
    block: Any = REGION_BLOCKS[formulation](arrays["x"].shape[1], int(arrays["heads"]), dropout=0)
    block.load_state_dict(group(arrays, "w:"), strict=True)
    assert (block(arrays["x"]) - arrays["y"]).abs().max() > 1e-3


@formulations
def test_scene_block_is_the_recorded_one(formulation: str) -> None:
    arrays = golden("scb")
    h_r = arrays["h_r"].requires_grad_()
    block: Any = SCENE_BLOCKS[formulation](h_r.shape[1], 4096, dropout=0, momentum=0.99)
    block.load_state_dict(group(arrays, "w:"), strict=True)
    with torch.no_grad():
        assert_output(block.eval()(h_r, arrays["x_g"]), arrays["y_eval"])
    y = block.train()(h_r, arrays["x_g"])
    assert_output(y, arrays["y_train"])
    (y * arrays["cotangent"]).sum().backward()
    assert_gradient(h_r.grad, arrays["grad_h_r"])
    for name, expected in group(arrays, "grad:").items():
        assert_gradient(block.get_parameter(name).grad, expected)
    for name, expected in group(arrays, "after:").items():
        assert_output(block.state_dict()[name], expected)


@formulations
def test_scores_of_tags_are_the_recorded_ones(formulation: str) -> None:
    arrays = golden("predict")
    e_f = arrays["e_f"].requires_grad_()  # [B, S, J]
    config = BiAMConfig(channels=4, heads=2)
    grid = (4, e_f.shape[1] // 4)
    network: Any = NETWORKS[formulation](
        config, 8, grid, 16, arrays["vecs"].shape[1], joint_width=e_f.shape[2]
    )
    nn.init.zeros_(network.W.bias)
    network.W.load_state_dict({"weight": arrays["W_weight"], "bias": arrays["W_bias"]})
    logits = network.logits(e_f, arrays["vecs"])
    assert_output(logits, arrays["logits"])
    (logits * arrays["cotangent"]).sum().backward()
    assert_gradient(e_f.grad, arrays["grad_e_f"])
    assert_gradient(network.W.weight.grad, arrays["grad_W_weight"])
    assert_gradient(network.W.bias.grad, arrays["grad_W_bias"])
