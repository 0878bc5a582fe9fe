"""Pictures of runs of the task ``zero-shot``. Each function takes runs and returns a figure, or None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from mlzoo.report.groups import Group
from mlzoo.report.style import COLOURS, style
from mlzoo.run_directory import RunRecord
from mlzoo_tfvaegan.calibration import seen_unseen_curve
from mlzoo_tfvaegan.evaluators import CheckedPredictions, per_class_accuracy
from mlzoo_tfvaegan.figure_style import SEEN, UNSEEN, one_world
from mlzoo_tfvaegan.training_figure import training
from mlzoo_tfvaegan.zero_shot import Index, ZeroShotData

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["features", "per_class", "seen_unseen", "training"]

Points = npt.NDArray[np.float64]
CLASSES_SHOWN = 6
FEATURES_SHOWN = 50
"""Of each class, real and synthesised."""
LEAST_TSNE = 10
MOST_NAMES = 40
"""Beyond it bars have no room for the classes' names."""


def seen_unseen(runs: Sequence[RunRecord]) -> Figure:
    """Accuracy on seen over that on unseen classes, as calibrated stacking trades one for the other.
    A dot is a model as it is, a thin line a seed; AUSUC is the mean over them."""
    data, groups, name = one_world(runs)
    figure = Figure(figsize=(6.0, 5.2), layout="constrained")
    ax = figure.subplots()
    for colour, group in zip(cycle(COLOURS), groups, strict=False):
        areas = [
            _curve(ax, test, data, colour, thin=len(group.runs) > 1) for test in _tests(group, data)
        ]
        ax.plot([], [], color=colour, label=f"{group.label}: AUSUC {_mean_and_spread(areas)}")
    ax.plot([], [], "o", color="#555555", markersize=5, label="uncalibrated (γ = 0)")
    chance = [0, 100 / len(data.unseen)], [100 / len(data.seen), 0]
    ax.plot(*chance, linestyle=":", color="black", linewidth=1.8, label="chance")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("accuracy on unseen classes (u), mean over classes, %", fontsize=9)
    ax.set_ylabel("accuracy on seen classes (s), mean over classes, %", fontsize=9)
    figure.legend(
        fontsize=8, frameon=False, loc="outside lower center", ncols=min(2, len(groups) + 1)
    )
    style(ax, f"{name}: calibrated stacking, test")
    return figure


def _tests(group: Group, data: ZeroShotData) -> list[CheckedPredictions]:
    return [CheckedPredictions.of(run.predictions("test"), data) for run in group.runs]


def _curve(
    ax: Axes, test: CheckedPredictions, data: ZeroShotData, colour: str, *, thin: bool
) -> float:
    """Draw one run; returns its AUSUC."""
    curve = seen_unseen_curve(test.label, test.scores, data)
    ax.plot(100 * curve.unseen, 100 * curve.seen, color=colour, linewidth=0.9 if thin else 1.8)
    u, s = (
        100 * per_class_accuracy(test.label, test.predicted, kind).mean
        for kind in (data.unseen, data.seen)
    )
    ax.plot(u, s, "o", color=colour, markersize=6, markeredgecolor="white", zorder=3, clip_on=False)
    return curve.area


def _mean_and_spread(values: Sequence[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def per_class(runs: Sequence[RunRecord]) -> Figure:
    """Accuracy of every class among all classes, highest first, mean over seeds; a row of panels for
    each experiment."""
    data, groups, name = one_world(runs)
    kinds = ((data.unseen, "unseen", UNSEEN), (data.seen, "seen", SEEN))
    named = len(data.classes) <= MOST_NAMES
    figure = Figure(figsize=(10, (3.7 if named else 2.9) * len(groups)), layout="constrained")
    widths = [max(len(kind), len(data.classes) / 4) for kind, _, _ in kinds]
    grid = figure.subplots(len(groups), 2, squeeze=False, sharey=True, width_ratios=widths)
    for row, group in zip(grid, groups, strict=True):
        tests = _tests(group, data)
        for ax, (kind, word, colour) in zip(row, kinds, strict=True):
            found = [per_class_accuracy(t.label, t.predicted, kind) for t in tests]
            height = 100 * np.mean([each.accuracy for each in found], axis=0)  # [k]
            mean = 100 * np.mean([each.mean for each in found])
            names = [data.class_names[c] for c in kind] if named else []
            _bars(ax, height, colour, names)
            chance = ax.axhline(100 / len(data.classes), color="black", linestyle=":")
            style(ax, f"{len(kind)} {word} classes, mean {mean:.1f} %")
        row[0].set_ylabel(f"{group.label}\naccuracy among all classes, %", fontsize=8)
    label = f"chance, {100 / len(data.classes):.2g} %"
    figure.legend([chance], [label], fontsize=8, frameon=False, loc="outside lower center")
    figure.suptitle(f"{name}: accuracy by class, test", fontsize=10)
    return figure


def _bars(ax: Axes, height: Points, colour: str, names: Sequence[str]) -> None:
    """Sorted; a class without samples has no bar and comes last."""
    order = np.argsort(-height, kind="stable")
    places = np.arange(len(height))
    ax.bar(places, height[order], width=0.8 if names else 1.0, color=colour)
    ax.set_xlim(-0.7, len(height) - 0.3)
    ax.set_ylim(0, 100)
    if names:
        ax.set_xticks(places, [names[i] for i in order], rotation=90, fontsize=7)
    else:
        ax.set_xlabel("classes, sorted by accuracy", fontsize=8)


def features(runs: Sequence[RunRecord]) -> Figure | None:
    """Real and synthesised features of a few unseen classes in the plane of their first two principal
    components, and by t-SNE; the first run of each experiment."""
    data, groups, name = one_world(runs)
    found = [(group, _Pictured.of(group.first.predictions("test"), data)) for group in groups]
    panels = [(group, pictured) for group, pictured in found if pictured is not None]
    if not panels:
        return None
    figure = Figure(figsize=(9.6, 4.4 * len(panels) + 0.5), layout="constrained")
    grid = figure.subplots(len(panels), 2, squeeze=False)
    for row, (group, pictured) in zip(grid, panels, strict=True):
        components = principal_components(pictured.features)
        _scatter(row[0], components[:, :2], pictured, data)
        style(row[0], f"{group.label}, seed {group.seeds[0]}: principal components")
        if len(components) >= LEAST_TSNE:
            _scatter(row[1], tsne_plane(components), pictured, data)
            style(row[1], "t-SNE of the same")
        else:
            row[1].set_visible(False)
        row[0].set_xlabel("first component", fontsize=8)
        row[0].set_ylabel("second component", fontsize=8)
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(),
        fontsize=8,
        frameon=False,
        loc="outside lower center",
        ncols=4,
    )
    shown, known = len(panels[0][1].classes), len(data.unseen)
    figure.suptitle(f"{name}: features of {shown} of {known} unseen classes", fontsize=10)
    return figure


@dataclass(frozen=True, eq=False)
class _Pictured:
    """Scaled features [n, R] of a few unseen classes."""

    features: npt.NDArray[np.float32]
    label: Index  # [n]
    is_real: npt.NDArray[np.bool_]  # [n]
    classes: Index

    @classmethod
    def of(cls, predictions: Mapping[str, npt.NDArray[Any]], data: ZeroShotData) -> Self | None:
        """None where the model synthesises nothing."""
        if not {"synthetic", "synthetic_label"} <= set(predictions):
            return None
        made_label = predictions["synthetic_label"]
        classes = np.intersect1d(made_label, data.unseen)[:CLASSES_SHOWN]
        if not len(classes):
            return None
        label = data.label[data.split.test_unseen]
        real = np.concatenate([np.flatnonzero(label == c)[:FEATURES_SHOWN] for c in classes])
        made = np.concatenate([np.flatnonzero(made_label == c)[:FEATURES_SHOWN] for c in classes])
        scaled = data.scaler.transform(data.features[data.split.test_unseen[real]])
        return cls(
            features=np.concatenate([scaled, predictions["synthetic"][made].astype(np.float32)]),
            label=np.concatenate([label[real], made_label[made]]),
            is_real=np.arange(len(real) + len(made)) < len(real),
            classes=classes,
        )


def principal_components(rows: npt.NDArray[np.floating[Any]], most: int = 30) -> Points:
    """[n, R] to the first components [n, at most ``most``], by falling variance."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    left, spread, _ = np.linalg.svd(centred, full_matrices=False)
    components: Points = (left * spread)[:, :most]
    return components


def tsne_plane(rows: Points) -> Points:
    """[n, k] to [n, 2]; neighbours stay neighbours, distances mean nothing."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(rows) - 1) / 3)
    plane: Points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(rows)
    return plane


def _scatter(ax: Axes, plane: Points, pictured: _Pictured, data: ZeroShotData) -> None:
    for colour, class_id in zip(COLOURS, pictured.classes, strict=False):
        own = pictured.label == class_id
        real, made = plane[own & pictured.is_real], plane[own & ~pictured.is_real]
        ax.scatter(real[:, 0], real[:, 1], color=colour, s=12, alpha=0.45, linewidths=0)
        ax.scatter(
            made[:, 0],
            made[:, 1],
            color=colour,
            s=45,
            marker="X",
            edgecolors="white",
            linewidths=0.6,
            zorder=3,
        )
        ax.scatter([], [], color=colour, s=25, label=data.class_names[class_id])
    ax.scatter([], [], color="#555555", s=12, alpha=0.6, linewidths=0, label="real")
    ax.scatter([], [], color="#555555", s=45, marker="X", label="synthesised")
    ax.set_xticks([])
    ax.set_yticks([])
