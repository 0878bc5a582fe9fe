"""The numbers that the paper and its repository print, and how sure they are. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlzoo import Published
from mlzoo_biam.presets import NUS_WIDE_PROGRAM

LOG = "a log shipped with the official repository"
TABLE = "the paper's table, recalled and not seen again"
QUOTED = "quoted by later papers, recalled and not seen again"
MISPRINTED = "so it is quoted; the precision and the recall quoted beside it give 18.3"
"""Of GZSL's F1 of 18.2 at 5."""

Triple = tuple[float, float, float]
"""F1, precision and recall, in percent."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One evaluation as a source prints it, in percent.

    Attributes:
        dataset: its name.
        source: where, with which checkpoint.
        selection: rule by which the checkpoint was chosen; ``unknown`` also for one on the way, which no
            settings of ours end at.
        values: by metric, without those of ``at``.
        at: F1, precision and recall by section and K.
        options: those that the row was reached with, where the preset has others.
        verified: somebody saw it in the source.
        split: of the data.
        inconsistent: why an F1 does not follow from its precision and recall, by metric.
    """

    dataset: str
    source: str
    selection: str
    values: Mapping[str, float] = field(default_factory=dict)
    at: Mapping[tuple[str, int], Triple] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    verified: bool = True
    split: str = "test"
    inconsistent: Mapping[str, str] = field(default_factory=dict)

    def numbers(self) -> Iterator[Published]:
        """Every number that is a metric of ours; precision and recall, which are in a table only, stand
        beside their F1."""
        triples = {f"{section}_f1_{k}": triple for (section, k), triple in self.at.items()}
        f1 = {metric: triple[0] for metric, triple in triples.items()}
        beside = {m: {"precision": p, "recall": r} for m, (_, p, r) in triples.items()}
        for metric, value in {**self.values, **f1}.items():
            yield Published(
                dataset=self.dataset,
                metric=metric,
                value=value,
                source=self.source,
                selection=self.selection,
                verified=self.verified,
                tolerance=1.0,  # as far as epochs of one logged fine-tuning differ
                split=self.split,
                options=self.options,
                beside=beside.get(metric, {}),
                inconsistent=self.inconsistent.get(metric, ""),
            )


def published() -> Iterator[Published]:
    """Every published number, with its source and whether it was seen there."""
    for row in rows():
        yield from row.numbers()


def rows() -> Iterator[Row]:
    """Every row of the sources."""
    yield from _nus_wide_log()
    yield from _nus_wide_validation()
    yield from _nus_wide_tables()
    yield from _open_images_log()
    yield from _open_images_tables()


# Checkpoint, ZSL mAP, ZSL F1/P/R at 3 and at 5, GZSL mAP, GZSL F1/P/R at 3 and at 5.
_LoggedRow = tuple[str, float, Triple, Triple, float, Triple, Triple]
_ON_THE_WAY: tuple[_LoggedRow, ...] = (
    (
        "best of the first 10 of 40 epochs",
        *(25.35, (31.80, 25.85, 41.32), (29.06, 19.99, 53.26)),
        *(8.33, (14.61, 23.87, 10.52), (17.55, 20.71, 15.22)),
    ),
    (
        "best of the first 20 of 40 epochs, epoch 16",
        *(25.83, (32.14, 26.12, 41.76), (29.24, 20.10, 53.57)),
        *(8.60, (15.19, 24.83, 10.94), (18.09, 21.36, 15.69)),
    ),
)
_BEST: _LoggedRow = (
    "best of 40 epochs, epoch 28",
    *(25.77, (32.02, 26.02, 41.61), (29.43, 20.24, 53.92)),
    *(8.91, (15.45, 25.24, 11.13), (18.49, 21.83, 16.04)),
)
_FINE_TUNED: tuple[_LoggedRow, ...] = (
    (
        "1 epoch of fine-tuning",
        *(26.05, (31.25, 25.40, 40.60), (28.61, 19.68, 52.43)),
        *(9.34, (15.74, 25.72, 11.34), (18.50, 21.83, 16.04)),
    ),
    (
        "2 epochs of fine-tuning",
        *(26.42, (31.47, 25.58, 40.89), (28.97, 19.92, 53.08)),
        *(9.45, (15.60, 25.50, 11.24), (18.36, 21.67, 15.92)),
    ),
    (
        "3 epochs of fine-tuning",
        *(25.79, (32.17, 26.15, 41.81), (29.68, 20.41, 54.39)),
        *(9.58, (16.14, 26.38, 11.63), (18.99, 22.42, 16.47)),
    ),
    (
        "4 epochs of fine-tuning",
        *(26.43, (33.21, 26.99, 43.15), (30.07, 20.67, 55.09)),
        *(9.56, (15.98, 26.12, 11.52), (18.86, 22.26, 16.36)),
    ),
    (
        "5 epochs of fine-tuning",
        *(25.12, (31.72, 25.78, 41.21), (28.90, 19.88, 52.96)),
        *(9.49, (15.19, 24.82, 10.94), (18.01, 21.26, 15.62)),
    ),
)


def _nus_wide_log() -> Iterator[Row]:
    for each in _ON_THE_WAY:
        yield _logged(each, "unknown", {})
    yield _logged(_BEST, "val", {})
    for epochs, each in enumerate(_FINE_TUNED, start=1):
        yield _logged(each, "last", {"fine_tune_epochs": epochs})


def _logged(row: _LoggedRow, selection: str, options: Mapping[str, Any]) -> Row:
    checkpoint, zsl_map, zsl_3, zsl_5, gzsl_map, gzsl_3, gzsl_5 = row
    return Row(
        dataset="nus-wide",
        source=f"{LOG}: {checkpoint}",
        selection=selection,
        values={"zsl_map_published": zsl_map, "gzsl_map_published": gzsl_map},
        at={("zsl", 3): zsl_3, ("zsl", 5): zsl_5, ("gzsl", 3): gzsl_3, ("gzsl", 5): gzsl_5},
        options={**NUS_WIDE_PROGRAM, **options},
    )


def _nus_wide_validation() -> Iterator[Row]:
    for epoch, value, selection in (
        (4, 12.81, "unknown"),
        (6, 12.82, "unknown"),
        (10, 13.06, "unknown"),
        (16, 13.13, "unknown"),
        (28, 13.75, "val"),
        (40, 13.39, "last"),
    ):
        yield Row(
            dataset="nus-wide",
            source=f"{LOG}: epoch {epoch} of 40",
            selection=selection,
            values={"seen_f1_5": value},
            options=NUS_WIDE_PROGRAM,
            split="val",
        )


def _nus_wide_tables() -> Iterator[Row]:
    yield Row(
        dataset="nus-wide",
        source=f"{TABLE}; no logged checkpoint has all six of its numbers",
        selection="unknown",
        values={
            "zsl_f1_3": 33.1,
            "zsl_f1_5": 30.7,
            "zsl_map_published": 26.3,
            "gzsl_f1_3": 16.1,
            "gzsl_f1_5": 19.0,
            "gzsl_map_published": 9.3,
        },
        verified=False,
    )
    yield Row(
        dataset="nus-wide",
        source=QUOTED,
        selection="unknown",
        values={"zsl_map_published": 25.9, "gzsl_map_published": 9.4},
        at={
            ("zsl", 3): (32.7, 26.6, 42.5),
            ("zsl", 5): (29.8, 20.5, 54.6),
            ("gzsl", 3): (15.4, 25.2, 11.1),
            ("gzsl", 5): (18.2, 21.6, 15.9),
        },
        verified=False,
        inconsistent={"gzsl_f1_5": MISPRINTED},
    )


_OLDER_MODEL = {"channels": 512, "heads": 8}
"""What made the log has no convolution over the channels of both blocks, either."""


def _open_images_log() -> Iterator[Row]:
    yield _logged_on_open_images(
        "the best of 191 test scores, of each metric its own",
        {
            "zsl_map_pooled": 67.14,
            "zsl_weighted_map_pooled": 77.17,
            "zsl_f1_1": 14.86,
            "zsl_f1_3": 12.02,
            "zsl_f1_10": 8.25,
            "zsl_f1_20": 5.45,
            "gzsl_map_pooled": 82.10,
            "gzsl_weighted_map_pooled": 85.43,
            "gzsl_f1_1": 10.12,
            "gzsl_f1_5": 19.36,
            "gzsl_f1_10": 19.12,
            "gzsl_f1_20": 16.14,
            "seen_map_pooled": 82.45,
            "seen_weighted_map_pooled": 85.99,
        },
    )
    yield _logged_on_open_images(
        "shard 1500 of epoch 1",
        {
            "zsl_map_pooled": 64.97,
            "zsl_weighted_map_pooled": 73.64,
            "gzsl_map_pooled": 80.44,
            "gzsl_weighted_map_pooled": 83.83,
            "gzsl_f1_5": 16.84,
            "gzsl_f1_10": 17.99,
            "gzsl_f1_20": 14.96,
        },
        {
            ("zsl", 1): (10.50, 11.99, 9.34),
            ("zsl", 3): (12.02, 8.58, 20.06),
            ("zsl", 10): (8.25, 4.65, 36.25),
            ("zsl", 20): (5.45, 2.90, 45.16),
        },
    )
    yield _logged_on_open_images(
        "shard 3700 of epoch 1",
        {
            "gzsl_map_pooled": 80.43,
            "gzsl_weighted_map_pooled": 83.92,
            "zsl_map_pooled": 63.26,
            "zsl_weighted_map_pooled": 68.64,
            "seen_weighted_map_pooled": 84.54,
        },
        {
            ("gzsl", 1): (10.12, 48.99, 5.64),
            ("gzsl", 5): (19.36, 26.49, 15.26),
            ("gzsl", 10): (19.12, 17.86, 20.57),
            ("gzsl", 20): (16.14, 11.57, 26.66),
        },
    )


def _logged_on_open_images(
    checkpoint: str,
    values: Mapping[str, float],
    at: Mapping[tuple[str, int], Triple] | None = None,
) -> Row:
    return Row(
        dataset="open-images",
        source=f"{LOG}, of an older model: {checkpoint}",
        selection="test",
        values=values,
        at=at or {},
        options=_OLDER_MODEL,
    )


def _open_images_tables() -> Iterator[Row]:
    yield Row(
        dataset="open-images",
        source=TABLE,
        selection="unknown",
        values={"zsl_f1_10": 8.3, "zsl_f1_20": 5.5, "gzsl_f1_10": 19.1, "gzsl_f1_20": 16.1},
        verified=False,
    )
    yield Row(
        dataset="open-images",
        source=f"{TABLE}; printed as mAP, but the logged numbers near it are the weighted pooled ones",
        selection="unknown",
        values={"zsl_weighted_map_pooled": 73.6, "gzsl_weighted_map_pooled": 84.5},
        verified=False,
    )
