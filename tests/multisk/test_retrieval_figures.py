"""Figures of retrieval: what they count, and when they do not apply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlzoo.run_directory import RunRecord
from mlzoo_multisk import figures
from mlzoo_multisk.figures import anchor_map, found_up_to, rank_histogram, recall_at_k, training


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
            "evaluators": {"retrieval": "1"},
            "plugins": {"p": "1"},
            "references": {"t2v_r1": {"ceiling": 40.0}, "t2v_r5": {"ceiling": 90.0}},
        }

    def predictions(self, split: str) -> dict[str, Any]:
        return self.arrays

    step_means = RunRecord.step_means

    def curve(self, metric: str, split: str) -> tuple[list[int], list[float]]:
        rows = [row for row in self.rows if row.get("split") == split and metric in row]
        return [row["epoch"] for row in rows], [row[metric] for row in rows]


def run(
    seed: int = 0, *, anchors: bool = False, audio: bool = True, model: str = "some-model"
) -> FakeRun:
    random = np.random.RandomState(seed)
    names = ("text", "video", "audio") if audio else ("text", "video")
    arrays: dict[str, Any] = {name: random.standard_normal((30, 8)) for name in names}
    arrays |= {"complete": np.array(32)}
    if anchors:
        for name in names:
            arrays[f"out_{name}_text"] = np.eye(6)[np.arange(30) % 5]
            arrays[f"has_{name}"] = np.ones(30, dtype=bool)
    rows: list[dict[str, Any]] = [
        {"epoch": epoch, "step": epoch, "loss": 3.0 / epoch, "loss_tv": 1.0, "loss_anchors": 0.5}
        for epoch in (1, 2, 3)
    ]
    rows += [
        {"epoch": epoch, "split": "val", "t2v_r1": 5.0 * epoch, "t2v_geometric_mean": 4.0 * epoch}
        for epoch in (1, 2, 3)
    ]
    return FakeRun(arrays, rows, seed, model)


@pytest.fixture
def drawn(tmp_path: Path) -> Iterator[Any]:
    """Draws a figure to be sure that it can be, and gives its panels."""

    def draw(figure: Any) -> list[Any]:
        figure.savefig(tmp_path / "figure.png", dpi=40)
        return list(figure.axes)

    return draw


def test_found_up_to_k_is_recalls_rule() -> None:
    ranks = np.array([0, 0, 0.5, 4.5, 5, 30])
    assert found_up_to(ranks, np.array([1, 2, 5, 10, 50])).tolist() == [2, 3, 4, 5, 6]


def test_bars_of_the_histogram_add_up_to_all_queries(drawn) -> None:
    panels = drawn(rank_histogram([run(0), run(1)]))
    assert [panel.get_title() for panel in panels] == [
        "rank of the right clip, text → video, test",
        "rank of the right clip, text → video+audio, test",
    ]
    for panel in panels:
        assert sum(
            bar.get_height() for bar in panel.patches if hasattr(bar, "get_height")
        ) == pytest.approx(100)
        labels = [text.get_text() for text in panel.get_legend().get_texts()]
        assert sorted(labels) == ["chance", "some-model"]
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == [
        "1", "2", "3–5", "6–10", "11–20", "21–30",
    ]  # fmt: skip


def test_without_audio_there_is_one_histogram(drawn) -> None:
    assert len(drawn(rank_histogram([run(audio=False)]))) == 1
    assert len(drawn(recall_at_k([run(audio=False)]))) == 2


def test_recall_has_chance_and_known_ceilings(drawn) -> None:
    left, right = drawn(recall_at_k([run(0), run(1)]))
    lines = {line.get_label(): line for line in left.get_lines()}
    assert {"text → video", "text → audio", "text → video+audio", "chance", "ceiling"} <= set(lines)
    assert lines["ceiling"].get_ydata().tolist() == [40.0, 90.0]
    assert lines["chance"].get_ydata()[-1] == pytest.approx(100 * 30 / 32)
    assert lines["text → video"].get_ydata()[-1] == pytest.approx(100 * 30 / 32)
    assert "video → text" in {line.get_label() for line in right.get_lines()}


def test_several_experiments_share_a_panel(drawn) -> None:
    panels = drawn(recall_at_k([run(0), run(0, model="another")]))
    labels = {line.get_label() for line in panels[0].get_lines()}
    assert {"some-model", "another", "chance"} <= labels
    assert len(drawn(rank_histogram([run(0), run(0, model="another")]))) == 2


def test_training_shows_parts_of_the_loss_and_scores_on_val(drawn) -> None:
    panels = drawn(training([run(0), run(1)]))
    assert [panel.get_title() for panel in panels] == [
        "loss",
        "parts of the loss",
        "text → video on val, %",
    ]
    assert {line.get_label() for line in panels[1].get_lines() if line.get_linewidth() > 1} == {
        "text ↔ video",
        "anchors",
    }
    assert len(drawn(training([run(0), run(0, model="another")]))) == 2
    nothing = run()
    nothing.rows = []
    assert training([nothing]) is None


def test_map_of_anchors_counts_clips_and_tells_agreement(drawn) -> None:
    assert anchor_map([run()]) is None
    given = run(anchors=True)
    given.arrays["out_video_text"] = np.eye(6)[(np.arange(30) % 5 + (np.arange(30) < 6)) % 5]
    given.arrays["has_audio"][:10] = False
    panels = drawn(anchor_map([given]))
    titles = [panel.get_title() for panel in panels[:3]]
    assert titles == [
        "the same for 80 % of 30 clips",
        "the same for 100 % of 20 clips",
        "the same for 100 % of 20 clips",
    ]
    counts = panels[0].get_images()[0].get_array()
    assert counts.shape == (5, 5)  # the sixth anchor is nobody's nearest
    assert counts.sum() == 30


def test_map_of_anchors_without_audio_has_one_panel(drawn) -> None:
    panels = drawn(anchor_map([run(anchors=True, audio=False)]))
    assert [panel.get_title() for panel in panels[:1]] == ["the same for 100 % of 30 clips"]
    assert len(panels) == 2  # and what the colours mean


def test_arrows_name_both_sides() -> None:
    assert figures.arrow("v+a2t") == "video+audio → text"
    assert figures.arrow("t2va") == "text → video with audio"
