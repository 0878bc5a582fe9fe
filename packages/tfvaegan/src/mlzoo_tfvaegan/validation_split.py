"""The world in which settings and epochs are chosen: val classes act as unseen, no test sample is in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlzoo_tfvaegan.zero_shot import Index, Split


def validation_split(
    label: Index,
    split: Split,
    train: Index | None,
    val: Index | None,
    *,
    hold_out: float = 0.2,
    seed: int = 0,
) -> tuple[Split | None, dict[str, Any]]:
    """A split of the training samples alone, and how it came about.

    Classes of ``train`` and ``val`` are the split file's; samples of theirs that are not in
    ``split.train`` are left out (old split files list test_seen samples there). Where the lists are
    absent or share a class, val classes are drawn: as many as there are unseen ones, at most a third
    of the seen. Of every train class ``hold_out`` (rounded, at least one sample of two) acts as test_seen.

    Args:
        label: [N], class ids.
        split: of the benchmark.
        train, val: lists of the split file.
        hold_out: share of every train class.
        seed: of the hold-out and of drawn classes.

    Returns:
        The split, None where there are too few classes or samples for one; facts for ``describe``.
    """
    rng = np.random.default_rng(seed)
    facts: dict[str, Any] = {}
    if train is not None and val is not None:
        lists = {"train_loc": train, "val_loc": val}
        left_out = {key: int((~np.isin(rows, split.train)).sum()) for key, rows in lists.items()}
        if any(left_out.values()):
            facts["left_out_of_validation"] = left_out
        train, val = _within(split.train, train), _within(split.train, val)
        reason = _unusable(label, train, val)
    else:
        train = val = np.empty(0, dtype=np.int64)
        reason = "the split file has no train_loc and val_loc"
    if reason:
        classes = _drawn_classes(label, split, rng)
        facts["validation"] = f"{len(classes)} classes drawn with seed {seed}: {reason}"
        is_val = np.isin(label[split.train], classes)
        train, val = split.train[~is_val], split.train[is_val]
    else:
        facts["validation"] = "classes of train_loc and val_loc"
    kept, held = _hold_out(train, label, hold_out, rng)
    if not (len(kept) and len(held) and len(val)):
        return None, {"validation": "none: too few seen classes or samples"}
    return Split(train=kept, test_seen=held, test_unseen=val), facts


def _within(rows: Index, allowed: Index) -> Index:
    """Those of ``rows`` that are allowed, in their order: equal for lists that differ in order alone."""
    return rows[np.isin(rows, allowed)]


def _unusable(label: Index, train: Index, val: Index) -> str:
    if not len(train) or not len(val):
        return "train_loc or val_loc holds no training sample"
    shared = np.intersect1d(label[train], label[val])
    return f"train_loc and val_loc share {len(shared)} classes" if len(shared) else ""


def _drawn_classes(label: Index, split: Split, rng: np.random.Generator) -> Index:
    seen = np.unique(label[split.train])
    unseen = len(np.unique(label[split.test_unseen]))
    count = min(unseen, max(1, len(seen) // 3), len(seen) - 1)
    return np.sort(rng.choice(seen, size=count, replace=False))


def _hold_out(
    rows: Index, label: Index, share: float, rng: np.random.Generator
) -> tuple[Index, Index]:
    """Rows kept and rows held out, each in the order given."""
    held = np.zeros(len(rows), dtype=bool)
    of_row = label[rows]
    for class_id in np.unique(of_row):
        (places,) = np.nonzero(of_row == class_id)
        count = min(max(1, round(share * len(places))), len(places) - 1)
        held[rng.permutation(places)[:count]] = True
    return rows[~held], rows[held]
