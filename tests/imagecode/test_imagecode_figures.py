"""Figures of contextual retrieval: what they show, and when they do not apply."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from small_contextual import scores_of, small_part

from mlzoo.run_directory import RunRecord
from mlzoo_imagecode.contextual import Part
from mlzoo_imagecode.evaluators import score
from mlzoo_imagecode.figures import distances, phenomena, strip_figure, strips, training
from mlzoo_imagecode.metric_specs import TAG_NAMES
from mlzoo_imagecode.scores.intervals import wilson
from mlzoo_imagecode.shown import SIDE, shown_examples, shown_rows

LONG = "one can see $5_{each} on the table & 100 % of the_dog^s tail " * 12


@dataclass
class FakeRun:
    """What figures read of a run."""

    arrays: dict[str, Any]
    rows: list[dict[str, Any]]
    seed: int = 0
    model: str = "some-model"

    @property
    def info(self) -> dict[str, Any]:
        return {"started": ""}

    @property
    def config(self) -> dict[str, Any]:
        return {"model": self.model}

    @property
    def results(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "dataset": "some-data",
            "seed": self.seed,
            "data": {"fingerprint": "f"},
            "evaluators": {"matching": "1"},
            "plugins": {"p": "1"},
            "references": {"accuracy": {"chance": 10.0}},
            "metrics": {split: {} for split in self.arrays},
        }

    def predictions(self, split: str) -> dict[str, Any]:
        return self.arrays[split]

    step_means = RunRecord.step_means
    curve = RunRecord.curve


def predictions_of(part: Part, seed: int, right: float = 0.5) -> dict[str, Any]:
    scores = scores_of(part, seed=seed, right=right)
    return {"scores": scores, **part.arrays(), **shown_examples(part, scores)}


def run(seed: int = 0, *, model: str = "some-model", test: Part | None = None) -> FakeRun:
    part = small_part(30, seed=3, annotated=True)
    arrays = {"val": predictions_of(part, seed)}
    if test is not None:
        arrays["test"] = predictions_of(test, seed)
    rows: list[dict[str, Any]] = [
        {"epoch": epoch, "step": epoch, "loss": 3.0 / epoch, "training_accuracy": 20.0 * epoch}
        for epoch in (1, 2, 3)
    ]
    rows += [
        {"epoch": epoch, "split": "val", "accuracy": 12.0 * epoch, "accuracy_video": 9.0 * epoch}
        for epoch in (1, 2, 3)
    ]
    return FakeRun(arrays, rows, seed, model)


Drawn = Callable[[Figure | None], list[Any]]


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    """Draws a figure to be sure that it can be, and gives its panels."""

    def draw(figure: Figure | None) -> list[Any]:
        assert figure is not None
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.savefig(tmp_path / "figure.png", dpi=40)
        return list(figure.axes)

    return draw


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_shown_cases_are_right_and_wrong_ones_of_different_sets() -> None:
    part = small_part(30, seed=3)
    scores = scores_of(part, right=0.5)
    rows = shown_rows(part, scores)
    assert len(rows) == 8
    assert len(set(part.set_of[rows].tolist())) == 8
    assert (scores.argmax(axis=1) == part.target)[rows].sum() == 4
    assert part.is_video[rows].sum() == 4
    found = shown_examples(part, scores)
    assert found["shown_image"].shape == (8, 10, SIDE, SIDE, 3)
    assert found["shown_image"].dtype == np.uint8
    hidden = small_part(30, seed=3, hidden=True)
    assert len(shown_rows(hidden, scores)) == 8
    perfect = np.eye(10, dtype=np.float32)[part.target]
    assert len(shown_rows(part, perfect)) == 4
    assert len(shown_rows(part.taken(np.arange(1)), scores[:1])) == 1


def test_strips_mark_the_chosen_and_the_described_image(drawn) -> None:
    figure = strips([run()])
    assert figure is not None
    panels = drawn(figure)
    assert [len(ax.get_images()) for ax in panels] == [10] * 8
    words = texts_of(figure)
    assert words[0] == "some-model on some-data, val"
    assert words.count("described, chosen") == 4
    assert words.count("described") == words.count("chosen") == 4
    headings = [text.split("  ·  ")[0] for text in words if "·" in text]
    assert headings[:4] == ["right"] * 4
    assert all(text.startswith("wrong, rank ") for text in headings[4:])


def test_strips_of_hidden_targets_show_cases_alone() -> None:
    hidden = run(test=small_part(9, seed=4, hidden=True))
    del hidden.arrays["val"]
    words = texts_of(strips([hidden]))
    assert words[0].endswith(", test")
    assert words.count("chosen") == 8
    assert not [text for text in words if "described" in text or "wrong" in text]
    without = run()
    del without.arrays["val"]["shown_row"]
    assert strips([without]) is None


@pytest.mark.parametrize("choices", [2, 10])
def test_a_strip_has_text_as_it_is_and_nothing_overlaps(drawn, choices) -> None:
    part = small_part(1, choices=choices)
    crops = part.images.crops(part.candidates[0], 32)
    scores = np.linspace(0, 1, choices)
    figure = strip_figure(crops, scores, LONG, choices - 1, 0)
    (panel,) = drawn(figure)
    assert len(panel.get_images()) == choices
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    boxes.append(panel.get_window_extent(renderer))
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
    assert any("$5_{each}" in text for text in texts_of(figure))
    (first, *_, last) = (text for text in texts_of(figure) if ":  " in text)
    assert first == "0:  0"
    assert last == f"{choices - 1}:  1"


def test_strips_are_in_the_order_of_positions() -> None:
    plain = run()
    order = np.random.RandomState(0).permutation(10)
    turned = run()
    arrays = turned.arrays["val"]
    for name in ("scores", "position", "frame"):
        arrays[name] = arrays[name][:, order]
    arrays["shown_image"] = arrays["shown_image"][:, order]
    arrays["target"] = np.argsort(order)[arrays["target"]]
    one, other = strips([plain]), strips([turned])
    assert one is not None
    assert other is not None
    assert texts_of(one) == texts_of(other)
    for ax, same in zip(one.axes, other.axes, strict=True):
        for image, equal in zip(ax.get_images(), same.get_images(), strict=True):
            np.testing.assert_array_equal(image.get_array(), equal.get_array())
            assert image.get_extent() == equal.get_extent()


def test_phenomena_have_counts_intervals_and_chance(drawn) -> None:
    runs = [run(0), run(1)]
    (ax,) = drawn(phenomena(runs))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == "all  (60)"
    arrays = runs[0].arrays["val"]
    count = (arrays["tag"] & arrays["annotated"])[:, 0].sum()
    assert labels[1] == f"{TAG_NAMES['con']}  ({count} of {arrays['annotated'][:, 0].sum()})"
    assert ax.get_title() == "accuracy by phenomenon, val, %"
    handles, names = ax.get_legend_handles_labels()
    assert sorted(names) == ["chance", "not shown", "some-model: shown"]
    points = handles[names.index("some-model: shown")].lines[0].get_xdata()
    each = [score(one.arrays["val"], None)["accuracy"] for one in runs]
    assert points[0] == pytest.approx(np.mean(each))
    several = phenomena([run(0), run(0, model="another")])
    (ax,) = drawn(several)
    assert sorted(ax.get_legend_handles_labels()[1]) == ["another", "chance", "some-model"]


def test_phenomena_need_annotations_and_known_targets() -> None:
    plain = run()
    plain.arrays = {"val": predictions_of(small_part(5), 0)}
    assert phenomena([plain]) is None
    plain.arrays = {"test": predictions_of(small_part(5, hidden=True, annotated=True), 0)}
    assert phenomena([plain]) is None


def test_bars_of_ranks_and_distances_add_up(drawn) -> None:
    panels = drawn(distances([run(0), run(1)]))
    assert [ax.get_title() for ax in panels] == [
        "rank of the described image, val, %",
        "places from the described to the chosen image, val, %",
        "accuracy by gap, videos, val, %",
    ]
    for ax in panels[:2]:
        assert sum(bar.get_height() for bar in ax.containers[0]) == pytest.approx(100)
    still = small_part(20, seed=3)
    still = still.taken(np.flatnonzero(~still.is_video))
    assert len(distances([run(test=still)]).axes) == 2
    pairs = small_part(20, seed=3, choices=2)
    assert len(drawn(distances([run(test=pairs), run(test=pairs, model="another")]))) == 3


def test_figures_take_val_where_test_is_hidden() -> None:
    half = run(test=small_part(4, hidden=True))
    assert ", val, " in distances([half]).axes[0].get_title()
    del half.arrays["val"]
    assert distances([half]) is None


def test_training_shows_loss_and_accuracies(drawn) -> None:
    loss, val = drawn(training([run(0), run(1)]))
    assert (loss.get_title(), val.get_title()) == ("loss", "accuracy on val, %")
    names = [text.get_text() for text in val.get_legend().get_texts()]
    assert names == ["all", "video", "training", "chance"]
    several = drawn(training([run(0), run(0, model="another")]))
    assert len(several[0].get_legend().get_texts()) == 2
    nothing = run()
    nothing.rows = []
    assert training([nothing]) is None


def test_wilson_intervals_are_the_roots_of_the_score_test() -> None:
    for percent, count in ((0, 10), (30, 50), (100, 4), (47.2, 472)):
        for end in wilson(percent, count):
            p, q = percent / 100, end / 100
            assert (p - q) ** 2 == pytest.approx(1.959964**2 * q * (1 - q) / count, abs=1e-7)
    assert np.isnan(wilson(np.nan, 0)).all()
