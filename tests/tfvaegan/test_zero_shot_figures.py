"""Figures of the zero-shot task, from runs that are made up but whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlzoo.errors import PluginError
from mlzoo.files import write_json
from mlzoo.run_directory import RunRecord
from mlzoo_tfvaegan import figures
from mlzoo_tfvaegan.calibration import seen_unseen_curve
from mlzoo_tfvaegan.evaluators import per_class, score
from mlzoo_tfvaegan.zero_shot import Split, ZeroShotData

CLASSES, UNSEEN, WIDTH = 9, (2, 5, 8), 6
LOGGED = (
    "decoder",
    "critic_real",
    "critic_fake",
    "penalty",
    "vae",
    "generator_fake",
    "reconstruction",
    "total",
    "penalty_statistic",
    "penalty_weight",
)


@pytest.fixture(scope="module")
def data() -> ZeroShotData:
    random = np.random.RandomState(0)
    label = np.repeat(np.arange(CLASSES), 12)
    rows, is_unseen = np.arange(len(label)), np.isin(label, UNSEEN)
    centres = random.rand(CLASSES, WIDTH)
    return ZeroShotData(
        features=centres[label] + 0.1 * random.randn(len(label), WIDTH),
        label=label,
        attributes=np.eye(CLASSES, dtype=np.float32),
        class_names=tuple(f"bird {i}" for i in range(CLASSES)),
        split=Split(rows[~is_unseen][::2], rows[~is_unseen][1::2], rows[is_unseen]),
    )


@pytest.fixture
def make_run(data, tmp_path):
    """A function that writes a finished run."""

    def make(seed=0, *, epochs=3, logged=LOGGED, synthetic=8, scored="test", digest="a", **options):
        folder = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        (folder / "predictions").mkdir(parents=True)
        (folder / "search").mkdir()
        predictions = made_predictions(data, seed, synthetic)
        np.savez(folder / "predictions" / "test.npz", **predictions)
        metrics = score(predictions, data)
        steps, scores = rows(epochs, logged, metrics, scored)
        (folder / "metrics.jsonl").write_text(steps + (scores if scored == "test" else ""))
        (folder / "search" / "metrics.jsonl").write_text(scores if scored == "val" else "")
        names = {"model": "tfvaegan", "dataset": "digits", "seed": seed}
        write_json(folder / "config.json", {**names, "preset": None, "sources": {}, **options})
        write_json(folder / "run.json", {"status": "done", "started": f"2026-01-0{1 + seed}"})
        results = {
            **names,
            "task": "zero-shot",
            "selection": {"rule": "last", "label": "last epoch", "epoch": epochs},
            "evaluators": {"zero-shot": "1"},
            "plugins": {"mlzoo-tfvaegan": "0.1.0"},
            "main_metric": "gzsl_h",
            "metrics": {"test": metrics},
            "references": {},
            "data": {"fingerprint": digest, "limited": False},
        }
        write_json(folder / "results.json", results)
        return RunRecord(folder, data)

    return make


def made_predictions(data: ZeroShotData, seed: int, synthetic: int) -> dict[str, np.ndarray]:
    random = np.random.RandomState(seed)
    label = data.test.label
    scores = (label[:, None] == data.classes) + 0.8 * random.randn(len(label), len(data.classes))
    found = {"label": label, "scores": scores.astype(np.float32)}
    if synthetic:
        made = np.repeat(data.unseen, synthetic)
        found["synthetic_label"] = made
        found["synthetic"] = random.rand(len(made), WIDTH).astype(np.float32)
    return found


def rows(epochs, logged, metrics, scored) -> tuple[str, str]:
    steps = [
        {"epoch": epoch, "step": 2 * epoch + i, **dict.fromkeys(logged, 1.0 + epoch + i)}
        for epoch in range(1, epochs + 1)
        for i in range(2)
    ]
    scores = [{"epoch": epoch, "split": scored, **metrics} for epoch in range(1, epochs + 1)]
    texts = ("".join(json.dumps(row) + "\n" for row in part) for part in (steps, scores))
    return next(texts), next(texts)


def panels(figure) -> dict[str, object]:
    return {ax.get_title(): ax for ax in figure.axes if ax.get_visible()}


@pytest.mark.parametrize("name", figures.__all__)
@pytest.mark.parametrize("seeds", [1, 3])
def test_every_figure_is_a_picture_with_ink(make_run, tmp_path, name, seeds) -> None:
    runs = [make_run(seed) for seed in range(seeds)]
    runs += [make_run(seed, feedback=False) for seed in range(seeds if seeds > 1 else 0)]
    path = tmp_path / f"{name}.png"
    getattr(figures, name)(runs).savefig(path, dpi=50)
    assert np.asarray(Image.open(path).convert("L")).std() > 5


def test_training_shows_epoch_means_of_what_was_logged(make_run) -> None:
    found = panels(figures.training([make_run(logged=("vae", "critic_real"))]))
    assert set(found) == {"variational loss (nats a sample)", "accuracy on test, %"}
    (line,) = found["variational loss (nats a sample)"].lines
    np.testing.assert_allclose(line.get_xydata(), [[1, 2.5], [2, 3.5], [3, 4.5]])
    labels = [text.get_text() for text in found["accuracy on test, %"].get_legend().get_texts()]
    assert labels == ["H", "unseen u", "seen s", "ZSL T1"]


def test_training_shows_the_scores_of_a_search_before_it(make_run) -> None:
    run = make_run(scored="val")
    ax = panels(figures.training([run]))["accuracy on val, %"]
    h = run.results["metrics"]["test"]["gzsl_h"]
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, h], [2, h], [3, h]])


def test_training_of_a_model_that_logs_nothing_is_no_figure(make_run) -> None:
    run = make_run(epochs=0)
    assert figures.training([run]) is None


def test_experiments_are_told_apart_and_seeds_are_averaged(make_run) -> None:
    runs = [make_run(seed, feedback=feedback) for feedback in (True, False) for seed in (0, 1)]
    found = panels(figures.training(runs))
    ax = found["H on test, %"]
    assert len(ax.lines) == 2 * (2 + 1)
    h = [run.results["metrics"]["test"]["gzsl_h"] for run in runs]
    np.testing.assert_allclose(ax.lines[2].get_ydata(), np.mean(h[:2]))
    texts = [text.get_text() for text in figures.training(runs).axes[0].get_legend().get_texts()]
    assert texts == ["feedback=True", "feedback=False"]


def test_seen_unseen_curve_and_point_are_those_of_the_predictions(make_run, data) -> None:
    run = make_run(seed=1)
    figure = figures.seen_unseen([run])
    (ax,) = figure.axes
    predictions = run.predictions("test")
    curve = seen_unseen_curve(predictions["label"], predictions["scores"], data)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), 100 * curve.unseen)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 100 * curve.seen)
    metrics = run.results["metrics"]["test"]
    point = [[metrics["gzsl_unseen"], metrics["gzsl_seen"]]]
    np.testing.assert_allclose(ax.lines[1].get_xydata(), point)
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert f"tfvaegan: AUSUC {metrics['ausuc']:.3f}" in texts
    assert "chance" in texts


def test_bars_by_class_are_sorted_and_named(make_run, data) -> None:
    run = make_run(seed=2)
    found = panels(figures.per_class([run]))
    table = per_class(run.predictions("test"), data)
    accuracy = dict(zip(table["name"], table["accuracy"], strict=True))
    metrics = run.results["metrics"]["test"]
    ax = found[f"3 unseen classes, mean {metrics['gzsl_unseen']:.1f} %"]
    heights = [bar.get_height() for bar in ax.patches]
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert heights == sorted(heights, reverse=True)
    assert {name: pytest.approx(h) for name, h in zip(names, heights, strict=True)} == {
        data.class_names[c]: accuracy[data.class_names[c]] for c in UNSEEN
    }
    assert f"6 seen classes, mean {metrics['gzsl_seen']:.1f} %" in found


def test_features_show_real_and_synthesised_ones_of_the_same_classes(make_run) -> None:
    figure = figures.features([make_run(synthetic=8)])
    left, right = figure.axes
    for ax in (left, right):
        sizes = [len(points.get_offsets()) for points in ax.collections]
        assert sorted(sizes, reverse=True)[:6] == [12, 12, 12, 8, 8, 8]
    assert figure.get_suptitle() == "digits: features of 3 of 3 unseen classes"
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["bird 2", "bird 5", "bird 8", "real", "synthesised"]


def test_features_of_a_model_that_synthesises_nothing_are_no_figure(make_run) -> None:
    assert figures.features([make_run(synthetic=0)]) is None


def test_runs_on_another_random_split_are_left_out(make_run) -> None:
    runs = [make_run(0), make_run(1, digest="b")]
    (ax,) = figures.seen_unseen(runs).axes
    assert len(ax.lines) == len(figures.seen_unseen(runs[:1]).axes[0].lines)


def test_predictions_of_other_data_are_refused(make_run, data) -> None:
    run = make_run()
    path: Path = run.directory / "predictions" / "test.npz"
    np.savez(path, label=np.zeros(3, dtype=np.int64), scores=np.zeros((3, CLASSES)))
    with pytest.raises(PluginError, match="label of shape"):
        figures.per_class([run])
