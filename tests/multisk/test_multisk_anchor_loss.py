"""The anchor loss over several steps against recorded ones, and its parts in plain formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from plain_sinkhorn import plain_targets
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_multisk.anchor_loss import AnchorLoss, unit_rows
from mlzoo_multisk.config import PAIR_WEIGHTS, MultiSKConfig
from mlzoo_multisk.losses import anchor_cost

GOLDEN = Path(__file__).parents[1] / "golden" / "multisk"
MODALITIES = ("text", "video", "audio")
NAMES = tuple(f"{kind}_{m}" for kind in ("in", "out") for m in MODALITIES)
OPTIONS = {
    "default": {},
    "zeros": {"share": 0.25, "epsilon": 0.05, "iterations": 10, "weight": 0.5},
}


def recorded(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"anchor_loss_{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def replayed(arrays: dict[str, Tensor], **options: object) -> AnchorLoss:
    """The recorded anchors, pair weights and beginning of the queues."""
    anchors, width_in, width_out, queue, _ = arrays["dims"].tolist()
    weights = [float(arrays[f"fp.c_loss_{i}_{j}"]) for i in range(1, 7) for j in range(1, 4)]
    loss = AnchorLoss(
        anchors=anchors,
        width_in=width_in,
        width_out=width_out,
        queue=queue,
        weights=weights,
        **options,  # type: ignore[arg-type]
    )
    with torch.no_grad():
        for m in MODALITIES:
            loss.anchors[f"in_{m}"].copy_(arrays[f"w.cluster_{m}.anc_linear.weight"])
            loss.anchors[f"out_{m}"].copy_(arrays[f"w.trans_cluster_{m}.anc_linear.weight"])
        for name in NAMES:
            loss.queues.rows[name].copy_(arrays[f"queue0.{name}"])
    return loss


def close(found: Tensor, expected: Tensor, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol, check_dtype=False)


@pytest.mark.parametrize("arithmetic", ["auto", "linear", "log", "clamped"])
@pytest.mark.parametrize("name", OPTIONS)
def test_recorded_steps(name: str, arithmetic: str) -> None:
    arrays = recorded(name)
    loss = replayed(arrays, **OPTIONS[name], plan=arithmetic)
    for step in range(5):
        loss.zero_grad()
        raw = {each: arrays[f"s{step}.raw.{each}"].clone().requires_grad_() for each in NAMES}
        value, info = loss(raw)
        close(value.detach(), arrays[f"s{step}.loss"])
        assert info.npairs == arrays[f"s{step}.npairs"]
        for queue in ("in_text", "out_audio"):
            close(loss.queues.in_order(queue), arrays[f"s{step}.queue_{queue}"])
        if not info.npairs:
            assert info.filling
            assert not value.requires_grad
            continue
        assert not info.filling
        value.backward()
        for number, pair in enumerate(info.pairs.values()):
            close(pair, arrays[f"s{step}.loss_pair_{number // 3 + 1}_{number % 3 + 1}"])
        for each in NAMES:
            close(raw[each].grad, arrays[f"s{step}.grad.{each}"])
            kind, m = each.split("_")
            cluster = {"in": "cluster", "out": "trans_cluster"}[kind]
            close(loss.anchors[each].grad, arrays[f"s{step}.grad.{cluster}_{m}"])


def small(queue: int = 8, **options: object) -> AnchorLoss:
    torch.manual_seed(0)
    return AnchorLoss(anchors=6, width_in=4, width_out=5, queue=queue, **options)  # type: ignore[arg-type]


def batch(rows: int = 3, seed: int = 1) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    widths = {name: 4 if name.startswith("in") else 5 for name in NAMES}
    return {
        name: torch.randn(rows, width, generator=draw).requires_grad_()
        for name, width in widths.items()
    }


def plain_loss(loss: AnchorLoss, embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every pair by itself, over the queue as it is and the batch; not weighted."""
    rows = len(embeddings["in_text"])

    def similarity(name: str, anchors: str) -> Tensor:
        both = torch.cat([loss.queues.rows[name], unit_rows(embeddings[name])])
        return both @ unit_rows(loss.anchors[anchors]).T  # [N + B, K]

    def cost(assigned: Tensor, planned: Tensor) -> Tensor:
        share = loss.assignments / planned.shape[1]
        q = plain_targets(planned.detach(), loss.epsilon, loss.iterations, share)[-rows:]
        return anchor_cost(assigned[-rows:], q, loss.temperature)

    costs = {}
    for m in loss.modalities:
        for n in loss.modalities:
            costs[f"in_{m}_{n}"] = cost(
                similarity(f"in_{m}", f"in_{m}"), similarity(f"out_{n}", f"out_{m}")
            )
            costs[f"out_{m}_{n}"] = cost(
                similarity(f"out_{m}", f"out_{n}"), similarity(f"in_{n}", f"in_{n}")
            )
    return costs


@pytest.mark.parametrize("queue", [0, 8])
def test_twelve_plans_serve_eighteen_pairs(queue: int) -> None:
    weights = [0.1 * (number + 1) for number in range(18)]
    loss = small(queue, weights=weights, weight=0.7)
    for seed in range(2, 5):
        if not loss.queues.full:
            loss(batch(seed=seed))
    embeddings = batch()
    costs = plain_loss(loss, embeddings)
    value, info = loss(embeddings)
    assert info.npairs == 18
    assert list(info.pairs)[:4] == [
        "in_text_text",
        "in_text_video",
        "in_text_audio",
        "in_video_text",
    ]
    for weight, (name, pair) in zip(weights, info.pairs.items(), strict=True):
        close(pair, weight * costs[name].detach())
    total = 0.7 * sum(w * costs[name] for w, name in zip(weights, info.pairs, strict=True))
    close(value, total)
    value.backward(retain_graph=True)
    found = [each.grad.clone() for each in (*embeddings.values(), *loss.parameters())]
    for each in (*embeddings.values(), *loss.parameters()):
        each.grad = None
    total.backward()
    for one, other in zip(found, (*embeddings.values(), *loss.parameters()), strict=True):
        close(one, other.grad, rtol=1e-4)


def test_anchors_get_no_gradient_before_the_queues_are_full() -> None:
    loss = small(queue=8)
    optimizer = torch.optim.Adam(loss.parameters())
    states = []
    for seed in range(4):
        embeddings = batch(seed=seed)
        value, info = loss(embeddings)
        (value + sum(each.sum() for each in embeddings.values())).backward()
        optimizer.step()
        states.append((info.filling, len(optimizer.state)))
        optimizer.zero_grad()
    assert states == [
        ("filling 0 of 8", 0),
        ("filling 3 of 8", 0),
        ("filling 6 of 8", 0),
        ("", 6),
    ]


def test_no_queue_means_plans_over_the_batch_alone() -> None:
    loss = small(queue=0)
    value, info = loss(batch())
    assert info.npairs == 18
    assert value > 0


def test_plans_that_no_weight_asks_for_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    targets = AnchorLoss.targets

    def counted(self: AnchorLoss, scores: Tensor, rows: int | None = None) -> Tensor:
        made.append(len(scores))
        return targets(self, scores, rows)

    monkeypatch.setattr(AnchorLoss, "targets", counted)
    small(queue=0)(batch())
    assert sum(made) == 12
    made.clear()
    weights = [1.0, 0, 0] + [0.0] * 6 + [0, 0, 1.0] + [0.0] * 6
    loss = small(queue=0, weights=weights)
    costs = plain_loss(loss, batch())
    value, info = loss(batch())
    assert sum(made) == 2
    close(value, costs["in_text_text"] + costs["out_text_audio"])
    assert info.npairs == 18
    made.clear()
    assert small(queue=0, weights=[0.0] * 18)(batch())[0] == 0
    assert not made


def test_plans_side_by_side_are_those_one_by_one() -> None:
    loss, scores = small(), torch.rand(5, 11, 6) * 2 - 1
    alone = torch.stack([loss.targets(each, rows=4) for each in scores])
    close(loss.targets(scores, rows=4), alone, atol=1e-6)


def test_a_small_epsilon_stays_finite() -> None:
    loss = small(queue=0, epsilon=1e-3)
    embeddings = batch()
    value, _ = loss(embeddings)
    value.backward()
    assert value.isfinite()
    assert all(each.grad.isfinite().all() for each in embeddings.values())


def test_embeddings_of_zero_and_equal_rows_give_no_nan() -> None:
    loss = small(queue=0)
    with torch.no_grad():
        loss.anchors["in_text"].copy_(loss.anchors["in_text"][0].expand(6, 4))  # constant rows
    embeddings = batch()
    with torch.no_grad():
        embeddings["out_audio"].zero_()
    value, _ = loss(embeddings)
    value.backward()
    assert value.isfinite()
    for each in (*embeddings.values(), *loss.parameters()):
        assert each.grad.isfinite().all()


def test_two_modalities_have_eight_pairs_of_the_same_values() -> None:
    both, all_three = small(queue=0, modalities=("text", "video")), small(queue=0)
    for name in both.anchors:
        with torch.no_grad():
            both.anchors[name].copy_(all_three.anchors[name])
    (_, found), (_, expected) = both(batch()), all_three(batch())
    assert found.npairs == 8
    assert set(both.queues.rows) == {"in_text", "in_video", "out_text", "out_video"}
    for name, pair in found.pairs.items():
        close(pair, expected.pairs[name])


def test_mixed_precision_does_not_reach_plans_and_costs() -> None:
    loss = small(queue=0)
    expected, _ = loss(batch())
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = loss(batch())
    assert found.equal(expected)
    assert loss({name: each.bfloat16() for name, each in batch().items()})[0].dtype == torch.float32


def test_doubles_are_computed_in_double() -> None:
    loss = small(queue=0).double()
    value, _ = loss(batch())
    assert value.dtype == torch.float64
    assert loss.queues.rows["in_text"].dtype == torch.float64


def test_resumed_queues_go_on_bit_equal_in_the_middle_of_filling() -> None:
    straight, stopped = small(queue=7), small(queue=7)
    for loss in (straight, stopped):
        loss(batch(seed=2))
    resumed = small(queue=7)
    resumed.load_state_dict(stopped.state_dict())
    resumed.queues.load_state_dict(stopped.queues.state_dict())
    for seed in range(3, 7):
        (one, first), (other, second) = straight(batch(seed=seed)), resumed(batch(seed=seed))
        assert one.equal(other)
        assert first.filling == second.filling
    assert first.npairs == 18


def test_state_dict_holds_the_anchors_alone() -> None:
    assert set(small().state_dict()) == {f"anchors.{name}" for name in NAMES}


def test_assignments_leave_the_queues_alone() -> None:
    loss, embeddings = small(), batch()
    found = loss.assignments_to_anchors(embeddings)
    assert loss.queues.count == 0
    assert len(found) == 12
    out = unit_rows(embeddings["out_text"]) @ unit_rows(loss.anchors["out_audio"]).T
    close(found["out_text_audio"], out)
    inside = unit_rows(embeddings["in_video"]) @ unit_rows(loss.anchors["in_video"]).T
    close(found["in_video"], inside)


def test_options_of_a_run_reach_the_loss() -> None:
    config = MultiSKConfig(
        width=8,
        heads=2,
        projection=10,
        anchors=6,
        anchor_queue=9,
        anchor_share=0.34,
        modalities="tv",
    )
    loss = AnchorLoss.from_config(config)
    assert loss.assignments == 2
    assert loss.queues.length == 9
    assert loss.anchors["out_video"].shape == (6, 10)
    assert set(loss.anchors) == {"in_text", "in_video", "out_text", "out_video"}
    assert config.anchor_pair_weights == PAIR_WEIGHTS


def test_bad_options_are_refused() -> None:
    with pytest.raises(UsageError, match="18 weights"):
        small(weights=[1.0])
    with pytest.raises(UsageError, match="0 of 6"):
        small(share=0.1)


def test_anchors_are_drawn_from_a_standard_normal_distribution() -> None:
    torch.manual_seed(0)
    values = torch.cat([each.detach().flatten() for each in AnchorLoss(queue=0).parameters()])
    assert abs(float(values.mean())) < 0.01
    assert abs(float(values.std()) - 1) < 0.01
