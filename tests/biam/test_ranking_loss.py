"""The ranking loss against recorded values, all pairs, and finite differences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from plain_biam import plain_image_losses, plain_ranking_loss
from torch import Tensor

from mlzoo_biam.losses import annotated_columns, image_losses, ranking_loss, violations

GOLDEN = Path(__file__).parents[1] / "golden" / "biam"
LOSSES = {"fast": ranking_loss, "plain": plain_ranking_loss}


def cases() -> Iterator[str]:
    with np.load(GOLDEN / "ranking_loss.npz", allow_pickle=False) as file:
        yield from map(str, file["case_names"])


def case(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / "ranking_loss.npz", allow_pickle=False) as file:
        keys = [key for key in file.files if key.startswith(f"{name}/")]
        return {key.split("/")[1]: torch.from_numpy(np.asarray(file[key])) for key in keys}


def random(
    images: int, tags: int, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Scores, and labels of all three kinds."""
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randn(images, tags, dtype=dtype, generator=draw)
    return scores, torch.randint(-1, 2, (images, tags), generator=draw).to(torch.int8)


def gradient(loss: Tensor, scores: Tensor) -> Tensor:
    return torch.autograd.grad(loss, scores)[0]


@pytest.mark.parametrize("formulation", LOSSES)
@pytest.mark.parametrize("name", list(cases()))
def test_recorded_losses_gradients_and_violations(name: str, formulation: str) -> None:
    recorded = case(name)
    scores, labels = recorded["scores"].requires_grad_(), recorded["labels"]
    loss = LOSSES[formulation](scores, labels)
    torch.testing.assert_close(loss.detach(), recorded["loss"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient(loss, scores), recorded["grad"], rtol=1e-5, atol=1e-7)
    assert violations(scores, labels).equal(recorded["violations"])


@pytest.mark.parametrize("normalise", ["violations", "pairs"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 2), (5, 3), (4, 30), (3, 200)])
def test_no_pair_is_formed_but_all_pairs_say_the_same(
    shape: tuple[int, int], dtype: torch.dtype, normalise: str
) -> None:
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    for seed in range(5):
        scores, labels = random(*shape, seed, dtype)
        scores.requires_grad_()
        weights = torch.arange(1, shape[0] + 1, dtype=dtype)
        ours = image_losses(scores, labels, normalise)  # type: ignore[arg-type]
        plain, counted = plain_image_losses(scores, labels, normalise)
        torch.testing.assert_close(ours, plain, rtol=tolerance, atol=tolerance)
        assert violations(scores, labels).equal(counted.long())
        torch.testing.assert_close(
            gradient((ours * weights).sum(), scores),
            gradient((plain * weights).sum(), scores),
            rtol=tolerance,
            atol=tolerance,
        )


@pytest.mark.parametrize("seed", range(3))
def test_equal_and_integer_scores_make_ties_that_all_pairs_agree_on(seed: int) -> None:
    scores, labels = random(6, 40, seed, torch.float32)
    scores = scores.round().requires_grad_()  # a third of the pairs are at exactly 0
    ours, (plain, counted) = image_losses(scores, labels), plain_image_losses(scores, labels)
    torch.testing.assert_close(ours, plain, rtol=1e-6, atol=1e-6)
    assert violations(scores, labels).equal(counted.long())
    torch.testing.assert_close(
        gradient(ours.sum(), scores), gradient(plain.sum(), scores), rtol=1e-5, atol=1e-7
    )


def test_violations_are_those_of_rounded_numbers() -> None:
    # 1 + 1e-9 rounds to 1 in 32 bits, so this pair is at exactly 0; in 64 bits it costs something.
    labels = torch.tensor([[1, -1]])
    scores = torch.tensor([[1.0, 1e-9]])
    assert violations(scores, labels).tolist() == [0]
    assert violations(scores.double(), labels).tolist() == [1]
    assert ranking_loss(scores, labels) == 0


def test_pair_at_zero_beside_no_violation_has_the_gradient_of_the_formula() -> None:
    labels, scores = torch.tensor([[1, -1]]), torch.tensor([[1.0, 0.0]], requires_grad=True)
    found = gradient(ranking_loss(scores, labels), scores)
    torch.testing.assert_close(found, torch.tensor([[-1e8, 1e8]]))
    torch.testing.assert_close(found, gradient(plain_ranking_loss(scores, labels), scores))


@pytest.mark.parametrize("shift", [1e3, -1e3])
def test_a_shift_of_all_scores_leaves_a_pair_at_zero_without_cost(shift: float) -> None:
    scores = torch.tensor([[shift + 1, shift]])
    assert ranking_loss(scores, torch.tensor([[1, -1]])) == 0


@pytest.mark.parametrize("normalise", ["violations", "pairs"])
def test_gradient_is_that_of_finite_differences(normalise: str) -> None:
    scores, labels = random(4, 15)
    assert torch.autograd.gradcheck(
        lambda s: image_losses(s, labels, normalise),  # type: ignore[arg-type]
        (scores.requires_grad_(),),
        eps=1e-7,
    )


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0, 0), (2, 5)])
def test_nothing_to_compare_costs_nothing(shape: tuple[int, int]) -> None:
    scores = torch.randn(*shape, requires_grad=True)
    labels = torch.zeros(*shape, dtype=torch.int8)
    loss = ranking_loss(scores, labels)
    assert loss == 0
    assert gradient(loss, scores).equal(torch.zeros(*shape))
    assert violations(scores, labels).equal(torch.zeros(shape[0], dtype=torch.int64))


@pytest.mark.parametrize("kind", [torch.int8, torch.int64, torch.float32, torch.float64])
def test_labels_may_be_integers_or_floats(kind: torch.dtype) -> None:
    scores, labels = random(4, 12)
    assert ranking_loss(scores, labels.to(kind)) == ranking_loss(scores, labels)


def test_scores_of_16_bits_are_widened() -> None:
    scores, labels = random(4, 12)
    loss = ranking_loss(scores.bfloat16(), labels)
    assert loss.dtype == torch.float32
    assert loss == ranking_loss(scores.bfloat16().float(), labels)


def test_scores_need_not_be_contiguous() -> None:
    scores, labels = random(4, 12)
    other = scores.T.contiguous().T.requires_grad_()
    loss = ranking_loss(other, labels.T.contiguous().T)
    scores.requires_grad_()
    assert loss == ranking_loss(scores, labels)
    assert gradient(loss, other).equal(gradient(ranking_loss(scores, labels), scores))


@pytest.mark.parametrize("label", [-1, 1])
def test_score_that_is_nan_makes_the_loss_nan(label: int) -> None:
    scores, labels = random(4, 12)
    scores[2, 3], labels[2, 3] = torch.nan, label
    assert image_losses(scores, labels).isnan().tolist() == [False, False, True, False]


def test_scores_of_annotated_tags_alone_give_the_same_loss_and_gradient() -> None:
    scores, labels = random(5, 60)
    labels[:, 3::4] = 0
    columns = annotated_columns(labels)
    assert columns.tolist() == [i for i in range(60) if i % 4 != 3]
    scores.requires_grad_()
    loss, part = ranking_loss(scores, labels), ranking_loss(scores[:, columns], labels[:, columns])
    torch.testing.assert_close(loss, part, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        gradient(loss, scores), gradient(part, scores), rtol=1e-12, atol=1e-15
    )


def test_batch_without_any_label_has_no_annotated_tag() -> None:
    assert annotated_columns(torch.zeros(3, 7, dtype=torch.int8)).shape == (0,)
