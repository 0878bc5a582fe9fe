"""The softmax classifier and its features against recorded results and the plain formulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mlzoo.errors import DataError
from mlzoo_tfvaegan.classifier import (
    Best,
    LinearClassifier,
    Task,
    TrainingRows,
    train_classifier,
)
from mlzoo_tfvaegan.discriminative import discriminative
from mlzoo_tfvaegan.networks import Decoder
from mlzoo_tfvaegan.sampling import RowStream, permuting

GOLDEN = Path(__file__).parents[1] / "golden" / "tfvaegan"
RECORDED = ("classifier_gzsl", "classifier_zsl", "classifier_zsl_ragged")


def load_golden(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def recorded_decoder(golden: dict[str, Tensor]) -> Decoder:
    hidden, features = golden["netDec.fc1.weight"].shape
    decoder = Decoder(features, len(golden["netDec.fc3.bias"]), hidden)
    prefix = "netDec."
    decoder.load_state_dict(
        {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}
    )
    return decoder


def class_mean_accuracy(predicted: Tensor, label: Tensor, classes: Tensor) -> float:
    correct = (predicted == label).double()
    return float(torch.stack([correct[label == k].mean() for k in classes]).mean())


def linear(weight: Tensor, bias: Tensor, classes: Tensor) -> LinearClassifier:
    made = LinearClassifier(weight.shape[1], classes).to(weight)
    made.load_state_dict({"weight": weight, "bias": bias, "classes": classes})
    return made


def world(rows: int = 50, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Features [rows, 7] around a centre for each of the classes 2, 5, 9, with labels and classes."""
    generator = torch.Generator().manual_seed(3)
    classes = torch.tensor([2, 5, 9])
    place = torch.arange(rows) % 3
    centres = torch.randn(3, 7, generator=generator, dtype=dtype)
    noise = torch.randn(rows, 7, generator=generator, dtype=dtype)
    return centres[place] + 0.3 * noise, classes[place], classes


class Watched(TorchDispatchMode):
    """Records how large tensors are that are made, and how often somebody waited for a number."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.waited = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._local_scalar_dense.default:
            self.waited += 1
        if isinstance(made, Tensor) and not func.is_view:
            self.sizes.append(made.numel())
        return made


def plain_classifier(
    task: Task, initial: LinearClassifier, permutations: Iterator[Tensor], batch: int, epochs: int
) -> nn.Linear:
    """The same with reordered copies of the data, automatic gradients and ordinary Adam."""
    features, label, classes = task
    layer = nn.Linear(features.shape[1], len(classes)).to(features)
    layer.load_state_dict({"weight": initial.weight, "bias": initial.bias})
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01, betas=(0.5, 0.999))
    target = torch.tensor([classes.tolist().index(k) for k in label.tolist()])
    order = next(permutations)
    x, y, used = features[order], target[order], 0
    for _ in range(epochs):
        for _ in range(0, len(x), batch):
            input_rows, input_target = x[used : used + batch], y[used : used + batch]
            used += len(input_rows)
            if len(input_rows) < batch:
                order, used = next(permutations), batch - len(input_rows)
                x, y = x[order], y[order]
                input_rows = torch.cat([input_rows, x[:used]])
                input_target = torch.cat([input_target, y[:used]])
            loss = nn.functional.nll_loss(layer(input_rows).log_softmax(dim=1), input_target)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return layer


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_training_is_replayed(name: str) -> None:
    golden = load_golden(name)
    decoder = recorded_decoder(golden)
    unseen = discriminative(decoder, golden["test_unseen_feature"])
    torch.testing.assert_close(unseen, golden["test_unseen_transformed"], rtol=1e-5, atol=1e-6)
    generalized = bool(golden["generalized"])
    classes = torch.arange(int(golden["nclass"])) if generalized else golden["unseenclasses"]
    label = golden["train_Y"] if generalized else classes[golden["train_Y"]]
    tests = {"unseen": (unseen, golden["test_unseen_label"], golden["unseenclasses"])}
    if generalized:
        seen = discriminative(decoder, golden["test_seen_feature"])
        tests["seen"] = (seen, golden["test_seen_label"], golden["seenclasses"])
    accuracy: dict[str, list[float]] = {part: [] for part in tests}

    def measure(classifier: LinearClassifier) -> float:
        for part, (x, truth, among) in tests.items():
            accuracy[part].append(class_mean_accuracy(classifier.predict(x), truth, among))
        last = [values[-1] for values in accuracy.values()]
        return len(last) / sum(1 / max(each, 1e-12) for each in last)  # harmonic mean

    best = Best(measure)
    classifier = train_classifier(
        discriminative(decoder, golden["train_X"]),
        label,
        classes,
        batch_size=int(golden["batch_size"]),
        epochs=int(golden["nepoch"]),
        learning_rate=float(golden["lr"]),
        beta1=float(golden["beta1"]),
        permutations=golden["perms"],
        initial=linear(golden["init_weight"], golden["init_bias"], classes),
        after_epoch=best,
    )
    torch.testing.assert_close(classifier.weight, golden["final_weight"], rtol=0, atol=1e-7)
    torch.testing.assert_close(classifier.bias, golden["final_bias"], rtol=0, atol=1e-7)
    for part, values in accuracy.items():
        recorded = golden[f"acc_{part}_per_epoch" if generalized else "acc_per_epoch"]
        torch.testing.assert_close(torch.tensor(values).double(), recorded, rtol=0, atol=1e-6)
        last = golden[f"pred_{part}_last" if generalized else "pred_last"]
        predicted = classifier.predict(tests[part][0])
        assert torch.equal(
            predicted if generalized else torch.searchsorted(classes, predicted), last
        )
    recorded_best = golden["best_H" if generalized else "best_acc"]
    assert max(best.history) == pytest.approx(float(recorded_best), abs=1e-6)
    assert best.model is not None
    if not generalized:
        kept = golden["best_model.fc.weight"]
        torch.testing.assert_close(best.model.weight, kept, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("rows", "batch"), [(50, 8), (48, 8), (48, 48), (50, 49), (7, 5)])
def test_training_is_that_of_reordered_copies_and_automatic_gradients(
    rows: int, batch: int
) -> None:
    task = world(rows)
    initial = LinearClassifier(7, task[2]).double()
    initial.initialise(torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    permutations = [torch.randperm(rows, generator=generator) for _ in range(12)]
    plain = plain_classifier(task, initial, iter(permutations), batch, epochs=5)
    ours = train_classifier(
        *task,
        batch_size=batch,
        epochs=5,
        learning_rate=0.01,
        permutations=permutations,
        initial=initial,
    )
    torch.testing.assert_close(ours.weight.data, plain.weight.data, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.bias.data, plain.bias.data, rtol=0, atol=1e-12)
    assert not torch.equal(ours.weight, initial.weight)


def test_drawn_training_is_the_generators_weights_then_its_permutations() -> None:
    features, label, classes = world()
    settings: dict[str, Any] = {"batch_size": 8, "epochs": 3, "learning_rate": 0.01}
    drawn = train_classifier(
        features, label, classes, generator=torch.Generator().manual_seed(5), **settings
    )
    generator = torch.Generator().manual_seed(5)
    initial = LinearClassifier(7, classes).double()
    initial.initialise(generator)
    given = train_classifier(
        features,
        label,
        classes,
        initial=initial,
        permutations=(torch.randperm(50, generator=generator) for _ in range(9)),
        **settings,
    )
    assert torch.equal(drawn.weight, given.weight)
    assert 0.01 < float(initial.weight.std()) < 0.03
    assert (drawn.predict(features) == label).double().mean() > 0.9


def test_initial_weights_are_left_as_they_are() -> None:
    features, label, classes = world()
    initial = LinearClassifier(7, classes).double()
    trained = train_classifier(
        features, label, classes, batch_size=8, epochs=1, learning_rate=0.01, initial=initial
    )
    assert not initial.weight.any()
    assert trained.weight.any()


def test_batch_larger_than_the_rows_is_all_of_them() -> None:
    runs = [
        train_classifier(
            *world(20),
            batch_size=batch,
            epochs=4,
            learning_rate=0.01,
            generator=torch.Generator().manual_seed(0),
        )
        for batch in (20, 300)
    ]
    assert torch.equal(runs[0].weight, runs[1].weight)


def test_scores_are_log_probabilities_and_the_first_of_equal_classes_wins() -> None:
    classifier = linear(torch.eye(3)[:, :2], torch.zeros(3), torch.tensor([4, 6, 7]))
    scores = classifier.scores(torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]]))
    torch.testing.assert_close(scores.exp().sum(dim=1), torch.ones(3))
    x = torch.tensor([[1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    assert classifier.predict(x).tolist() == [4, 4, 6]


def test_label_outside_the_classes_is_named() -> None:
    features, label, classes = world()
    with pytest.raises(DataError, match="Label 9 is none of the 2 classes"):
        train_classifier(features, label, classes[:2], batch_size=8, epochs=1, learning_rate=0.01)


def test_no_rows_are_refused() -> None:
    features, label, classes = world()
    with pytest.raises(DataError, match="no rows"):
        train_classifier(
            features[:0], label[:0], classes, batch_size=8, epochs=1, learning_rate=0.01
        )


def test_stream_completes_a_batch_from_a_new_order_of_the_old_one() -> None:
    permutations = [torch.tensor([2, 0, 1, 4, 3]), torch.tensor([4, 3, 2, 1, 0])]
    stream = RowStream(5, permuting(None, permutations))
    assert stream.take(3).tolist() == [2, 0, 1]
    assert stream.take(3).tolist() == [4, 3, 3]  # composed: the old order [2, 0, 1, 4, 3] backwards


def test_stream_draws_no_order_before_its_first_row_is_needed() -> None:
    drawn: list[int] = []

    def permutations() -> Iterable[Tensor]:
        while True:
            drawn.append(1)
            yield torch.arange(4)

    stream = RowStream(4, permuting(None, permutations()))
    stream.take(2), stream.take(2)
    assert len(drawn) == 1
    stream.take(1)
    assert len(drawn) == 2


def test_transform_is_feature_output_and_hidden_layer_of_all_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlzoo_tfvaegan.discriminative.ROWS", 4)
    decoder = Decoder(6, 3, 5)
    first, second = torch.rand(9, 6), torch.rand(2, 6)
    x = torch.cat([first, second])
    expected = torch.cat([x, decoder(x), decoder.hidden(x)], dim=1)
    made = discriminative(decoder, first, second)
    torch.testing.assert_close(made, expected.detach())
    assert not made.requires_grad


def test_without_decoder_features_are_left_alone() -> None:
    first, second = torch.rand(3, 6), torch.rand(2, 6)
    assert discriminative(None, first) is first
    assert torch.equal(discriminative(None, first, second), torch.cat([first, second]))


def test_parts_of_the_training_rows_are_views_of_one_matrix() -> None:
    rows = TrainingRows.of(
        Decoder(6, 3, 5),
        torch.rand(4, 6),
        torch.tensor([3, 0, 3, 0]),
        torch.rand(2, 6),
        torch.tensor([1, 2]),
    )
    assert rows.features.shape == (6, 6 + 3 + 5)
    for task, classes in (
        (rows.generalized(), [0, 1, 2, 3]),
        (rows.seen(), [0, 3]),
        (rows.unseen(), [1, 2]),
    ):
        assert task[2].tolist() == classes
        assert set(task[1].tolist()) == set(classes)
        assert task[0].untyped_storage().data_ptr() == rows.features.untyped_storage().data_ptr()
    assert torch.equal(rows.unseen()[0], rows.features[4:])


def test_best_keeps_a_copy_of_the_first_of_equal_epochs() -> None:
    model = nn.Linear(1, 1)
    values = iter([0.0, 0.5, 0.5, 0.2])
    best: Best[nn.Linear] = Best(lambda _: next(values))
    for epoch in range(4):
        nn.init.constant_(model.weight, epoch)
        best(epoch, model)
    assert best.history == [0.0, 0.5, 0.5, 0.2]
    assert best.model is not None
    assert best.model.weight.item() == 1


def test_training_makes_nothing_larger_than_a_batch_and_waits_for_no_number() -> None:
    features, label, classes = world(600)
    with Watched() as watched:
        train_classifier(features, label, classes, batch_size=8, epochs=2, learning_rate=0.01)
    assert max(watched.sizes) <= 600  # row numbers of an epoch
    assert watched.waited == 0


def test_transform_makes_one_matrix_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlzoo_tfvaegan.discriminative.ROWS", 10)
    decoder, blocks = Decoder(6, 3, 5), (torch.rand(200, 6), torch.rand(100, 6))
    with Watched() as watched:
        made = discriminative(decoder, *blocks)
    largest, next_largest = sorted(watched.sizes)[-1:-3:-1]
    assert (largest, next_largest) == (made.numel(), 10 * 6)
