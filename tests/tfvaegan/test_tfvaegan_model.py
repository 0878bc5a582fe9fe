"""The model: what it trains, draws, predicts, keeps and refuses."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import mlzoo
from mlzoo.errors import CheckpointError, UsageError
from mlzoo.progress import Progress
from mlzoo.rng import epoch_generator
from mlzoo.testing import first_difference
from mlzoo_tfvaegan.classifier import LinearClassifier, TrainingRows, train_classifier
from mlzoo_tfvaegan.config import TFVAEGANConfig
from mlzoo_tfvaegan.demo import write_custom_demo, write_ucf101_demo
from mlzoo_tfvaegan.detector import OutOfDistributionClassifier, train_detector
from mlzoo_tfvaegan.model import TFVAEGAN
from mlzoo_tfvaegan.presets import presets
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData

SEEN, UNSEEN, WIDTH, ATTRIBUTES = (0, 1, 3, 4), (2, 5), 6, 5
VIEW = "test@best-classifier-epoch"
SMALL: dict[str, Any] = {
    "epochs": 2,
    "hidden": 8,
    "critic_hidden": 7,
    "batch_size": 8,
    "critic_steps": 2,
    "learning_rate": 1e-2,
    "feedback_learning_rate": 1e-2,
    "decoder_learning_rate": 1e-2,
    "synthetic_samples": 12,
    "classifier_epochs": 4,
    "detector_epochs": 3,
    "detector_hidden": 4,
    "detector_batch": 6,
}


class Epochs:
    """What ``fit`` asks of a run, noting what it is told."""

    chosen_epoch: int | None = None
    seed = 0
    processes = 1

    def __init__(self, chosen: int | None = None) -> None:
        self.chosen_epoch = chosen
        self.evaluated: list[int] = []
        self.logged: list[dict[str, torch.Tensor]] = []
        self.feedbacks: list[dict[str, torch.Tensor]] = []

    def keep_equal(self, network: torch.nn.Module) -> None:
        self.network = network

    def epochs(self, count: int, *, model: TFVAEGAN, step: Any) -> Iterator[int]:
        self.model, self.step = model, step
        for epoch in range(1, min(count, self.chosen_epoch or count) + 1):
            self.epoch = epoch
            yield epoch

    def generator(self, epoch: int) -> torch.Generator:
        return epoch_generator(self.seed, epoch)

    def log(self, **values: torch.Tensor) -> None:
        self.logged.append(values)
        self.feedbacks.append(copy.deepcopy(self.model.networks.feedback.state_dict()))

    def evaluate(self, model: TFVAEGAN) -> None:
        self.evaluated.append(self.epoch)
        model.predict("test")


@pytest.fixture(scope="module")
def data() -> ZeroShotData:
    return world()


def world(noise: float = 0.3) -> ZeroShotData:
    """Six classes around centres that the class embeddings tell; 16 samples each."""
    draw = np.random.RandomState(5)
    label = np.repeat(np.arange(6), 16)
    attributes = draw.rand(6, ATTRIBUTES).astype(np.float32)
    attributes /= np.linalg.norm(attributes, axis=1, keepdims=True)
    centres = attributes @ draw.rand(ATTRIBUTES, WIDTH)
    rows, seen = np.arange(len(label)), np.isin(label, SEEN)
    return ZeroShotData(
        features=centres[label] + noise * draw.randn(len(label), WIDTH),
        label=label,
        attributes=attributes,
        class_names=tuple("abcdef"),
        split=Split(rows[seen][::2], rows[seen][1::2], rows[~seen]),
    )


def built(data: ZeroShotData, seed: int = 0, **options: Any) -> TFVAEGAN:
    torch.manual_seed(seed)
    return TFVAEGAN(TFVAEGANConfig(**{**SMALL, **options}), data)


def trained(data: ZeroShotData, run: Epochs | None = None, **options: Any) -> TFVAEGAN:
    model = built(data, **options)
    model.fit(run or Epochs())
    return model


def transformed(model: TFVAEGAN, features: np.ndarray) -> torch.Tensor:
    """[x, Dec(x), h(x)], by the definition."""
    decoder = model.networks.decoder
    x = torch.from_numpy(features)
    with torch.no_grad():
        hidden = torch.nn.functional.leaky_relu(decoder.fc1(x), 0.2)
        o = decoder.fc3(hidden)
    return torch.cat([x, o / o.norm(dim=1, keepdim=True), hidden], dim=1)


def rows_by_hand(model: TFVAEGAN) -> TrainingRows:
    """Real rows, then synthesised ones, as the model's classifiers are to see them."""
    train = model.data.train
    synthetic, label = model.synthetic()
    features = np.concatenate([train.features, synthetic.numpy()])
    x = transformed(model, features) if model.config.transform else torch.from_numpy(features)
    return TrainingRows(x, torch.cat([torch.from_numpy(train.label), label]), len(train))


def inputs_of_test(model: TFVAEGAN) -> torch.Tensor:
    features = model.data.test.features
    return transformed(model, features) if model.config.transform else torch.from_numpy(features)


# ---- the classifiers behind a prediction


@pytest.mark.parametrize("transform", [True, False])
def test_softmax_scores_are_those_of_classifiers_trained_by_hand(data, transform):
    options = {"classifier_learning_rate": 0.02, "classifier_batch": 5, "transform": transform}
    model = trained(data, **options)
    rows, x = rows_by_hand(model), inputs_of_test(model)
    settings: dict[str, Any] = {
        "batch_size": 5,
        "epochs": 4,
        "learning_rate": 0.02,
        "generator": torch.Generator().manual_seed(model.stream + 1),
    }
    generalized = train_classifier(*rows.generalized(), **settings)
    unseen = train_classifier(*rows.unseen(), **settings)
    found = model.predict("test")

    assert generalized.classes.tolist() == data.classes.tolist()
    assert unseen.classes.tolist() == list(UNSEEN)
    np.testing.assert_allclose(found["scores"], generalized.scores(x), atol=1e-5)
    np.testing.assert_allclose(found["unseen_scores"], unseen.scores(x), atol=1e-5)


@pytest.mark.parametrize("transform", [True, False])
@pytest.mark.parametrize("threshold", ["mean", "published"])
def test_detector_scores_are_those_of_classifiers_trained_by_hand(data, transform, threshold):
    options = {
        "classifier": "detector",
        "threshold": threshold,
        "classifier_learning_rate": 0.01,
        "detector_learning_rate": 0.02,
        "transform": transform,
    }
    model = trained(data, **options)
    rows, x = rows_by_hand(model), inputs_of_test(model)
    generator = torch.Generator().manual_seed(model.stream + 1)

    def linear(task: Any, rate: float) -> LinearClassifier:
        return train_classifier(
            *task, batch_size=12, epochs=4, learning_rate=rate, generator=generator
        )

    behind, seen = linear(rows.unseen(), 0.02), linear(rows.seen(), 0.02)
    generalized = train_detector(
        rows,
        seen,
        behind,
        threshold=threshold,
        batch_size=6,
        hidden=4,
        epochs=3,
        learning_rate=0.02,
        generator=generator,
    )
    unseen = linear(rows.unseen(), 0.01)
    found = model.predict("test")

    np.testing.assert_allclose(found["scores"], generalized.scores(x), atol=1e-4)
    np.testing.assert_allclose(found["unseen_scores"], unseen.scores(x), atol=1e-4)


@pytest.mark.parametrize("classifier", ["softmax", "detector"])
def test_predictions_have_their_promised_arrays(data, classifier):
    found = trained(data, classifier=classifier).predict("test")
    shapes = {name: (array.dtype.name, array.shape) for name, array in found.items()}
    count = len(data.test)

    assert shapes == {
        "label": ("int64", (count,)),
        "classes": ("int64", (6,)),
        "unseen": ("int64", (2,)),
        "scores": ("float32", (count, 6)),
        "unseen_scores": ("float32", (count, 2)),
        "synthetic": ("float32", (20, WIDTH)),
        "synthetic_label": ("int64", (20,)),
    }
    assert found["label"].tolist() == data.test.label.tolist()
    assert all(np.isfinite(array).all() for array in found.values())


@pytest.mark.parametrize(("made", "kept"), [(12, 10), (10, 10), (3, 3)])
def test_the_first_synthetic_features_of_every_class_are_kept(data, made, kept):
    model = trained(data, epochs=1, synthetic_samples=made)
    features, label = model.synthetic()
    found = model.predict("test")

    assert label.tolist() == [2] * made + [5] * made
    assert found["synthetic_label"].tolist() == [2] * kept + [5] * kept
    expected = torch.cat([features[:kept], features[made : made + kept]]).numpy()
    np.testing.assert_array_equal(found["synthetic"], expected)


def test_classify_gives_the_scores_of_predict_row_by_row(data):
    model = trained(data)
    found, again = model.predict("test"), model.classify(data.test.features[3:7])

    assert again.keys() == {"scores", "unseen_scores"}
    for name, scores in again.items():
        np.testing.assert_allclose(scores, found[name][3:7], atol=1e-5)


def test_only_known_predictions_are_given(data):
    model = trained(data, epochs=1)
    for split in ("train", "val", VIEW, "test@other"):
        with pytest.raises(UsageError, match="no predictions"):
            model.predict(split)


def test_classifiers_are_trained_once_for_a_state_of_the_networks(data):
    model = trained(data)
    heads = model.trained_heads()
    model.finish()
    model.predict("test")

    assert model.heads is heads


# ---- the published choice of the classifier's epoch on test samples


def accuracies(label: np.ndarray, predicted: np.ndarray, classes: Any) -> float:
    return float(np.mean([(predicted[label == one] == one).mean() for one in classes]))


def by_epoch(model: TFVAEGAN, data: ZeroShotData) -> tuple[list[Any], list[float], list[float]]:
    """After every epoch: scores of the two softmax classifiers, H and ZSL accuracy on test."""
    rows, x = rows_by_hand(model), inputs_of_test(model)
    label = data.test.label
    generator = torch.Generator().manual_seed(model.stream + 1)
    scores: dict[str, list[np.ndarray]] = {}
    for name, task in (("scores", rows.generalized()), ("unseen_scores", rows.unseen())):
        kept = scores.setdefault(name, [])
        train_classifier(
            *task,
            batch_size=12,
            epochs=model.config.classifier_epochs,
            learning_rate=model.config.classifier_learning_rate,
            generator=generator,
            after_epoch=lambda _, classifier, kept=kept: kept.append(classifier.scores(x).numpy()),
        )
    h = []
    for found in scores["scores"]:
        predicted = data.classes[found.argmax(axis=1)]
        s, u = (accuracies(label, predicted, part) for part in (SEEN, UNSEEN))
        h.append(2 * s * u / (s + u) if s + u else 0.0)
    zsl = [
        accuracies(label, np.array(UNSEEN)[found.argmax(axis=1)], UNSEEN)
        for found in scores["unseen_scores"]
    ]
    return list(zip(*scores.values(), strict=True)), h, zsl


PEEKING: dict[str, Any] = {
    "best_classifier_epoch": True,
    "classifier_epochs": 12,
    "classifier_learning_rate": 0.1,
    "epochs": 1,
}


def test_the_best_epochs_on_test_are_chosen_apart_for_gzsl_and_zsl():
    data = world(noise=0.1)
    model = trained(data, **{**PEEKING, "classifier_learning_rate": 0.3})
    scores, h, zsl = by_epoch(model, data)
    best_h, best_zsl = int(np.argmax(h)), int(np.argmax(zsl))
    found = model.predict(VIEW)

    assert model.views == ("best-classifier-epoch",)
    assert len({best_h, best_zsl, 11}) == 3, "this world must tell the epochs apart"
    np.testing.assert_allclose(found["scores"], scores[best_h][0], atol=1e-4)
    np.testing.assert_allclose(found["unseen_scores"], scores[best_zsl][1], atol=1e-4)


@pytest.mark.parametrize("classifier", ["softmax", "detector"])
def test_looking_at_test_changes_nothing_but_the_extra_view(data, classifier):
    plain = trained(data, **{**PEEKING, "best_classifier_epoch": False}, classifier=classifier)
    peeking = trained(data, **PEEKING, classifier=classifier)
    found, same = plain.predict("test"), peeking.predict("test")

    assert plain.views == ()
    for name in found:
        np.testing.assert_array_equal(found[name], same[name])


def with_other_test_rows(data: ZeroShotData) -> ZeroShotData:
    """Test labels in another order, and other test features."""
    label, features = data.label.copy(), data.features.copy()
    for rows in (data.split.test_seen, data.split.test_unseen):
        label[rows] = np.roll(label[rows], len(rows) // 3)
        features[rows] += 0.2
    return replace(data, label=label, features=features)


@pytest.mark.parametrize("classifier", ["softmax", "detector"])
def test_without_it_test_samples_reach_neither_networks_nor_classifiers(data, classifier):
    one = trained(data, classifier=classifier)
    other = trained(with_other_test_rows(data), classifier=classifier)

    assert first_difference(one.state_dict(), other.state_dict()) is None
    features = data.test.features
    np.testing.assert_array_equal(
        one.classify(features)["scores"], other.classify(features)["scores"]
    )


def test_with_it_the_test_samples_decide_the_view_and_nothing_else(data):
    one, other = (
        trained(d, **PEEKING).state_dict()["heads"] for d in (data, with_other_test_rows(data))
    )
    differing = {key.partition(".")[0] for key in one if not torch.equal(one[key], other[key])}

    assert differing == {"best"}


def test_the_best_detector_has_the_best_of_each_of_its_three_parts(data):
    model = trained(data, **PEEKING, classifier="detector", detector_learning_rate=0.05)
    rows, x = rows_by_hand(model), inputs_of_test(model)
    label, seen_rows = data.test.label, len(data.test_seen)
    generator = torch.Generator().manual_seed(model.stream + 1)

    def best_and_last(task: Any, part: slice, classes: Any) -> tuple[LinearClassifier, ...]:
        kept: list[tuple[float, LinearClassifier]] = []

        def keep(_: int, found: LinearClassifier) -> None:
            value = accuracies(label[part], found.predict(x[part]).numpy(), classes)
            kept.append((value, copy.deepcopy(found)))

        settings: dict[str, Any] = {"batch_size": 12, "epochs": 12, "learning_rate": 0.05}
        last = train_classifier(*task, **settings, generator=generator, after_epoch=keep)
        return max(kept, key=lambda pair: pair[0])[1], last

    best_unseen, unseen = best_and_last(rows.unseen(), slice(seen_rows, None), UNSEEN)
    best_seen, seen = best_and_last(rows.seen(), slice(0, seen_rows), SEEN)
    kept: list[tuple[float, torch.Tensor]] = []

    def keep(_: int, found: OutOfDistributionClassifier) -> None:
        best = OutOfDistributionClassifier(copy.deepcopy(found.detector), best_seen, best_unseen)
        best.threshold = found.threshold
        predicted = best.predict(x).numpy()
        s, u = (accuracies(label, predicted, part) for part in (SEEN, UNSEEN))
        kept.append((2 * s * u / (s + u) if s + u else 0.0, best.scores(x)))

    train_detector(
        rows,
        seen,
        unseen,
        threshold="mean",
        batch_size=6,
        hidden=4,
        epochs=3,
        learning_rate=0.05,
        generator=generator,
        after_epoch=keep,
    )
    expected = max(kept, key=lambda pair: pair[0])[1]

    np.testing.assert_allclose(model.predict(VIEW)["scores"], expected, atol=1e-4)


# ---- training


def test_every_loop_passes_over_the_training_set_once(data):
    run = Epochs()
    trained(data, run, epochs=2, loops=3, batch_size=12)

    assert len(run.logged) == 2 * 3 * -(-len(data.train) // 12)


def test_only_the_second_loop_has_feedback(data):
    run = Epochs()
    model = built(data)
    before = copy.deepcopy(model.networks.feedback.state_dict())
    model.config = TFVAEGANConfig(**{**SMALL, "loops": 3, "epochs": 2})
    model.fit(run)
    states = [before, *run.feedbacks]
    moved = [not torch.equal(one["fc2.weight"], two["fc2.weight"]) for one, two in pairwise(states)]

    a_loop = len(data.train) // 8
    assert moved == ([False] * a_loop + [True] * a_loop + [False] * a_loop) * 2


def test_every_logged_value_is_one_finite_number(data):
    run = Epochs()
    trained(data, run, epochs=1)

    names = {"vae", "critic_real", "critic_fake", "penalty", "penalty_weight", "total", "decoder"}
    assert names <= run.logged[0].keys()
    for values in run.logged:
        assert all(value.ndim == 0 and value.isfinite() for value in values.values())


@pytest.mark.parametrize(
    ("every", "chosen", "expected"),
    [(1, None, [1, 2, 3, 4, 5]), (2, None, [2, 4, 5]), (9, None, [5]), (2, 3, [2, 3]), (9, 1, [1])],
)
def test_scores_come_every_so_many_epochs_and_at_the_last_and_the_chosen_one(
    data, every, chosen, expected
):
    run = Epochs(chosen)
    trained(data, run, epochs=5, evaluate_every=every, loops=1)

    assert run.evaluated == expected


def test_how_often_scores_are_taken_changes_no_training(data):
    often, once = (trained(data, epochs=3, evaluate_every=every) for every in (1, 3))

    assert first_difference(often.state_dict(), once.state_dict()) is None
    np.testing.assert_array_equal(often.predict("test")["scores"], once.predict("test")["scores"])


def test_the_seed_of_a_run_decides_its_batches_and_noise(data):
    class Other(Epochs):
        seed = 1

    one, same, other = (trained(data, run) for run in (Epochs(), Epochs(), Other()))

    assert first_difference(one.state_dict(), same.state_dict()) is None
    assert one.stream != other.stream
    for name in ("encoder", "generator", "critic", "decoder", "feedback"):
        weights = [getattr(m.networks, name).fc1.weight for m in (one, other)]
        assert not torch.equal(*weights), name


def test_every_epoch_has_a_stream_of_its_own(data):
    streams = [trained(data, Epochs(chosen), epochs=3).stream for chosen in (1, 2, 3)]

    assert len(set(streams)) == 3
    assert streams == [epoch_generator(0, epoch).initial_seed() for epoch in (1, 2, 3)]


# ---- ablations


def test_without_feedback_its_network_is_neither_read_nor_moved(data):
    model = built(data, feedback=False)
    with torch.no_grad():
        for parameter in model.networks.feedback.parameters():
            parameter.fill_(torch.nan)
    run = Epochs()
    model.fit(run)

    assert all(parameter.isnan().all() for parameter in model.networks.feedback.parameters())
    assert all(value.isfinite() for values in run.logged for value in values.values())
    assert np.isfinite(model.predict("test")["scores"]).all()
    assert model.synthetic()[0].isfinite().all()


def test_with_feedback_its_network_moves_training_and_synthesis(data):
    model = trained(data)
    plain = trained(data, feedback=False)
    assert not torch.equal(model.networks.generator.fc3.weight, plain.networks.generator.fc3.weight)

    before = model.synthetic()[0]
    with torch.no_grad():
        model.networks.feedback.fc2.bias += 1
    assert not torch.equal(before, model.synthetic()[0])


def test_synthesis_has_a_strength_of_its_own(data):
    model = trained(data, synthesis_strength=0.0)
    plain = built(data, feedback=False)
    plain.networks, plain.stream = model.networks, model.stream

    np.testing.assert_array_equal(model.synthetic()[0], plain.synthetic()[0])
    model.config = TFVAEGANConfig(**{**SMALL, "synthesis_strength": 2.0})
    assert not torch.equal(model.synthetic()[0], plain.synthetic()[0])


def test_without_the_transform_classifiers_see_features_alone(data):
    def width(**options: Any) -> int:
        generalized = trained(data, epochs=1, **options).trained_heads().last.generalized
        assert isinstance(generalized, LinearClassifier)
        return generalized.weight.shape[1]

    assert width() == WIDTH + ATTRIBUTES + SMALL["hidden"]
    assert width(transform=False) == WIDTH


def test_f_vaegan_has_neither_and_leaves_the_decoder_as_it_was(data):
    options = presets()["*/f-vaegan"]
    before = built(data, **options).networks
    after = trained(data, **options).networks

    assert first_difference(before.decoder.state_dict(), after.decoder.state_dict()) is None
    assert first_difference(before.feedback.state_dict(), after.feedback.state_dict()) is None
    assert not torch.equal(before.generator.fc1.weight, after.generator.fc1.weight)


def test_bce_trains_the_decoder_towards_scaled_embeddings(data):
    model = built(data, attribute_loss="bce")
    training = model.training_set()

    assert model.networks.decoder.output_kind == "sigmoid"
    np.testing.assert_array_equal(training.targets, data.bce_attributes[data.train.label])
    np.testing.assert_array_equal(training.attributes, data.attributes[data.train.label])


# ---- what is refused, and what is kept


@pytest.mark.parametrize("scaling", ["standard", "none"])
def test_features_outside_0_to_1_are_refused(data, scaling):
    with pytest.raises(UsageError, match=r"\[0, 1\].*training features reach from") as error:
        built(replace(data, scaling=scaling))
    assert "--scaling minmax" in error.value.fix


@pytest.mark.parametrize("value", [-0.01, 1.01])
def test_one_training_value_outside_is_enough(data, value):
    features = data.scaler.transform(data.features)
    features[data.split.train[3], 2] = value
    with pytest.raises(UsageError, match=str(value)):
        built(replace(data, features=features, scaling="none"))


def test_features_that_lie_there_already_need_no_scaling(data):
    low, high = data.features.min(), data.features.max()
    features = (data.features - low) / (high - low)
    model = trained(replace(data, features=features, scaling="none"), epochs=1)

    assert np.isfinite(model.predict("test")["scores"]).all()


@pytest.mark.parametrize("classifier", ["softmax", "detector"])
@pytest.mark.parametrize("peeking", [True, False])
def test_a_loaded_state_predicts_the_same_without_training(data, classifier, peeking):
    options = {"classifier": classifier, "best_classifier_epoch": peeking}
    model = trained(data, **options)
    again = built(data, seed=9, **options)
    again.load_state_dict(copy.deepcopy(model.state_dict()))

    assert again.heads is not None
    assert first_difference(again.state_dict(), model.state_dict()) is None
    for view in ["test", *([VIEW] if peeking else [])]:
        found, expected = again.predict(view), model.predict(view)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])


def test_a_state_from_before_its_classifiers_trains_the_same_ones(data):
    model = trained(data)
    expected = model.predict("test")
    model.heads = None
    again = built(data, seed=9)
    again.load_state_dict(copy.deepcopy(model.state_dict()))

    assert again.heads is None
    np.testing.assert_array_equal(again.predict("test")["scores"], expected["scores"])


def test_a_state_of_other_networks_or_classifiers_is_refused(data):
    state = trained(data, epochs=1).state_dict()
    missing = {**state, "networks": {**state["networks"]}}
    del missing["networks"]["critic.fc1.bias"]
    foreign = {**state, "heads": {**state["heads"], "other": torch.zeros(1)}}

    for wrong in (missing, foreign):
        with pytest.raises(CheckpointError):
            built(data).load_state_dict(wrong)
    for options in (
        {"hidden": 9},
        {"transform": False},
        {"classifier": "detector"},
        {"best_classifier_epoch": True},
        {"synthetic_samples": 3},
    ):
        with pytest.raises(CheckpointError):
            built(data, **options).load_state_dict(state)


@pytest.mark.parametrize("classifier", ["softmax", "detector"])
def test_a_state_of_other_classes_is_refused_though_its_shapes_fit(data, classifier):
    state = trained(data, epochs=1, classifier=classifier).state_dict()
    label = (data.label + 1) % 6  # as many seen and unseen classes, of other ids
    other = built(replace(data, label=label), classifier=classifier)

    with pytest.raises(CheckpointError, match="other classes"):
        other.load_state_dict(state)


# ---- whole runs


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name, write in {"custom": write_custom_demo, "ucf101": write_ucf101_demo}.items():
        (root / name).mkdir()
        write(root / name, 0)
    return root


@pytest.mark.parametrize(
    ("dataset", "select"),
    [("custom", "val"), ("custom", "last"), ("custom", "test"), ("ucf101", "test")],
)
def test_eval_equals_the_results_of_a_run_by_every_rule(dataset, select, data_root, tmp_path):
    result = mlzoo.run(
        "tfvaegan",
        dataset=dataset,
        preset="smoke",
        data_dir=data_root,
        out=tmp_path,
        device="cpu",
        figures=False,
        progress=Progress(quiet=True),
        select=select,
        best_classifier_epoch=True,
        hidden=8,
        critic_hidden=8,
    )

    assert {"test", VIEW} <= result.metrics.keys()
    assert first_difference(mlzoo.evaluate(result.directory, device="cpu"), result.metrics) is None
