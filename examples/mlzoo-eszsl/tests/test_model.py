"""The model on a small world whose classes follow their embeddings linearly."""

import numpy as np
import pytest

from mlzoo.errors import UsageError
from mlzoo_eszsl.config import ESZSLConfig
from mlzoo_eszsl.model import ESZSL
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData


@pytest.fixture
def world() -> ZeroShotData:
    """Twelve classes of ten samples; the last four are unseen, and the last sample of each is for test."""
    stream = np.random.default_rng(0)
    attributes = stream.standard_normal((12, 5)).astype(np.float32)
    attributes /= np.linalg.norm(attributes, axis=1, keepdims=True)
    label = np.repeat(np.arange(12), 10)
    means = attributes @ stream.standard_normal((5, 20))
    features = means[label] + 0.05 * stream.standard_normal((120, 20)) + 3
    held_out = np.arange(120) % 10 == 9
    return ZeroShotData(
        features=features,
        label=label,
        attributes=attributes,
        class_names=tuple(map(str, range(12))),
        split=Split(
            train=np.flatnonzero((label < 8) & ~held_out),
            test_seen=np.flatnonzero((label < 8) & held_out),
            test_unseen=np.flatnonzero(label >= 8),
        ),
        scaling="none",
    )


class Walk:
    """The part of a run that the model calls; remembers what was scored."""

    def __init__(self, rule="val", chosen_epoch=None):
        self.selector = type("Selector", (), {"rule": rule})
        self.chosen_epoch = chosen_epoch
        self.logged, self.scored = [], []

    def epochs(self, count, **state):
        assert set(state) == {"model"}
        return iter(range(1, min(count, self.chosen_epoch or count) + 1))

    def log(self, **values):
        self.logged.append((values["gamma"], values["lambda"]))

    def evaluate(self, model):
        self.scored.append(model.solution)


GRID = {"gammas": (0.1, 10.0), "lambdas": (0.01, 1.0)}
PAIRS = [(0.1, 0.01), (0.1, 1.0), (10.0, 0.01), (10.0, 1.0)]


def test_search_tries_every_pair_once(world):
    run = Walk()
    ESZSL(ESZSLConfig(**GRID), world).fit(run)
    assert run.logged == PAIRS
    assert len({solution.tobytes() for solution in run.scored}) == 4


def test_final_fit_solves_for_the_chosen_pair_alone(world):
    search, final = Walk(), Walk(chosen_epoch=3)
    ESZSL(ESZSLConfig(**GRID), world).fit(search)
    model = ESZSL(ESZSLConfig(**GRID), world)
    model.fit(final)
    assert final.logged == PAIRS[2:3]
    np.testing.assert_array_equal(model.solution, search.scored[2])


def test_nothing_chooses_under_last(world):
    with pytest.raises(UsageError, match="none of the 4 pairs"):
        ESZSL(ESZSLConfig(**GRID), world).fit(Walk("last"))
    one = Walk("last")
    ESZSL(ESZSLConfig(gammas=(2,), lambdas=(3,)), world).fit(one)
    assert one.logged == [(2.0, 3.0)]


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("centre", [False, True])
def test_unseen_classes_are_told_apart(world, unit, centre):
    options = {"unit_features": unit, "centre_embeddings": centre}
    model = ESZSL(ESZSLConfig(gammas=(0.01,), lambdas=(0.01,), **options), world)
    model.fit(Walk())
    found = model.predict("test")
    assert found["scores"].dtype == np.float32
    assert found["scores"].shape == (8 + 40, 12)
    np.testing.assert_array_equal(found["label"], world.test.label)
    unseen = found["scores"][8:, 8:]
    assert np.mean(unseen.argmax(axis=1) + 8 == found["label"][8:]) > 0.7  # chance 0.25


def test_embeddings_are_centred_by_the_seen_classes_alone(world):
    model = ESZSL(ESZSLConfig(centre_embeddings=True), world)
    np.testing.assert_allclose(model.embeddings[:8].mean(axis=0), 0, atol=1e-7)
    assert abs(model.embeddings[8:].mean(axis=0)).max() > 0.01


def test_state_is_put_back_and_held_against_the_data(world):
    model = ESZSL(ESZSLConfig(gammas=(0.1,), lambdas=(0.1,)), world)
    model.fit(Walk())
    other = ESZSL(ESZSLConfig(), world)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other.predict("test")["scores"], model.predict("test")["scores"])
    assert (other.gamma, other.lambda_) == (0.1, 0.1)
    state = model.state_dict()
    with pytest.raises(ValueError, match="has solution, gamma, lambda"):
        other.load_state_dict({**state, "bias": 0})
    with pytest.raises(ValueError, match="expected"):
        other.load_state_dict({**state, "solution": state["solution"][1:]})


@pytest.mark.parametrize("wrong", [{"gammas": ()}, {"lambdas": (0,)}, {"gammas": (1, 1)}])
def test_grids_that_cannot_be_walked_are_refused(wrong):
    with pytest.raises(ValueError, match="gammas|lambdas"):
        ESZSLConfig(**wrong)
