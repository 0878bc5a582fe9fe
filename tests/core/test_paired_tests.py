"""Paired tests of two runs: by hand, by definition, against scipy's general functions, and their errors."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats

from mlzoo.errors import DataError
from mlzoo.paired_tests import McNemar, compare_scores, require_same, rows_of_other

RIGHT = np.random.default_rng(3).random((2, 60)) < [[0.5], [0.7]]


def binomial(b: int, n: int) -> float:
    return comb(n, b) / 2**n


def mean(means: np.ndarray) -> np.ndarray:
    return 100 * means[:, 0, 0]


def compared(one, other, score=mean, **more):
    return compare_scores({"score": score}, one, other, **more)["score"]


# ---- McNemar


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 11), (11, 3), (20, 41), (0, 30)])
def test_exact_and_mid_p_are_sums_of_binomial_probabilities(b, c) -> None:
    n, least = b + c, min(b, c)
    found = McNemar(both=7, only_one=b, only_other=c, neither=9)
    tail = sum(binomial(i, n) for i in range(least + 1))
    assert found.exact == pytest.approx(min(1.0, 2 * tail))
    assert found.mid_p == pytest.approx(min(1.0, 2 * tail - binomial(least, n)))
    assert found.chi_square == pytest.approx((b - c) ** 2 / n if n else 0)
    assert found.mid_p <= found.exact


def test_many_pairs_agree_with_chi_square() -> None:
    found = McNemar(both=500, only_one=240, only_other=310, neither=800)
    assert found.chi_square == pytest.approx(70**2 / 550)
    assert found.asymptotic == pytest.approx(0.002839, abs=1e-5)
    assert found.mid_p == pytest.approx(found.asymptotic, rel=0.03)


def test_the_four_counts_are_of_paired_answers() -> None:
    one = np.array([True, True, False, False, True])
    other = np.array([True, False, True, False, False])
    assert McNemar.of(one, other) == McNemar(1, 2, 1, 1)
    with pytest.raises(ValueError, match="5 answers cannot be paired with 4"):
        McNemar.of(one, other[:4])


@pytest.mark.parametrize(("b", "c"), [(0, 5), (0, 6), (9, 22), (10, 23), (11, 22), (40, 40)])
def test_the_interval_leaves_out_0_exactly_if_the_exact_test_says_so(b, c) -> None:
    found = McNemar(both=50, only_one=b, only_other=c, neither=3)
    low, high = found.interval()
    one, other = found.accuracies
    assert low - 1e-9 <= other - one <= high + 1e-9
    assert (low > 0) == (found.exact < 0.05)
    turned = McNemar(both=50, only_one=c, only_other=b, neither=3)
    np.testing.assert_allclose(turned.interval(), (-high, -low))


def test_facts_name_the_samples_and_agree_among_themselves() -> None:
    facts = McNemar.of(*RIGHT).facts("answers")
    assert facts["answers"] == 60
    counts = ("both_right", "only_one_right", "only_other_right", "neither_right")
    assert sum(facts[name] for name in counts) == 60
    assert facts["accuracy_one"] == pytest.approx(100 * RIGHT[0].mean())
    assert facts["difference"] == pytest.approx(100 * (RIGHT[1].mean() - RIGHT[0].mean()))
    assert facts["difference_low"] < facts["difference"] < facts["difference_high"]
    same = McNemar.of(RIGHT[0], RIGHT[0]).facts()
    assert (same["p"], same["difference_low"], same["difference_high"]) == (1, 0, 0)


# ---- randomisation and bootstrap


def test_runs_that_answer_alike_cannot_be_told_apart() -> None:
    found = compared(RIGHT[0], RIGHT[0])
    assert (found.p, found.difference, found.low, found.high) == (1, 0, 0, 0)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_of_few_samples_p_is_what_all_exchanges_give(count) -> None:
    found = compared(np.zeros(count), np.ones(count))
    assert found.p == pytest.approx(2 / 2**count, abs=0.01)
    assert (found.one, found.other, found.low, found.high) == (0, 100, 100, 100)


def test_p_of_a_share_is_that_of_mcnemars_exact_test() -> None:
    exact = McNemar.of(*RIGHT).exact
    assert 0.001 < exact < 0.2
    assert compared(*RIGHT).p == pytest.approx(exact, abs=0.01)


def test_p_and_bounds_are_those_of_scipy_for_any_numbers() -> None:
    random = np.random.default_rng(1)
    one = random.gamma(2.0, size=40)
    other = one + random.normal(0.15, 0.5, size=40)
    found = compared(one, other, lambda means: means[:, 0, 0])
    theirs = stats.permutation_test(
        (one, other),
        lambda x, y, axis: y.mean(axis=axis) - x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=np.random.default_rng(2),
    )
    assert found.p == pytest.approx(theirs.pvalue, abs=0.015)
    drawn = stats.bootstrap(
        (other - one,), np.mean, method="percentile", rng=np.random.default_rng(3)
    )
    bounds = drawn.confidence_interval
    np.testing.assert_allclose((found.low, found.high), bounds, atol=0.015)


def test_the_order_of_the_runs_changes_the_sign_alone() -> None:
    forth, back = compared(*RIGHT), compared(*RIGHT[::-1])
    assert (back.one, back.other) == (forth.other, forth.one)
    assert (back.low, back.high, back.p) == (-forth.high, -forth.low, forth.p)
    again = np.random.default_rng(4).permutation(60)
    assert compared(*RIGHT[:, again]) == forth


def test_groups_count_the_same_and_draws_stay_in_them() -> None:
    groups = np.repeat([3, 7], [50, 10])

    def macro(means: np.ndarray) -> np.ndarray:
        return means[:, :, 0].mean(axis=1)

    found = compared(*RIGHT, macro, groups=groups)
    expected = [(each[:50].mean() + each[50:].mean()) / 2 for each in RIGHT]
    assert [found.one, found.other] == pytest.approx(expected)
    # all samples of one group are right in both runs: it has no spread
    sure = RIGHT | (groups == 7)
    half = compared(*sure, macro, groups=groups)
    alone = compared(*sure[:, :50], macro)
    assert half.low == pytest.approx(alone.low / 2, abs=0.02)
    assert half.high == pytest.approx(alone.high / 2, abs=0.02)
    assert half.p == pytest.approx(alone.p, abs=0.02)


def test_scores_of_several_numbers_a_sample_are_of_their_means() -> None:
    random = np.random.default_rng(5)
    hits, wanted = random.integers(0, 4, (2, 300)), random.integers(3, 9, 300)
    counts = [np.column_stack([each, wanted]) for each in hits]
    found = compared(*counts, lambda means: means[:, 0, 0] / means[:, 0, 1])
    assert found.one == pytest.approx(hits[0].sum() / wanted.sum())
    draws = random.integers(0, 300, (4000, 300))
    ratios = [each[draws].sum(axis=1) / wanted[draws].sum(axis=1) for each in hits]
    bounds = np.quantile(ratios[1] - ratios[0], [0.025, 0.975])
    np.testing.assert_allclose((found.low, found.high), bounds, atol=0.005)


def test_runs_that_are_equally_good_are_rarely_told_apart_and_others_mostly() -> None:
    random = np.random.default_rng(6)
    rejected = {"same": 0, "better": 0, "mcnemar": 0}
    for _ in range(300):
        hard = random.random(80)
        one, other, better = (hard + random.normal(0, 0.2, 80) < at for at in (0.5, 0.5, 0.65))
        rejected["same"] += compared(one, other, resamples=399).p < 0.05
        rejected["better"] += compared(one, better, resamples=399).p < 0.05
        rejected["mcnemar"] += McNemar.of(one, other).exact < 0.05
    assert rejected["mcnemar"] <= rejected["same"] + 5
    assert rejected["same"] <= 24  # 15 are expected at most
    assert rejected["better"] >= 150


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        compared(np.zeros(3), np.zeros(4))
    with pytest.raises(ValueError, match="cannot be paired"):
        compared(np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match="finite"):
        compared(np.zeros(2), np.array([0.0, np.nan]))


# ---- pairing


def test_rows_are_found_by_their_keys_and_equal_keys_in_order() -> None:
    assert rows_of_other(["a", "b", "a"], ["a", "a", "b"]).tolist() == [0, 2, 1]
    with pytest.raises(DataError, match="not the same clips: 'c'"):
        rows_of_other(["a", "c"], ["a", "b"], "clips")
    with pytest.raises(DataError, match=r"not the same samples\."):
        rows_of_other(["a"], ["a", "b"])
    with pytest.raises(DataError, match="'text' of 'set'"):
        rows_of_other([("set", "text")], [("set", "other")])


def test_runs_on_other_samples_are_refused_with_the_place() -> None:
    one = {"label": np.array([0, 1, 1]), "count": np.array(3)}
    require_same(one, dict(one), ("label", "count"))
    for changed, said in (
        ({"label": np.array([0, 1, 0])}, "label differs in row 2"),
        ({"label": np.array([0, 1])}, r"label is \[3\] and \[2\]"),
        ({"count": np.array(4)}, "count differs"),
    ):
        with pytest.raises(DataError, match=f"not the same images: {said}"):
            require_same(one, {**one, **changed}, ("label", "count"), "images")
    with pytest.raises(DataError, match="the other run hold no 'label'.*\nAn older version"):
        require_same(one, {}, ("label",))
    with pytest.raises(DataError, match="of one run hold no 'label'"):
        require_same({}, one, ("label",))
