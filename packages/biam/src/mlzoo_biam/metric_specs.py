"""What the evaluators of the task ``multilabel-zero-shot`` report. Imports nothing heavy."""

from __future__ import annotations

from mlzoo.specs import Identity, Metric

MAIN = "seen_f1_5"
"""Chooses the epoch on val, as in the published program: no label of an unseen tag may choose anything."""

SECTIONS = {
    "zsl": "unseen tags among unseen tags",
    "gzsl": "all tags among all tags",
    "seen": "seen tags among seen tags",
}
KS = (1, 3, 5, 10, 20)
F1_KS = {"zsl": KS, "gzsl": KS, "seen": (5,)}
"""The K of F1 that are metrics; the table ``at-k`` has all of them, with precision and recall."""

_MEANS = {
    "map": "mean average precision over tags with positives",
    "map_published": "the same, tags without positives counted as 0",
    "weighted_map": "the same, tags weighted by their positives",
}
_POOLED = {
    "map_pooled": "mean over tags of one AP for all annotated pairs of a tag's images, as published",
    "weighted_map_pooled": "the same, tags weighted by their positives",
}


def _metric(summary: str, section: str, *, main: bool = False) -> Metric:
    text = f"{summary}: {SECTIONS[section]}"
    return Metric(higher_is_better=True, unit="%", summary=text, main=main)


def _of_section(section: str) -> dict[str, Metric]:
    means = {f"{section}_{name}": _metric(text, section) for name, text in _MEANS.items()}
    return means | {
        f"{section}_f1_{k}": _metric(
            f"F1 of the {k} highest scores of each image, all pairs together",
            section,
            main=f"{section}_f1_{k}" == MAIN,
        )
        for k in F1_KS[section]
    }


METRICS = {name: metric for section in SECTIONS for name, metric in _of_section(section).items()}
"""Every key of ``mlzoo_biam.evaluators.score``."""

IDENTITIES = tuple(
    Identity(metric=f"{section}_f1_{k}", kind="harmonic-mean", of=("precision", "recall"))
    for section, ks in F1_KS.items()
    for k in ks
)
"""F1 = 2PR / (P + R) of the precision and the recall that are printed beside it (``Published.beside``)."""

POOLED_METRICS = {
    f"{section}_{name}": _metric(text, section)
    for section in SECTIONS
    for name, text in _POOLED.items()
}
"""Every key of ``mlzoo_biam.evaluators.score_pooled``."""
