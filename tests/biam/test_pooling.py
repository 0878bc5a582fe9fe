"""The mean of the best regions, with the gradient of few regions and of all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlzoo_biam.pooling import SPARSE, mean_of_best


def world(images: int, regions: int, tags: int, width: int = 5) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    classifiers = torch.randn(tags, width, dtype=torch.float64, requires_grad=True)
    e_f = torch.randn(images, regions, width, dtype=torch.float64, requires_grad=True)
    return classifiers, e_f


def plainly(classifiers: Tensor, e_f: Tensor, k: int) -> Tensor:
    m = torch.einsum("cj,bsj->bcs", classifiers, e_f)
    return m.sort(dim=2, descending=True).values[..., :k].mean(dim=2)


@pytest.mark.parametrize(
    ("regions", "k"), [(9, 6), (9, 9), (1, 1), (40, 1), (SPARSE * 3 + 1, 3), (SPARSE * 3, 3)]
)
@pytest.mark.parametrize("tags", [1, 7])
def test_scores_and_gradients_are_those_of_a_sort(regions: int, k: int, tags: int) -> None:
    classifiers, e_f = world(3, regions, tags)
    cotangent = torch.randn(3, tags, dtype=torch.float64)
    ours, plain = mean_of_best(classifiers, e_f, k), plainly(classifiers, e_f, k)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    gradients = (
        torch.autograd.grad((scores * cotangent).sum(), (classifiers, e_f))
        for scores in (ours, plain)
    )
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradient_of_few_regions_is_that_of_finite_differences() -> None:
    classifiers, e_f = world(2, 20, 4)
    assert torch.autograd.gradcheck(lambda c, e: mean_of_best(c, e, 2), (classifiers, e_f))


@pytest.mark.parametrize("needed", [0, 1])
def test_only_one_of_the_two_may_need_a_gradient(needed: int) -> None:
    inputs = [each.detach() for each in world(2, 30, 4)]
    inputs[needed].requires_grad_()
    (found,) = torch.autograd.grad(mean_of_best(*inputs, 2).sum(), inputs[needed])
    (expected,) = torch.autograd.grad(plainly(*inputs, 2).sum(), inputs[needed])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_duplicated_regions_share_values_and_the_classifiers_gradient() -> None:
    classifiers, e_f = world(2, 30, 4)
    twice = e_f.detach().repeat_interleave(2, dim=1).requires_grad_()
    ours, plain = mean_of_best(classifiers, twice, 3), plainly(classifiers, twice, 3)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    found, expected = (torch.autograd.grad(s.sum(), classifiers)[0] for s in (ours, plain))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_region_that_no_tag_chose_has_no_gradient() -> None:
    classifiers, e_f = world(2, 30, 1)
    (found,) = torch.autograd.grad(mean_of_best(classifiers, e_f, 2).sum(), e_f)
    assert (found != 0).any(dim=2).sum(dim=1).tolist() == [2, 2]
