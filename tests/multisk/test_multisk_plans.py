"""Multi-SK plans against recorded ones, the plain formulation, and solutions found in other ways."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_sinkhorn import plain_multi_sinkhorn, plain_targets
from torch import Tensor

from mlzoo.errors import UsageError
from mlzoo_multisk.sinkhorn import (
    Plan,
    assignment_targets,
    assignments_of,
    linear_or_log,
    min_max,
    multi_sinkhorn,
    spread_of,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "multisk"
EXACT = ("auto", "linear", "log")
SETTINGS = {"epsilon": 0.07, "iterations": 20}


def recorded(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


SMALL = recorded("sinkhorn_small")
MEDIUM = recorded("sinkhorn_medium")
CASES = [key.removesuffix("_par") for key in SMALL if key.endswith("_par")]
DOUBLE_CASES = [key.removesuffix("_A_f64") for key in SMALL if key.endswith("_A_f64")]


def close(found: Tensor, expected: Tensor, atol: float = 1e-5) -> None:
    torch.testing.assert_close(
        found, expected, rtol=0, atol=atol, equal_nan=True, check_dtype=False
    )


def of_case(name: str, arithmetic: str, dtype: torch.dtype = torch.float32) -> Plan:
    epsilon, iterations, assignments, discrete = SMALL[f"{name}_par"].tolist()
    return multi_sinkhorn(
        SMALL["scores"].to(dtype),
        epsilon=epsilon,
        iterations=int(iterations),
        assignments=int(assignments),
        discrete=bool(discrete),
        arithmetic=arithmetic,  # type: ignore[arg-type]
    )


def cosines(rows: int, anchors: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    sides = [torch.randn(n, 6, generator=draw, dtype=torch.float64) for n in (rows, anchors)]
    one, other = (torch.nn.functional.normalize(side, dim=1) for side in sides)
    return (one @ other.T).to(dtype)


# What was recorded.


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("smalleps")])
def test_recorded_plans(name: str, arithmetic: str) -> None:
    close(of_case(name, arithmetic).all_slices(), SMALL[f"{name}_A"])


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("smalleps")])
def test_clamped_arithmetic_overflows_as_recorded(name: str) -> None:
    close(of_case(name, "clamped").all_slices(), SMALL[f"{name}_A"])


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
@pytest.mark.parametrize("name", DOUBLE_CASES)
def test_recorded_plans_in_double(name: str, arithmetic: str) -> None:
    close(of_case(name, arithmetic, torch.float64).all_slices(), SMALL[f"{name}_A_f64"], 1e-12)


@pytest.mark.parametrize("arithmetic", ["auto", "log"])
@pytest.mark.parametrize("name", DOUBLE_CASES)
def test_what_would_overflow_in_single_is_right_all_the_same(name: str, arithmetic: str) -> None:
    plan = of_case(name, arithmetic)
    assert plan.all_slices().dtype == torch.float32
    close(plan.all_slices(), SMALL[f"{name}_A_f64"], 1e-6)


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
@pytest.mark.parametrize(
    ("key", "distribution", "discrete"),
    [
        ("classdist_A", "class_dist", True),
        ("classdist_cont_A", "class_dist", False),
        ("classdist2_A", "class_dist2", True),
    ],
)
def test_recorded_plans_with_a_class_distribution(
    key: str, distribution: str, discrete: bool, arithmetic: str
) -> None:
    plan = multi_sinkhorn(
        SMALL["scores"],
        **SETTINGS,
        assignments=SMALL["scores"].shape[1] // 2,
        discrete=discrete,
        class_distribution=SMALL[distribution],
        arithmetic=arithmetic,  # type: ignore[arg-type]
    )
    close(plan.all_slices(), SMALL[key])


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
def test_recorded_plans_of_few_rows_and_of_doubles(arithmetic: str) -> None:
    for key in ("fewrows", "f64"):
        scores = SMALL[f"{key}_scores"]
        plan = multi_sinkhorn(
            scores,
            **SETTINGS,
            assignments=scores.shape[1] // 2,
            arithmetic=arithmetic,  # type: ignore[arg-type]
        )
        close(plan.all_slices(), SMALL["f64_disc_A" if key == "f64" else "fewrows_A"])


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
@pytest.mark.parametrize("share", [0.5, 0.25, 0.75, 0.3])
def test_recorded_targets(share: float, arithmetic: str) -> None:
    scores = SMALL["scores"]
    found = assignment_targets(
        scores,
        **SETTINGS,
        assignments=assignments_of(scores.shape[1], share),
        arithmetic=arithmetic,  # type: ignore[arg-type]
    )
    close(found, SMALL[f"calc_sk_{share}"])


def test_recorded_targets_of_a_small_epsilon() -> None:
    scores = SMALL["scores"]
    options = {"epsilon": 0.002, "iterations": 3, "assignments": scores.shape[1] // 2}
    found = assignment_targets(scores, **options, arithmetic="clamped", constant="nan")
    close(found, SMALL["calc_sk_smalleps_0.5"])
    exact = plain_targets(scores.double(), 0.002, 3, 0.5)
    close(assignment_targets(scores, **options), exact, 1e-6)


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
def test_recorded_plans_of_64_anchors(arithmetic: str) -> None:
    options = {**SETTINGS, "assignments": 32, "arithmetic": arithmetic}
    plan = multi_sinkhorn(MEDIUM["scores"], **options)  # type: ignore[arg-type]
    close(plan.slice(0), MEDIUM["disc_A_lo"])
    close(plan.slice(31), MEDIUM["disc_A_lo"])
    close(plan.slice(32), MEDIUM["disc_A_hi"])
    close(plan.slice(63), MEDIUM["disc_A_hi"])
    different = multi_sinkhorn(MEDIUM["scores"], **options, discrete=False)  # type: ignore[arg-type]
    found = torch.stack([different.slice(int(number)) for number in MEDIUM["cont_slices_idx"]])
    close(found, MEDIUM["cont_A_slices"])
    close(assignment_targets(MEDIUM["scores"], **options), MEDIUM["calc_sk"])  # type: ignore[arg-type]
    double = assignment_targets(MEDIUM["scores"].double(), **options)  # type: ignore[arg-type]
    close(double, MEDIUM["calc_sk_f64"], 1e-7)


def test_recorded_small_epsilon_of_64_anchors() -> None:
    options = {"epsilon": 0.002, "iterations": 3, "assignments": 32}
    close(multi_sinkhorn(MEDIUM["scores"], **options).slice(63), MEDIUM["smalleps_hi_f64"], 1e-6)
    published = multi_sinkhorn(MEDIUM["scores"], **options, arithmetic="clamped").all_slices()
    assert bool(MEDIUM["smalleps_upstream_f32_all_nan"])
    assert published.isnan().all()


# Properties, beside the K x B x K formulation.

SHAPES = st.tuples(st.integers(1, 9), st.integers(2, 7))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Tensor, dict[str, object]]:
    rows, anchors = draw(SHAPES)
    scores = cosines(rows, anchors, draw(st.integers(0, 2**20)))
    given_c = draw(st.one_of(st.none(), st.lists(st.floats(0.01, 9), min_size=7, max_size=7)))
    return scores, {
        "epsilon": draw(st.floats(0.005, 2)),
        "iterations": draw(st.integers(0, 12)),
        "assignments": draw(st.integers(1, anchors)),
        "discrete": draw(st.booleans()),
        "class_distribution": None if given_c is None else given_c[:anchors],
    }


@settings(max_examples=60, deadline=None)
@given(problems())
def test_fast_plans_equal_the_plain_one(problem: tuple[Tensor, dict[str, object]]) -> None:
    scores, options = problem
    expected = plain_multi_sinkhorn(scores, **options)  # type: ignore[arg-type]
    for arithmetic in (*EXACT, "clamped"):
        plan = multi_sinkhorn(scores, **options, arithmetic=arithmetic)  # type: ignore[arg-type]
        close(plan.all_slices(), expected, 1e-9)
        close(plan.assigned(), expected[-options["assignments"] :].sum(dim=0), 1e-9)  # type: ignore[operator]


@settings(max_examples=40, deadline=None)
@given(problems())
def test_auto_in_single_is_log_in_double(problem: tuple[Tensor, dict[str, object]]) -> None:
    scores, options = problem
    single = scores.float()
    expected = multi_sinkhorn(single.double(), **options, arithmetic="log")  # type: ignore[arg-type]
    close(multi_sinkhorn(single, **options).all_slices(), expected.all_slices(), 2e-5)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(problems(), st.randoms(use_true_random=False))
def test_permuted_samples_and_anchors_permute_the_plan(
    problem: tuple[Tensor, dict[str, object]],
    random: object,
) -> None:
    scores, options = problem
    rows, columns = (torch.tensor(random.sample(range(n), n)) for n in scores.shape)  # type: ignore[attr-defined]
    plan = multi_sinkhorn(scores, **options).all_slices()  # type: ignore[arg-type]
    permuted = multi_sinkhorn(scores[rows][:, columns], **options).all_slices()  # type: ignore[arg-type]
    close(permuted, plan[:, rows][:, :, columns], 1e-9)


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
@pytest.mark.parametrize("discrete", [True, False])
def test_problems_side_by_side_are_those_one_by_one(discrete: bool, arithmetic: str) -> None:
    scores = torch.stack([cosines(9, 5, seed) * 2**seed for seed in range(3)])
    options = {"epsilon": 0.1, "iterations": 7, "assignments": 2, "discrete": discrete}
    options |= {"class_distribution": [1.0, 2, 3, 4, 9], "arithmetic": arithmetic}
    together = multi_sinkhorn(scores, **options)  # type: ignore[arg-type]
    alone = [multi_sinkhorn(each, **options) for each in scores]  # type: ignore[arg-type]
    close(together.all_slices(), torch.stack([p.all_slices() for p in alone], dim=1), 1e-12)
    close(together.assigned(4), torch.stack([plan.assigned(4) for plan in alone]), 1e-12)


@pytest.mark.parametrize("arithmetic", [*EXACT, "clamped"])
@pytest.mark.parametrize("discrete", [True, False])
def test_last_rows_alone_are_those_of_the_whole_plan(discrete: bool, arithmetic: str) -> None:
    options = {**SETTINGS, "assignments": 3, "arithmetic": arithmetic, "discrete": discrete}
    plan = multi_sinkhorn(cosines(10, 5), **options)  # type: ignore[arg-type]
    close(plan.assigned(4), plan.assigned()[-4:], 0)
    close(plan.all_slices(rows=4), plan.all_slices()[:, -4:], 0)
    assert plan.assigned(0).shape == (0, 5)


def test_targets_of_the_last_rows_are_those_of_the_whole_plan() -> None:
    scores = cosines(10, 6)
    expected = plain_targets(scores, 0.07, 20, 0.5)
    close(assignment_targets(scores, **SETTINGS, assignments=3), expected, 1e-9)
    close(assignment_targets(scores, **SETTINGS, assignments=3, rows=4), expected[-4:], 1e-9)


# Other ways to the same plan.


def test_marginals_are_met_in_the_end() -> None:
    rows, anchors, assignments = 12, 6, 2
    options = {"epsilon": 0.2, "iterations": 300, "assignments": assignments}
    for discrete in (True, False):
        a = multi_sinkhorn(cosines(rows, anchors), **options, discrete=discrete).all_slices()
        ones = torch.ones(anchors, anchors, dtype=a.dtype)
        close(a.sum(dim=2), torch.ones(anchors, rows), 1e-12)
        close(a.sum(dim=0), torch.ones(rows, anchors), 1e-3)
        close(a.sum(dim=1), ones * rows / anchors, 1e-3)


def test_two_anchors_one_of_which_is_assigned_make_the_ordinary_balanced_problem() -> None:
    """With K = 2 and r = 1 the slices share out every pair, so L = 1 - H. H then maximises
    Σ S H 3/4 with ε times the entropies of H and 1 - H, which for two anchors are the same number:
    Sinkhorn's problem with the kernel exp(3/8 S / ε), rows of sum 1 and columns of sum B / 2."""
    scores, epsilon = cosines(14, 2, seed=3), 0.11
    kernel = np.exp(0.375 * scores.numpy() / epsilon)
    v = np.ones(2)
    for _ in range(2000):
        u = 1 / (kernel @ v)
        v = (14 / 2) / (kernel.T @ u)
    balanced = u[:, None] * kernel * v  # float64 [B, 2]
    np.testing.assert_allclose(balanced.sum(axis=1), 1, atol=1e-12)
    plan = multi_sinkhorn(scores, epsilon=epsilon, iterations=2000, assignments=1)
    close(plan.slice(1), torch.from_numpy(balanced), 1e-4)  # but for the guard of 1e-5
    close(plan.slice(0), torch.from_numpy(1 - balanced), 1e-4)


@pytest.mark.parametrize("assignments", [1, 2, 4])
def test_assigned_shares_are_logistic_in_the_end(assignments: int) -> None:
    """(K - r) L + r H = 1 leaves one unknown a pair, P = r H in (0, 1), with rows of sum r and columns of
    sum r B / K. Its entropy is that of fermions: P = σ(3/4 S / ε + a_b + b_k). Newton's method on the
    marginals finds a and b in float64, without a Sinkhorn step."""
    rows, anchors, epsilon = 11, 5, 0.15
    scores = cosines(rows, anchors, seed=assignments)
    s = 0.75 * scores.numpy() / epsilon
    a, b = np.zeros(rows), np.full(anchors, -math.log(anchors / assignments - 0.999))
    for _ in range(60):
        p = 1 / (1 + np.exp(-(s + a[:, None] + b)))
        short = np.concatenate(
            [assignments - p.sum(axis=1), assignments * rows / anchors - p.sum(axis=0)]
        )
        w = p * (1 - p)
        slope = np.block([[np.diag(w.sum(axis=1)), w], [w.T, np.diag(w.sum(axis=0))]])
        step = np.linalg.lstsq(slope, short, rcond=1e-12)[0]  # one shift is free
        step *= min(1, 2 / np.abs(step).max().clip(1e-300))
        a, b = a + step[:rows], b + step[rows:]
    assert np.abs(short).max() < 1e-10
    plan = multi_sinkhorn(scores, epsilon=epsilon, iterations=1500, assignments=assignments)
    close(plan.assigned(), torch.from_numpy(p), 2e-4)


def test_samples_assigned_to_all_anchors_prefer_none() -> None:
    plan = multi_sinkhorn(cosines(8, 4), epsilon=0.1, iterations=200, assignments=4)
    close(plan.all_slices(), torch.full((4, 8, 4), 0.25), 1e-4)


# Arithmetic.


def test_auto_takes_logarithms_where_single_would_lose_entries_and_double_does_not() -> None:
    spread = spread_of(64, 32)
    choices = {
        (epsilon, dtype): linear_or_log(torch.empty(7660, 64, dtype=dtype), -1, 1, epsilon, spread)
        for epsilon in (0.07, 0.03, 0.02, 0.003, 0.002)
        for dtype in (torch.float32, torch.float64)
    }
    assert [e for (e, d), kind in choices.items() if d == torch.float32 and kind == "log"] == [
        0.02,
        0.003,
        0.002,
    ]
    assert [e for (e, d), kind in choices.items() if d == torch.float64 and kind == "log"] == [
        0.002
    ]


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
def test_logarithms_are_finite_for_every_epsilon(epsilon: float, discrete: bool) -> None:
    options = {"epsilon": epsilon, "iterations": 20, "assignments": 3, "discrete": discrete}
    plan = multi_sinkhorn(cosines(20, 6, dtype=torch.float32), **options).all_slices()
    assert plan.isfinite().all()
    close(plan.sum(dim=2), torch.ones(6, 20), 1e-5)


def test_shifted_scores_do_not_overflow() -> None:
    scores = cosines(20, 6, dtype=torch.float32)
    for shift in (-1e4, 1e4):
        plan = multi_sinkhorn(scores + shift, epsilon=0.07, iterations=5, assignments=3)
        assert plan.all_slices().isfinite().all()


def test_16_bits_are_widened_and_gradients_stay_out() -> None:
    scores = cosines(20, 6, dtype=torch.float32).bfloat16()
    plan = multi_sinkhorn(scores.requires_grad_(), **SETTINGS, assignments=3)
    assert plan.slice(0).dtype == torch.float32
    assert not plan.slice(0).requires_grad
    close(
        plan.all_slices(),
        multi_sinkhorn(scores.float(), **SETTINGS, assignments=3).all_slices(),
        0,
    )


def test_nan_scores_give_nan_plans() -> None:
    scores = cosines(5, 4)
    scores[2, 1] = torch.nan
    assert multi_sinkhorn(scores, **SETTINGS, assignments=2).all_slices().isnan().all()


# Targets and bad arguments.


def test_row_of_equal_numbers_prefers_nothing_or_is_nan_as_published() -> None:
    rows = torch.tensor([[3.0, 1.0, 2.0], [5.0, 5.0, 5.0], [0.0, 0.0, 0.0]])
    assert min_max(rows).tolist() == [[1, 0, 0.5], [0, 0, 0], [0, 0, 0]]
    published = min_max(rows, constant="nan")
    assert published[0].tolist() == [1, 0, 0.5]
    assert published[1:].isnan().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"iterations": -1}, "iterations"),
        ({"assignments": 0}, "assigned to 0 of 4"),
        ({"assignments": 5}, "assigned to 5 of 4"),
        ({"arithmetic": "exact"}, "auto, linear, log, clamped"),
        ({"class_distribution": [1.0, 2.0]}, "4 numbers"),
        ({"class_distribution": [0.0] * 4}, "not all 0"),
        ({"class_distribution": [1.0, 1.0, 1.0, -1.0]}, "0 or more"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], words: str) -> None:
    options = {**SETTINGS, "assignments": 2, **change}
    with pytest.raises(UsageError, match=words):
        multi_sinkhorn(cosines(6, 4), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "scores", [torch.zeros(3), torch.zeros(0, 4), torch.zeros(3, 4, dtype=torch.int64)]
)
def test_scores_that_are_no_table_of_floats_are_refused(scores: Tensor) -> None:
    with pytest.raises(UsageError, match="floats"):
        multi_sinkhorn(scores, **SETTINGS, assignments=2)


def test_a_plan_has_no_more_rows_and_slices_than_it_has() -> None:
    plan = multi_sinkhorn(cosines(6, 4), **SETTINGS, assignments=2)
    with pytest.raises(UsageError, match="7 rows"):
        plan.assigned(7)
    with pytest.raises(IndexError):
        plan.slice(4)
