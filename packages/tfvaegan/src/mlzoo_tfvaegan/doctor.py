"""Doctor of the zero-shot datasets: which variant a copy is, and which published rows apply to it.

Every file is examined on its own, so a part of the files is enough; what is missing is a finding, and
what a loader would refuse is one, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from mlzoo import Finding
from mlzoo.errors import DataError
from mlzoo_tfvaegan.dataset_config import ActionsOptions, ImagesOptions
from mlzoo_tfvaegan.doctor_features import check_duplicates, check_features
from mlzoo_tfvaegan.doctor_split import check_split_file, read_alone
from mlzoo_tfvaegan.loading import (
    MANUAL,
    MANUAL_FILE,
    load_awa2,
    load_cub,
    load_custom,
    load_flo,
    load_hmdb51,
    load_sun,
    load_ucf101,
)
from mlzoo_tfvaegan.mat_files import FeatureFile, SplitFile, check_pair, read_features
from mlzoo_tfvaegan.versions import BENCHMARKS, split_digest
from mlzoo_tfvaegan.zero_shot import ZeroShotData

Options = ImagesOptions | ActionsOptions
LOADERS: dict[str, Callable[..., ZeroShotData]] = {
    "cub": load_cub,
    "awa2": load_awa2,
    "sun": load_sun,
    "flo": load_flo,
    "custom": load_custom,
    "hmdb51": load_hmdb51,
    "ucf101": load_ucf101,
}


def examine(dataset: str, root: Path, options: Options) -> Sequence[Finding]:
    """All findings about the copy of ``dataset`` in ``root``, of the files that ``options`` name."""
    features_path, split_path = _paths(root, options)
    findings: list[Finding] = []
    features, split = None, None
    if _there(features_path, root, findings):
        try:
            features = read_features(features_path)
            findings += check_features(dataset, features)
        except DataError as error:
            findings.append(_error(features_path, error))
    label = None if features is None else features.label
    if _there(split_path, root, findings):
        try:
            split = read_alone(split_path, None if label is None else len(label))
            findings += check_split_file(dataset, split, label)
        except DataError as error:
            findings.append(_error(split_path, error))
            if label is not None:  # it may be whole, and another dataset's
                findings += _on_its_own(dataset, split_path)
    if isinstance(options, ActionsOptions):
        findings += _splits(root, split_path.name)
        findings += _manual(root, options, split)
    return [*findings, *_together(dataset, root, options, features, split)]


def _paths(root: Path, options: Options) -> tuple[Path, Path]:
    features = root / f"{options.features}.mat"
    name = "att" if options.embedding == MANUAL else options.embedding
    if isinstance(options, ActionsOptions):
        return features, root / f"split_{options.split}" / f"{name}_splits.mat"
    return features, root / f"{options.embedding}_splits.mat"


def _there(path: Path, root: Path, findings: list[Finding]) -> bool:
    if path.is_file():
        return True
    others = sorted(file.name for file in path.parent.glob("*.mat"))
    fix = f"There are {', '.join(others)}: see --features, --embedding." if others else ""
    findings.append(Finding("error", path.relative_to(root).as_posix(), "is missing", fix))
    return False


def _on_its_own(dataset: str, path: Path) -> list[Finding]:
    """Of a split file that the features do not fit."""
    try:
        return list(check_split_file(dataset, read_alone(path, None), None))
    except DataError:
        return []


def _together(
    dataset: str,
    root: Path,
    options: Options,
    features: FeatureFile | None,
    split: SplitFile | None,
) -> Iterator[Finding]:
    """The two files against each other, and the verdict of the loader itself."""
    if features is None or split is None:
        yield Finding("note", "published rows", "cannot be told without both files")
        return
    try:
        check_pair(features, split)
        yield from check_duplicates(features, split.split)
        data = LOADERS[dataset](root, options)
    except DataError as error:
        yield Finding("error", "the files together", error.message, error.fix)
        yield Finding("note", "published rows", "cannot be told before the errors are gone")
        return
    if dataset not in BENCHMARKS:
        yield Finding("note", "published rows", "not comparable: none exist for your own data")
    elif data.incomparable:
        yield Finding("warning", "published rows", f"not comparable: {data.incomparable}")
    else:
        yield Finding("ok", "published rows", "comparable, as far as can be told")
    yield Finding("ok", "fingerprint", data.fingerprint())


def _splits(root: Path, name: str) -> Iterator[Finding]:
    """Which of the 30 splits are there, and which hold the same lists."""
    there = [number for number in range(1, 31) if (root / f"split_{number}" / name).is_file()]
    level = "ok" if len(there) == 30 else "note"
    numbers = ", ".join(map(str, there)) or "none"
    yield Finding(level, "splits", f"{len(there)} of 30: {numbers}")  # type: ignore[arg-type]
    first: dict[str, int] = {}
    for number in there:
        try:
            split = read_alone(root / f"split_{number}" / name, None).split
        except DataError as error:
            yield _error(root / f"split_{number}" / name, error)
            continue
        digest = split_digest(split)
        if digest in first:
            text = f"holds the lists of split_{first[digest]}"
            fix = "A mean over both counts one twice: copy it again."
            yield Finding("warning", f"split_{number}", text, fix)
        first.setdefault(digest, number)


def _manual(root: Path, options: ActionsOptions, split: SplitFile | None) -> Iterator[Finding]:
    if options.embedding != MANUAL:
        return
    if (root / MANUAL_FILE).is_file():
        text = "is used; its rows must be in the order of the labels"
        yield Finding("ok", MANUAL_FILE, f"{text}, which name lists of UCF101 do not all keep")
    elif split is not None and split.original is not None:
        width = split.original.shape[1]
        yield Finding("note", MANUAL_FILE, f"is missing; 'original_att', {width}-d, is used")
    else:
        yield Finding(
            "error", MANUAL_FILE, "is missing, and so is 'original_att' of the split file"
        )


def _error(path: Path, error: DataError) -> Finding:
    return Finding("error", path.name, error.message, error.fix)


cub = partial(examine, "cub")
awa2 = partial(examine, "awa2")
sun = partial(examine, "sun")
flo = partial(examine, "flo")
ucf101 = partial(examine, "ucf101")
hmdb51 = partial(examine, "hmdb51")
custom = partial(examine, "custom")
