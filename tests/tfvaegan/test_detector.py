"""The out-of-distribution detector against recorded results and the plain formulation."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlzoo.errors import DataError
from mlzoo_tfvaegan.classifier import Best, LinearClassifier, TrainingRows, train_classifier
from mlzoo_tfvaegan.detector import (
    Detector,
    OutOfDistributionClassifier,
    ThresholdRule,
    accepted_accuracy,
    entropy,
    train_detector,
)
from mlzoo_tfvaegan.discriminative import discriminative
from mlzoo_tfvaegan.networks import Decoder
from mlzoo_tfvaegan.sampling import Permute, RestartingRows, permuting

GOLDEN = Path(__file__).parents[1] / "golden" / "tfvaegan"


def load_golden(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def below(golden: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}


def class_mean(predicted: Tensor, label: Tensor, classes: Tensor, accepted: Tensor) -> float:
    right = ((predicted == label) & accepted).double()
    return float(torch.stack([right[label == k].mean() for k in classes]).mean())


@pytest.fixture(scope="module")
def recorded() -> tuple[dict[str, Tensor], TrainingRows, dict[str, Tensor]]:
    """What was recorded, its training rows and its test features by part."""
    golden = load_golden("od_detector")
    hidden, width = golden["netDec.fc1.weight"].shape
    decoder = Decoder(width, len(golden["netDec.fc3.bias"]), hidden, "sigmoid")
    decoder.load_state_dict(below(golden, "netDec."))
    rows = TrainingRows.of(
        decoder,
        golden["train_feature"],
        golden["train_label"],
        golden["syn_feature"],
        golden["syn_label"],
    )
    parts = ("seen", "unseen")
    tests = {part: discriminative(decoder, golden[f"test_{part}_feature"]) for part in parts}
    return golden, rows, tests


def branch(
    recorded: tuple[dict[str, Tensor], TrainingRows, dict[str, Tensor]], part: str
) -> Best[LinearClassifier]:
    """The classifier of one branch, trained as recorded."""
    golden, rows, tests = recorded
    task = rows.seen() if part == "seen" else rows.unseen()
    label = golden[f"test_{part}_label"]
    initial = LinearClassifier(task[0].shape[1], task[2])
    state = {name: golden[f"{part}_cls.init_{name}"] for name in ("weight", "bias")}
    initial.load_state_dict({**state, "classes": task[2]})

    def measure(model: LinearClassifier) -> float:
        accepted = torch.ones(len(label), dtype=torch.bool)
        return class_mean(model.predict(tests[part]), label, task[2], accepted)

    best = Best(measure)
    train_classifier(
        *task,
        batch_size=int(golden["cls_batch"]),
        epochs=int(golden["nepoch"]),
        learning_rate=float(golden["cls_lr"]),
        permutations=golden[f"perms_{part}_cls"],
        initial=initial,
        after_epoch=best,
    )
    return best


def test_recorded_training_is_replayed(
    recorded: tuple[dict[str, Tensor], TrainingRows, dict[str, Tensor]],
) -> None:
    golden, rows, tests = recorded
    classifiers = {}
    for part in ("unseen", "seen"):
        best = branch(recorded, part)
        assert best.model is not None
        expected = below(golden, f"{part}_cls.best_")
        assert max(best.history) == pytest.approx(float(expected["acc"]), abs=1e-6)
        torch.testing.assert_close(best.model.weight, expected["weight"], rtol=0, atol=1e-7)
        torch.testing.assert_close(best.model.bias, expected["bias"], rtol=0, atol=1e-7)
        classifiers[part] = best.model
    initial_state = below(golden, "od_init.")
    hidden, width = initial_state["fc1.weight"].shape
    initial = Detector(width, len(golden["seenclasses"]), hidden)
    initial.load_state_dict(initial_state)
    thresholds: list[float] = []
    accuracy: dict[str, list[float]] = {"seen": [], "unseen": []}

    def measure(model: OutOfDistributionClassifier) -> float:
        thresholds.append(float(model.threshold))
        for part, x in tests.items():
            accepted = model.is_seen(x) == (part == "seen")
            predicted = classifiers[part].predict(x)
            label, classes = golden[f"test_{part}_label"], golden[f"{part}classes"]
            accuracy[part].append(class_mean(predicted, label, classes, accepted))
            mine = accepted_accuracy(predicted, label, accepted, classes).nanmean()
            assert float(mine) == pytest.approx(accuracy[part][-1])
            assert torch.equal((model.predict(x) == label) & accepted, model.predict(x) == label)
        seen, unseen = accuracy["seen"][-1], accuracy["unseen"][-1]
        return 2 * seen * unseen / (seen + unseen + 1e-12)

    best = Best(measure)
    final = train_detector(
        rows,
        classifiers["seen"],
        classifiers["unseen"],
        threshold="published",
        batch_size=int(golden["od_batch"]),
        epochs=int(golden["nepoch"]),
        learning_rate=float(golden["od_lr"]),
        permutations=golden["od_perms_flat"].split(golden["od_perm_lengths"].tolist()),
        initial=initial,
        after_epoch=best,
    )
    # 60 steps of Adam at a large rate amplify float32 rounding: the same formulas in float64 are up to
    # 1.6e-6 away from what was recorded.
    for name, value in below(golden, "od_final.").items():
        found = final.detector.state_dict()[name]
        torch.testing.assert_close(found, value, rtol=0, atol=5e-6)
    close: dict[str, Any] = {"rtol": 0, "atol": 1e-6}
    recorded_thresholds = golden["threshold_per_epoch"].tolist()
    assert thresholds == pytest.approx(recorded_thresholds, abs=1e-6)
    for part, values in accuracy.items():
        assert values == pytest.approx(golden[f"acc_{part}_per_epoch"].tolist(), abs=1e-6)
        torch.testing.assert_close(
            final.entropy(tests[part]), golden[f"entropy_test_{part}"], **close
        )
    assert max(best.history) == pytest.approx(float(golden["best_H"]), abs=1e-6)


def small_rows(
    real: int = 23, synthetic: int = 31, dtype: torch.dtype = torch.float64
) -> TrainingRows:
    """Seen classes 1, 4, 6 and unseen classes 0, 5, each around its own centre, width 8."""
    generator = torch.Generator().manual_seed(2)
    seen, unseen = torch.tensor([1, 4, 6]), torch.tensor([0, 5])
    label = torch.cat([seen[torch.arange(real) % 3], unseen[torch.arange(synthetic) % 2]])
    centres = torch.randn(7, 8, generator=generator, dtype=dtype)
    noise = torch.randn(len(label), 8, generator=generator, dtype=dtype)
    return TrainingRows(centres[label] + 0.2 * noise, label, real)


def branches(rows: TrainingRows) -> list[LinearClassifier]:
    """The seen and the unseen classifier."""
    return [
        train_classifier(
            *task,
            batch_size=10,
            epochs=20,
            learning_rate=0.02,
            generator=torch.Generator().manual_seed(0),
        )
        for task in (rows.seen(), rows.unseen())
    ]


class ReorderedData:
    """Batches as the published program takes them: the data themselves are put into a new order."""

    def __init__(self, data: Iterable[Tensor], permute: Permute) -> None:
        self.data = list(data)
        self.permute = permute
        self.position = 0

    def batch(self, count: int) -> list[Tensor]:
        rows = len(self.data[0])
        if self.position + count > rows - count:
            order = self.permute(rows)
            self.data = [each[order] for each in self.data]
            return [each[:count] for each in self.data]
        self.position += count
        return [each[self.position - count : self.position] for each in self.data]


def plain_detector(
    rows: TrainingRows, initial: Detector, permute: Permute, batch: int, epochs: int
) -> tuple[Detector, list[float]]:
    """Reordered data, two forward passes, ordinary Adam; with the published thresholds."""
    detector = copy.deepcopy(initial)
    optimizer = torch.optim.Adam(detector.parameters(), lr=0.01, betas=(0.5, 0.999))
    x, label, _ = rows.seen()
    seen = ReorderedData([x, torch.searchsorted(label.unique(), label)], permute)
    unseen = ReorderedData([rows.unseen()[0]], permute)
    thresholds = []
    for _ in range(epochs):
        total = 0.0
        for _ in range(0, rows.real, batch):
            input_seen, target = seen.batch(batch // 2)
            (input_unseen,) = unseen.batch(batch // 2)
            p = detector(input_seen).softmax(dim=1)
            q = detector(input_unseen).softmax(dim=1)
            own, other = -(p * p.log()).sum(dim=1), -(q * q.log()).sum(dim=1)
            loss = own.mean() + nn.functional.nll_loss(p.log(), target) - other.mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(own.detach().sum())
        thresholds.append(total / rows.real)
    return detector, thresholds


@pytest.mark.parametrize(
    ("real", "synthetic", "batch"), [(23, 31, 6), (24, 24, 8), (5, 40, 8), (3, 3, 8)]
)
def test_training_is_that_of_reordered_copies_and_two_passes(
    real: int, synthetic: int, batch: int
) -> None:
    rows = small_rows(real, synthetic)
    initial = Detector(8, 3, hidden=6).double()
    initial.initialise(torch.Generator().manual_seed(0))
    plain, expected = plain_detector(
        rows, initial, permuting(torch.Generator().manual_seed(1), None), batch, epochs=4
    )
    thresholds: list[float] = []
    ours = train_detector(
        rows,
        *branches(rows),
        threshold="published",
        batch_size=batch,
        epochs=4,
        learning_rate=0.01,
        generator=torch.Generator().manual_seed(1),
        initial=initial,
        after_epoch=lambda _, model: thresholds.append(float(model.threshold)),
    )
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours.detector.state_dict()[name], value, rtol=0, atol=1e-10)
    assert thresholds == pytest.approx(expected, rel=1e-12)


def trained(rows: TrainingRows, threshold: ThresholdRule = "mean") -> OutOfDistributionClassifier:
    return train_detector(
        rows,
        *branches(rows),
        threshold=threshold,
        batch_size=10,
        epochs=30,
        learning_rate=0.01,
        generator=torch.Generator().manual_seed(7),
    )


def test_threshold_is_the_mean_or_as_published_a_smaller_part_of_it() -> None:
    rows = small_rows()
    mean, published = (trained(rows, rule).threshold for rule in ("mean", "published"))
    steps, half = 3, 5
    torch.testing.assert_close(published, mean * steps * half / rows.real)


def test_detector_tells_real_from_synthesised() -> None:
    rows = small_rows()
    model = trained(rows)
    model.threshold.fill_(0.5)
    assert model.is_seen(rows.seen()[0]).double().mean() > 0.9
    assert model.is_seen(rows.unseen()[0]).double().mean() < 0.1
    assert (model.predict(rows.features) == rows.label).double().mean() > 0.9


def test_largest_score_is_the_decision_at_and_around_the_threshold() -> None:
    rows = small_rows()
    model = trained(rows)
    x = rows.features
    for value in model.entropy(x):
        for threshold in (
            value,
            torch.nextafter(value, value + 1),
            torch.nextafter(value, value - 1),
        ):
            model.threshold = threshold
            assert torch.equal(model.classes[model.scores(x).argmax(dim=1)], model.predict(x))
    assert model.scores(x).dtype == torch.float32


def test_entropy_at_the_threshold_is_unseen() -> None:
    rows = small_rows()
    model = trained(rows)
    x = rows.features[:1]
    model.threshold = model.entropy(x)[0]
    assert not model.is_seen(x)
    assert model.predict(x).item() in (0, 5)


def test_constant_on_seen_scores_moves_the_threshold() -> None:
    rows = small_rows()
    model = trained(rows)
    scores, seen = model.scores(rows.features), torch.isin(model.classes, model.seen.classes)
    model.threshold = model.threshold + 0.25
    shifted = model.classes[(scores + 0.25 * seen).argmax(dim=1)]
    assert torch.equal(shifted, model.predict(rows.features))


def test_rounding_of_scores_makes_no_other_class_win() -> None:
    """Two seen classes whose log-probabilities differ by less than float32 tells beside the margin."""
    model = trained(small_rows())
    model.seen.weight.zero_()
    model.seen.bias.copy_(torch.tensor([0.0, 1e-12, 0.0]))
    model.threshold.fill_(1e3)
    scores = model.scores(small_rows().features)
    assert set(model.classes[scores.argmax(dim=1)].tolist()) == {4}


@pytest.mark.parametrize("case", range(4))
def test_entropies_and_accepted_accuracies_are_as_recorded(case: int) -> None:
    golden = below(load_golden("metrics"), f"case{case}/")
    found = entropy(golden["logits"])
    torch.testing.assert_close(found, golden["entropy"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.mean(), golden["entropy_mean"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(-found.mean(), golden["neg_entropy_mean"], rtol=1e-5, atol=1e-6)
    classes = golden["classes"].sort().values
    accuracy = accepted_accuracy(
        golden["predicted"], golden["labels"], golden["accept_mask"].bool(), classes
    )
    expected = golden["masked_acc"].double()
    torch.testing.assert_close(accuracy.mean(), expected, rtol=0, atol=1e-6, equal_nan=True)


def test_rows_come_once_in_order_and_then_anew_each_time() -> None:
    drawn = [torch.tensor([6, 5, 4, 3, 2, 1, 0]), torch.tensor([1, 2, 3, 4, 5, 6, 0])]
    rows = RestartingRows(7, permuting(None, drawn))
    taken = [rows.take(2).tolist() for _ in range(4)]
    assert taken == [[0, 1], [2, 3], [6, 5], [5, 4]]


def test_label_unknown_to_the_seen_classifier_is_named() -> None:
    rows = small_rows()
    seen, unseen = branches(rows)
    with pytest.raises(DataError, match="Label 1 is none of the 2 classes"):
        train_detector(rows, unseen, seen, threshold="mean")


def test_missing_synthesised_rows_are_refused() -> None:
    rows = small_rows()
    features, label, _ = rows.seen()
    with pytest.raises(DataError, match="no synthesised rows"):
        train_detector(TrainingRows(features, label, rows.real), *branches(rows), threshold="mean")
