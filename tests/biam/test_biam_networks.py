"""The network on grids and widths of any data, in the fast formulation and the plain one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from plain_biam import PlainBiAM, plain_ranking_loss
from torch import Tensor

from mlzoo_biam import networks
from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.losses import annotated_columns, ranking_loss
from mlzoo_biam.networks import BiAM, RegionContextBlock, SceneContextBlock

WIDTHS = (6, 20, 5)  # channels of the features, scene, word vectors
GRIDS = [(3, 3), (2, 5), (1, 1), (14, 14)]


def both(grid: tuple[int, int], **options: Any) -> tuple[BiAM, PlainBiAM]:
    """Both formulations with the same weights, in double, without dropout."""
    channels_in, scene, vectors = WIDTHS
    settings = {"channels": 8, "heads": 2, "dropout": 0, "scene_dropout": 0} | options
    torch.manual_seed(0)
    ours, plain = (
        each(BiAMConfig(**settings), channels_in, grid, scene, vectors, joint_width=7).double()
        for each in (BiAM, PlainBiAM)
    )
    plain.load_state_dict(ours.state_dict())
    return ours, plain


def batch(grid: tuple[int, int], images: int = 3, tags: int = 9) -> tuple[Tensor, ...]:
    """Regions, scene, word vectors and labels."""
    draw = torch.Generator().manual_seed(1)
    channels_in, scene, vectors = WIDTHS
    shapes = (images, channels_in, grid[0] * grid[1]), (images, scene), (tags, vectors)
    inputs = (torch.randn(*shape, generator=draw, dtype=torch.float64) for shape in shapes)
    return *inputs, torch.randint(-1, 2, (images, tags), generator=draw)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("top_k", [1, 6, 500])
@pytest.mark.parametrize("zero_score_mask", [False, True])
def test_fast_formulation_is_the_plain_one_in_double(
    grid: tuple[int, int], top_k: int, zero_score_mask: bool
) -> None:
    ours, plain = both(grid, top_k=top_k, zero_score_mask=zero_score_mask)
    regions, scene, vectors, labels = batch(grid)
    for training in (True, False):
        ours.train(training)
        plain.train(training)
        logits = ours(regions, scene, vectors)
        assert logits.shape == (3, 9)
        torch.testing.assert_close(logits, plain(regions, scene, vectors), rtol=1e-9, atol=1e-9)
    for network, loss in ((ours, ranking_loss), (plain, plain_ranking_loss)):
        network.train()
        loss(network(regions, scene, vectors), labels).backward()
    for (name, one), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-8, atol=1e-8, msg=name)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, plain.state_dict()[name], msg=name)


@pytest.mark.parametrize("cached", [1, 400, 10**9])
def test_attention_in_blocks_of_images_is_that_of_all(
    cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "CACHED", cached)
    ours, plain = both((4, 3), zero_score_mask=True)
    regions, scene, vectors, _ = batch((4, 3), images=7)
    torch.testing.assert_close(
        ours(regions, scene, vectors), plain(regions, scene, vectors), rtol=1e-9, atol=1e-9
    )


def test_dropout_of_the_region_block_leaves_the_mean_as_it_is() -> None:
    torch.manual_seed(0)
    block = RegionContextBlock(8, 2, dropout=0.25)
    torch.nn.init.zeros_(block.sub_network.conv2.weight)  # what follows is not linear
    x = torch.randn(1, 8, 3, 3)
    with torch.no_grad():
        looked = torch.stack([block(x.expand(500, -1, -1, -1)).mean(dim=0) for _ in range(20)])
        spread = looked.std(dim=0) / 20**0.5
        error = (looked.mean(dim=0) - block.eval()(x)[0]).abs()
    assert (spread > 0).all()
    assert (error < 5 * spread).all()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_mask_of_zero_scores_has_room_in_16_bits(kind: torch.dtype) -> None:
    block = RegionContextBlock(8, 2, dropout=0, zero_score_mask=True).to(kind)
    with torch.no_grad():
        weights = block.attention(torch.zeros(1, 8, 2, 2, dtype=kind))
    assert weights.dtype == kind
    assert weights.isfinite().all()


def test_dropout_of_the_scene_is_off_in_evaluation() -> None:
    torch.manual_seed(0)
    block = SceneContextBlock(4, 50, dropout=0.5).eval()
    h_r, x_g = torch.randn(2, 4, 3, 3), torch.randn(2, 50)
    assert block(h_r, x_g).equal(block(h_r, x_g))
    block.train()
    assert not block(h_r, x_g).equal(block(h_r, x_g))


def test_scores_of_an_image_do_not_depend_on_the_batch_or_the_other_tags() -> None:
    ours, _ = both((14, 14))
    regions, scene, vectors, _ = batch((14, 14))
    ours.eval()
    whole = ours(regions, scene, vectors)
    alone = ours(regions[1:2], scene[1:2], vectors[2:5])
    torch.testing.assert_close(alone, whole[1:2, 2:5], rtol=1e-12, atol=1e-12)


def test_scores_of_annotated_tags_alone_give_the_same_gradients() -> None:
    ours, _ = both((14, 14))
    regions, scene, vectors, labels = batch((14, 14))
    labels[:, ::3] = 0
    found = []
    for columns in (slice(None), annotated_columns(labels)):
        ours.zero_grad()
        ranking_loss(ours(regions, scene, vectors[columns]), labels[:, columns]).backward()
        found.append([parameter.grad.clone() for parameter in ours.parameters()])  # type: ignore[union-attr]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_no_tags_have_no_scores() -> None:
    ours, _ = both((14, 14))
    regions, scene, vectors, _ = batch((14, 14))
    assert ours(regions, scene, vectors[:0]).shape == (3, 0)


def test_attention_rows_are_shares() -> None:
    ours, _ = both((2, 5))
    weights = ours.attention(batch((2, 5))[0])
    assert weights.shape == (3, 2, 10, 10)
    torch.testing.assert_close(weights.sum(dim=3), torch.ones(3, 2, 10, dtype=torch.float64))


def test_scores_are_the_mean_of_the_chosen_regions() -> None:
    ours, _ = both((14, 14))
    regions, scene, vectors, _ = batch((14, 14))
    ours.eval()
    m = ours.region_scores(ours.enriched(regions, scene), vectors)  # [B, C, S]
    chosen = ours.topk_regions(m)
    assert chosen.shape == (3, 9, 6)
    best = m.gather(2, chosen)
    assert (best.diff(dim=2) <= 0).all()
    torch.testing.assert_close(best.mean(dim=2), ours(regions, scene, vectors))


def test_heads_must_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="3 heads must divide 8 channels"):
        RegionContextBlock(8, 3)


def test_momentum_is_the_share_of_the_batch() -> None:
    ours, _ = both((3, 3), batch_norm_momentum=0.99)
    regions, scene, vectors, _ = batch((3, 3))
    ours.conv_3X3.bn.running_mean.fill_(100)  # type: ignore[union-attr]
    ours.train()(regions, scene, vectors)
    of_batch = ours.conv_3X3.body(regions.unflatten(2, (3, 3))).relu().mean(dim=(0, 2, 3))
    torch.testing.assert_close(ours.conv_3X3.bn.running_mean, 1 + 0.99 * of_batch)


def test_number_of_parameters_is_the_published_one() -> None:
    network = BiAM(BiAMConfig(), 512, (14, 14), 4096, 300)
    counts = {
        "conv_3X3": 1_179_904 + 512,
        "region_context_block": 4 * 65_792 + 131_584 + 131_328,
        "scene_context_block": 1_048_832 + 590_080 + 512 + 65_792,
        "W": 154_112,
        "conv_1X1": 262_656,
    }
    found = {
        name: sum(parameter.numel() for parameter in module.parameters())
        for name, module in network.named_children()
    }
    assert found == counts
