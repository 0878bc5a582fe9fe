"""Both networks are the recorded ones, over five steps of training too, and do what they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from multisk_oracles import (
    VARIANTS,
    batch,
    everything_at_once,
    golden,
    group,
    multisk,
    shape_of,
    sizes_of,
)
from plain_multisk import PlainNetwork
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from mlzoo.errors import DataError, UsageError
from mlzoo_multisk.anchor_loss import AnchorLoss
from mlzoo_multisk.clips import MODALITIES, Shape
from mlzoo_multisk.config import EverythingAtOnceConfig, MultiSKConfig
from mlzoo_multisk.ema import MovingAverage
from mlzoo_multisk.losses import combinatorial_loss, norm_softmax
from mlzoo_multisk.networks import (
    Embeddings,
    EverythingAtOnceNetwork,
    MultiSKNetwork,
    TokenNetwork,
)
from mlzoo_multisk.official_names import anchor_names, is_unused, network_names
from mlzoo_multisk.weights import load_official, official_state

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
SINGLE = {"tv": 1.0, "ta": 0.1, "va": 0.1}
PAIRS = {"t_va": 0.1, "v_ta": 0.1, "a_tv": 0.1}
TINY = {
    "width": 8,
    "projection": 6,
    "heads": 2,
    "audio_widths": (3, 3, 3, 4, 4, 4, 5),
    "audio_blocks": (1, 1, 1, 1, 1, 1),
}
SHAPE = Shape(words=4, word_width=5, video_tokens=3, video_width=6, audio_frames=192)


@torch.no_grad()
def embedded(network: TokenNetwork, clips: dict[str, Tensor], *how: object) -> Embeddings:
    network.eval()
    found: Embeddings = network(clips, *(how or (3,)))
    return found


def test_evaluation_of_multisk_is_the_recorded_one() -> None:
    arrays = golden("model_full")
    expected = group(arrays, "eval.")
    found = embedded(multisk(), batch(arrays, "in."))
    for name in MODALITIES:
        embedding = getattr(found, name)
        torch.testing.assert_close(embedding, expected[f"{name}_embed"], **CLOSE)
        unit = functional.normalize(embedding, dim=1)
        torch.testing.assert_close(unit, expected[f"{name}_embed_norm"], **CLOSE)
        unit = functional.normalize(getattr(found, f"in_{name}"), dim=1)
        torch.testing.assert_close(unit, expected[f"in_{name}_embed"], **CLOSE)
        assert getattr(found, f"has_{name}").equal(expected[f"{name}_nonempty_input_mask"].bool())
    assert (found.tv, found.ta, found.va) == (None, None, None)


def test_similarities_of_multisk_to_its_anchors_are_the_recorded_ones() -> None:
    arrays = golden("model_full")
    network, anchors = World().network, World().anchors
    found = anchors.assignments_to_anchors(embedded(network, batch(arrays, "in.")).both_sides())
    for name in MODALITIES:
        expected = arrays[f"eval.in_{name}_assignment"]
        torch.testing.assert_close(found[f"in_{name}"], expected, **CLOSE)
        for other in MODALITIES:
            expected = arrays[f"eval.trans_{name}_a{other}_assignment"]
            torch.testing.assert_close(found[f"out_{name}_{other}"], expected, **CLOSE)


def test_averages_of_two_modalities_are_the_recorded_ones() -> None:
    recorded = [("model_full", "eval.", multisk()), ("model_eao", "eao.out.", everything_at_once())]
    for name, prefix, network in recorded:
        arrays = golden(name)
        inputs = batch(arrays, "in." if name == "model_full" else "eao.in.")
        found = embedded(network, inputs)
        unit = {m[0]: functional.normalize(getattr(found, m), dim=1) for m in MODALITIES}
        for pair in ("t+v", "t+a", "v+a"):
            mean = unit[pair[0]] + unit[pair[2]]
            expected = arrays[f"{prefix}{pair}_embed"]
            torch.testing.assert_close(
                functional.normalize(mean, dim=1), functional.normalize(expected, dim=1), **CLOSE
            )


@pytest.mark.parametrize("variant", VARIANTS)
def test_evaluation_of_everything_at_once_is_the_recorded_one(variant: str) -> None:
    arrays = golden("model_eao")
    expected = group(arrays, f"{variant}.out.")
    pooling = "nearest" if variant == "eao_pos" else "clip"
    found = embedded(everything_at_once(variant), batch(arrays, f"{variant}.in."), 3, pooling)
    for name in (*MODALITIES, "tv", "ta", "va"):
        torch.testing.assert_close(getattr(found, name), expected[f"{name}_embed"], **CLOSE)
    for name in MODALITIES:
        assert getattr(found, f"has_{name}").equal(expected[f"{name}_nonempty_input_mask"].bool())


def contrastive(found: Embeddings, weights: dict[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
    there = found.made()
    present = {name: there[f"has_{name}"] for name in MODALITIES if f"has_{name}" in there}
    return combinatorial_loss(there, present, weights, partial(norm_softmax, temperature=0.05))


def test_loss_of_everything_at_once_is_the_recorded_one() -> None:
    arrays = golden("model_eao")
    found = embedded(everything_at_once(), batch(arrays, "eao.in."))
    loss, _ = contrastive(found, SINGLE | PAIRS)
    torch.testing.assert_close(loss, arrays["eao.loss"], **CLOSE)


class World:
    """The recorded training: network, anchors, Adam, moving average."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self.arrays = golden("model_full")
        weights = group(self.arrays, "w.")
        self.network = multisk().to(dtype)
        count = len(weights["cluster_text.anc_dist"])
        options = sizes_of(weights) | {"anchors": count, "anchor_queue": 12}
        if "s3.info.loss_pair_3_3" in self.arrays and not self.arrays["s3.info.loss_pair_3_3"]:
            usual = list(MultiSKConfig().anchor_pair_weights)  # so the held-back recording
            options["anchor_pair_weights"] = [*usual[:8], 0.0, *usual[9:]]
        self.anchors = AnchorLoss.from_config(MultiSKConfig.model_validate(options)).to(dtype)
        load_official(weights, self.network, self.anchors)
        parameters = [*self.network.parameters(), *self.anchors.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=1e-3)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.9)
        self.average = MovingAverage(0.9, self.network, self.anchors)
        self.dtype = dtype

    def step(self, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        inputs = batch(self.arrays, f"s{number}.in.")
        found: Embeddings = self.network(
            {name: x if name == "audio_frames" else x.to(self.dtype) for name, x in inputs.items()},
            3,
        )
        loss, info = contrastive(found, SINGLE)
        anchor_loss, anchor_info = self.anchors(found.both_sides())
        self.optimizer.zero_grad()
        whole = loss + anchor_loss
        whole.backward()
        self.optimizer.step()
        self.average.update()
        if number == 2:
            self.schedule.step()
        info |= {"anc_loss": anchor_loss.detach()}
        values = zip(range(18), anchor_info.pairs.values(), strict=False)
        info |= {f"loss_pair_{i // 3 + 1}_{i % 3 + 1}": value for i, value in values}
        return whole.detach(), info

    def named(self) -> dict[str, torch.nn.Parameter]:
        """Parameters by the recording's names."""
        network, anchors = network_names(self.network), anchor_names(self.anchors)
        found = {network[name]: value for name, value in self.network.named_parameters()}
        found |= {anchors[name]: value for name, value in self.anchors.named_parameters()}
        return found | {"fusion.masking_token": self.network.masking_token}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_five_steps_of_multisk_are_the_recorded_ones(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    world = World(dtype)
    for number in range(5):
        loss, info = world.step(number)
        recorded = group(world.arrays, f"s{number}.")
        assert float(loss) == pytest.approx(float(recorded["loss"]), rel=1e-4)
        for name, value in group(recorded, "info.").items():
            if name in info:
                assert float(info[name]) == pytest.approx(float(value), rel=1e-3, abs=1e-5), name
        for name, expected in group(recorded, "grad.").items():
            found = world.named()[name].grad
            assert found is not None, name
            torch.testing.assert_close(found.to(expected), expected, rtol=1e-3, atol=2e-5)
    final = official_state(world.network, world.anchors)
    assert world.optimizer.param_groups[0]["lr"] == pytest.approx(float(world.arrays["lr_end"]))
    for name, expected in group(world.arrays, "final.").items():
        if not is_unused(name, world.network, world.anchors):
            torch.testing.assert_close(final[name].to(expected), expected, rtol=0, atol=2e-5)
    with world.average.in_their_place():
        final = official_state(world.network, world.anchors)
        for name, expected in group(world.arrays, "final_ema.").items():
            counter = name.endswith("num_batches_tracked")  # is not averaged, so not exchanged
            if not counter and not is_unused(name, world.network, world.anchors):
                torch.testing.assert_close(final[name].to(expected), expected, rtol=0, atol=2e-5)


def clips(count: int, seed: int = 0, lacking: bool = True) -> dict[str, Tensor]:
    """Made-up clips in double; some lack a modality or two."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {"text": (4, 5), "video": (3, 6), "audio": (40, 192)}
    lengths = {"text": 4, "video": 3, "audio": 192}
    found = {}
    for name, shape in shapes.items():
        found[name] = torch.randn(count, *shape, generator=draw, dtype=torch.float64)
        least = 0 if lacking else 1
        some = torch.randint(least, lengths[name] + 1, (count, 1), generator=draw)
        found[f"{name}_mask"] = (torch.arange(lengths[name]) < some).double()
    found["audio_frames"] = torch.full((count,), -1)
    return found


def tiny(kind: str, **options: object) -> TokenNetwork:
    torch.manual_seed(0)
    if kind == "multisk":
        config = MultiSKConfig.model_validate(TINY | options)
        return MultiSKNetwork(config, SHAPE).double()
    return EverythingAtOnceNetwork(
        EverythingAtOnceConfig.model_validate(TINY | options), SHAPE
    ).double()


NETWORKS: dict[str, Callable[..., TokenNetwork]] = {
    "multisk": partial(tiny, "multisk"),
    "multisk of text and video": partial(tiny, "multisk", modalities="tv"),
    "everything at once": partial(tiny, "eao"),
    "with positions": partial(tiny, "eao", position_embeddings=True),
    "with a cls token": partial(tiny, "eao", cls_token=True, shared_projection=True),
    "of text and video": partial(tiny, "eao", modalities="tv"),
    "without a block": partial(tiny, "eao", depth=0),
    "frozen": partial(tiny, "multisk", freeze_batch_norm=True, depth=2, mlp_ratio=2.0),
}
every = pytest.mark.parametrize("name", NETWORKS)


@every
@pytest.mark.parametrize("lacking", [True, False])
def test_every_parameter_gets_a_gradient_whether_or_not_clips_lack_anything(
    name: str, lacking: bool
) -> None:
    network = NETWORKS[name]()
    found = network(clips(5, lacking=lacking), 3)
    sum(
        value.sum() for value in found if value is not None and value.is_floating_point()
    ).backward()
    lost = [name for name, value in network.named_parameters() if value.grad is None]
    assert not lost
    assert bool(network.masking_token.grad.any()) == lacking


@every
@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**31), st.permutations(range(5)))
def test_clips_in_another_order_have_their_embeddings_in_that_order(
    name: str, seed: int, order: list[int]
) -> None:
    network, given_clips = NETWORKS[name](), clips(5, seed)
    one = embedded(network, given_clips)
    other = embedded(network, {key: value[order] for key, value in given_clips.items()})
    for a, b in zip(one, other, strict=True):
        if a is not None:
            torch.testing.assert_close(a[order], b, rtol=1e-9, atol=1e-9)


@every
def test_clip_without_anything_still_has_finite_embeddings(name: str) -> None:
    given_clips = clips(2)
    for mask in ("text_mask", "video_mask", "audio_mask"):
        given_clips[mask][0] = 0
    found = embedded(NETWORKS[name](), given_clips)
    assert all(value.isfinite().all() for value in found if value is not None)
    assert not found.has_text[0]


def test_what_lies_behind_the_mask_changes_nothing() -> None:
    given_clips = clips(4)
    for name in ("text", "video"):
        behind = given_clips[f"{name}_mask"][..., None] == 0
        noise = torch.randn_like(given_clips[name])
        other = given_clips | {name: torch.where(behind, noise, given_clips[name])}
        for kind in ("multisk", "with a cls token"):
            network = NETWORKS[kind]()
            pairs = zip(embedded(network, given_clips), embedded(network, other), strict=True)
            for a, b in pairs:
                if a is not None:
                    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["multisk", "everything at once"])
def test_networks_compute_what_their_formulas_say(name: str) -> None:
    network = NETWORKS[name](depth=2)
    config = MultiSKConfig if name == "multisk" else EverythingAtOnceConfig
    plain = PlainNetwork(config.model_validate(TINY | {"depth": 2}), SHAPE).double()
    plain.load_state_dict(network.state_dict())
    given_clips = clips(5)
    found, expected = network(given_clips, 3).made(), plain(given_clips)
    for run, value in expected.items():
        torch.testing.assert_close(found[run], value, rtol=1e-9, atol=1e-9)
    sum(found[run].square().sum() for run in expected).backward()
    sum(value.square().sum() for value in expected.values()).backward()
    parameters = dict(plain.named_parameters())
    for parameter_name, one in network.named_parameters():
        torch.testing.assert_close(one.grad, parameters[parameter_name].grad, rtol=1e-7, atol=1e-9)


def test_network_of_text_and_video_knows_nothing_of_audio() -> None:
    for kind in ("multisk of text and video", "of text and video"):
        network = NETWORKS[kind]()
        given_clips = {k: v for k, v in clips(2).items() if not k.startswith("audio")}
        found = embedded(network, given_clips)
        assert found.audio is None
        assert found.has_audio is None
        assert not any("audio" in name or "davenet" in name for name in network.state_dict())


@pytest.mark.parametrize("frames", [0, 1, 100, 191])
def test_frames_that_are_no_multiple_of_64_are_refused(frames: int) -> None:
    given_clips = clips(2)
    for name in ("audio", "audio_mask"):
        given_clips[name] = given_clips[name][..., :frames]
    with pytest.raises(DataError, match=f"audio has {frames} frames; expected a multiple of 64"):
        embedded(NETWORKS["multisk"](), given_clips)


@pytest.mark.parametrize("name", ["multisk", "everything at once", "with a cls token"])
def test_embeddings_in_mixed_precision_are_close(name: str) -> None:
    network = NETWORKS[name]().float()
    given_clips = {k: v if k == "audio_frames" else v.float() for k, v in clips(5).items()}
    one = embedded(network, given_clips)
    with torch.autocast("cpu", torch.bfloat16):
        other = embedded(network, given_clips)
        network.train()
        trained = network(given_clips, 3)
    sum(x.float().sum() for x in trained.made().values() if x.is_floating_point()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    for found, expected in zip(other, one, strict=True):
        if found is not None and found.is_floating_point():
            torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.05)


def test_more_tokens_than_positions_are_refused() -> None:
    given_clips = clips(2)
    given_clips["video"] = given_clips["video"].repeat(1, 2, 1)
    given_clips["video_mask"] = given_clips["video_mask"].repeat(1, 2)
    with pytest.raises(UsageError, match="6 tokens of video, but positions for 3"):
        embedded(NETWORKS["with positions"](), given_clips)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"cls_token": True}, "needs shared_projection"),
        ({"audio_blocks": (1, 1), "audio_widths": (4, 4, 4)}, "must be 6"),
    ],
)
def test_options_that_make_no_network_are_refused(options: dict[str, object], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        EverythingAtOnceConfig.model_validate(options)


def test_published_networks_have_as_many_parameters_as_published() -> None:
    with torch.device("meta"):
        network = MultiSKNetwork(MultiSKConfig(), Shape(20, 300, 12, 4096, 768))
    anchors = AnchorLoss.from_config(MultiSKConfig(anchor_queue=0))
    state = official_state(network, anchors)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    once = {k: v for k, v in state.items() if not k.startswith("fusion.")}
    count = sum(v.numel() for k, v in once.items() if not k.endswith(buffers))
    assert count / 1e6 == pytest.approx(892.8, abs=0.05)
    used = sum(p.numel() for module in (network, anchors) for p in module.parameters())
    assert count - used < 1e5, "what is never used is small"


def test_shape_of_recorded_clips_is_that_of_the_network() -> None:
    assert shape_of(group(golden("model_full"), "in.")).audio_tokens == 3
