"""Contrastive losses and the anchor cost against recorded values and plain formulas."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mlzoo.errors import UsageError
from mlzoo_multisk.losses import (
    PAIRS,
    anchor_cost,
    combinatorial_loss,
    cosine_similarity,
    mms,
    norm_softmax,
)
from mlzoo_multisk.sinkhorn import min_max

GOLDEN = Path(__file__).parents[1] / "golden" / "multisk"
WEIGHTS = {"tv": 1.0, "ta": 0.1, "va": 0.1, "t_va": 0.1, "v_ta": 0.1, "a_tv": 0.1}


def recorded(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


SMALL = recorded("small_losses")
COMBINATORIAL = recorded("combinatorial_loss")


def close(found: Tensor, expected: Tensor, rtol: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=rtol, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("size", [1, 2, 10, 33])
@pytest.mark.parametrize(("name", "loss"), [("ns", norm_softmax), ("mms", mms)])
def test_recorded_contrastive_losses_and_gradients(name, loss, size):
    x = SMALL[f"ns{size}_x"].clone().requires_grad_()
    value = loss(x)
    value.backward()
    close(value.detach(), SMALL[f"{name}{size}_loss"])
    close(x.grad, SMALL[f"{name}{size}_grad"])


def test_recorded_losses_with_other_options():
    x = SMALL["ns_t01_x"]
    close(norm_softmax(x, 0.1), SMALL["ns_t01_loss"])
    close(mms(x, 0.1), SMALL["mms_m01_loss"])


def test_recorded_cosines_and_anchor_cost_and_rows_from_0_to_1():
    close(cosine_similarity(SMALL["sim_a"], SMALL["sim_b"]), SMALL["sim_matrix"])
    s = SMALL["cost_sim"].clone().requires_grad_()
    cost = anchor_cost(s, SMALL["cost_target"])
    cost.backward()
    close(cost.detach(), SMALL["cost"])
    close(s.grad, SMALL["cost_grad"])
    close(min_max(SMALL["nm_in"], constant="nan"), SMALL["nm_out"])


def test_short_rows_have_finite_cosines():
    a = torch.zeros(2, 3)
    a[1, 0] = 1e-9
    assert cosine_similarity(a, torch.eye(3))[:, 0].tolist() == pytest.approx([0, 0.1])


RUNS = {
    "full": {},
    "full_mms": {"contrast": mms},
    "alpha": {"alpha": 0.3},
    "equal": {"weights": dict.fromkeys(WEIGHTS, 1.0)},
    "threeonly": {},
    "tvonly": {},
}


@pytest.mark.parametrize("run", RUNS)
def test_recorded_combinatorial_loss(run):
    names = [key.split(".")[2] for key in COMBINATORIAL if key.startswith(f"{run}.grad.")]
    embeddings = {
        name.removesuffix("_embed"): COMBINATORIAL[f"in.{name}"].clone().requires_grad_()
        for name in names
    }
    present = {m: COMBINATORIAL[f"in.{m}_nonempty_input_mask"] for m in ("text", "video", "audio")}
    options = {"weights": WEIGHTS, "contrast": norm_softmax, **RUNS[run]}
    loss, info = combinatorial_loss(embeddings, present, **options)
    loss.backward()
    close(loss.detach(), COMBINATORIAL[f"{run}.loss"])
    recorded_info = {
        key.split(".")[2]: float(value)
        for key, value in COMBINATORIAL.items()
        if key.startswith(f"{run}.info.")
    }
    assert {name: float(value) for name, value in info.items()} == pytest.approx(
        recorded_info, rel=1e-5
    )
    for name in names:
        close(embeddings[name.removesuffix("_embed")].grad, COMBINATORIAL[f"{run}.grad.{name}"])


@pytest.mark.parametrize("loss", [norm_softmax, mms])
@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_clips_that_do_not_count_are_as_if_cut_out(loss, count):
    torch.manual_seed(count)
    x = torch.randn(9, 9, dtype=torch.float64, requires_grad=True)
    rows = torch.zeros(9, dtype=torch.bool)
    rows[torch.randperm(9)[:count]] = True
    (found,) = torch.autograd.grad(masked := loss(x, rows=rows), x)
    cut = loss(x[rows][:, rows]) if count else 0 * x.sum()
    (expected,) = torch.autograd.grad(cut, x)
    torch.testing.assert_close(masked, cut, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def world(n=7, width=5, names=("text", "video", "audio")):
    torch.manual_seed(0)
    embeddings = {name: torch.randn(n, width, requires_grad=True) for name in names}
    return embeddings, {m: torch.ones(n, dtype=torch.bool) for m in ("text", "video", "audio")}


def test_pair_without_any_clip_leaves_both_sums():
    embeddings, present = world()
    present["audio"][:] = False
    weights = {"tv": 1.0, "ta": 0.1, "va": 0.1}
    loss, info = combinatorial_loss(embeddings, present, weights, norm_softmax)
    alone, _ = combinatorial_loss(embeddings, present, {"tv": 1.0}, norm_softmax)
    torch.testing.assert_close(loss, alone)
    assert info["ta"] == info["va"] == 0
    loss.backward()
    assert embeddings["audio"].grad.equal(torch.zeros(7, 5))


def test_batch_without_any_pair_costs_nothing_and_has_gradients_of_zero():
    embeddings, present = world()
    for rows in present.values():
        rows[:] = False
    loss, info = combinatorial_loss(embeddings, present, WEIGHTS, norm_softmax)
    loss.backward()
    assert loss == 0
    assert info["Retrieval"] == 0
    assert all(each.grad.equal(torch.zeros(7, 5)) for each in embeddings.values())


def test_empty_modalities_with_embeddings_of_zero_have_finite_gradients():
    embeddings, present = world()
    with torch.no_grad():
        embeddings["audio"][3] = 0
    present["audio"][3] = False
    loss, _ = combinatorial_loss(embeddings, present, WEIGHTS, norm_softmax)
    loss.backward()
    assert embeddings["audio"].grad[3].equal(torch.zeros(5))
    assert all(each.grad.isfinite().all() for each in embeddings.values())


def test_modalities_that_no_mask_speaks_of_are_there():
    embeddings, present = world()
    loss, _ = combinatorial_loss(embeddings, present, WEIGHTS, norm_softmax)
    without, _ = combinatorial_loss(embeddings, {}, WEIGHTS, norm_softmax)
    torch.testing.assert_close(loss, without)


def test_pairs_of_weight_0_are_not_computed():
    embeddings, present = world()
    _, info = combinatorial_loss(embeddings, present, {"tv": 1.0, "ta": 0.0}, norm_softmax)
    assert set(info) == {"tv", "Retrieval"}


def test_all_pairs_are_of_known_embeddings():
    names = ("text", "video", "audio", "tv", "ta", "va")
    embeddings, present = world(names=names)
    _, info = combinatorial_loss(embeddings, present, WEIGHTS, norm_softmax)
    assert set(info) == {*PAIRS, "Retrieval"}


def test_unknown_pairs_and_no_pairs_are_refused():
    embeddings, present = world()
    with pytest.raises(UsageError, match="'vt'.*tv, ta, va"):
        combinatorial_loss(embeddings, present, {"vt": 1.0}, norm_softmax)
    with pytest.raises(UsageError, match="no pair"):
        combinatorial_loss(embeddings, present, {"t_va": 1.0}, norm_softmax)


def test_mixed_precision_does_not_reach_the_loss():
    embeddings, present = world()
    contrast = partial(norm_softmax, temperature=0.07)
    expected, _ = combinatorial_loss(embeddings, present, WEIGHTS, contrast)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = combinatorial_loss(embeddings, present, WEIGHTS, contrast)
    assert found.equal(expected)
    halves = {name: each.bfloat16() for name, each in embeddings.items()}
    assert combinatorial_loss(halves, present, WEIGHTS, contrast)[0].dtype == torch.float32


def test_anchor_cost_is_cross_entropy_with_exponentials_as_logits():
    torch.manual_seed(0)
    s, q = torch.rand(4, 6, dtype=torch.float64), torch.rand(4, 6, dtype=torch.float64)
    p = torch.sigmoid(torch.exp(s / 0.5))
    expected = -(q * p.log() + (1 - q) * (1 - p).log()).mean()
    torch.testing.assert_close(anchor_cost(s, q, 0.5), expected)
    extreme = torch.ones(2, 2, requires_grad=True)
    anchor_cost(extreme, torch.zeros(2, 2)).backward()
    assert extreme.grad.isfinite().all()
    assert functional.softplus(torch.tensor(1e4)) == 1e4  # what makes it so
