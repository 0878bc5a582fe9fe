"""Labels as they lie beside packed features."""

from __future__ import annotations

from pathlib import Path

from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.errors import DataError
from mlzoo_biam.labels import PREFIX, Labels

ZERO_ONE = "Labels must be -1 (absent), 0 (not annotated) and +1 (present): prepare them again."


def read_labels(path: Path, tags: int, images: int, seen: int | None = None) -> Labels:
    """The labels that lie beside packed features.

    Args:
        path: an .npz of the four arrays of :class:`mlzoo_biam.labels.Labels`.
        tags: C, how many there must be labels for.
        images: N.
        seen: how many tags are seen; then something must be absent among both kinds that are annotated.

    Raises:
        DataError: missing, damaged, for other tags or images, or with nothing absent (labels of 0 and 1).
    """
    kinds = {name: ArraySpec(ndim=1, kinds="i") for name in ("default", "indptr", "tags", "values")}
    arrays = read_npz(path, {PREFIX + name: spec for name, spec in kinds.items()})
    try:
        labels = Labels.from_predictions(arrays)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.fix) from error
    if labels.width != tags or len(labels) != images:
        raise DataError(
            f"{path} has labels of {len(labels)} images for {labels.width} tags, expected {images} "
            f"images and {tags} tags.",
            "Prepare the part again: mlzoo data prepare.",
        )
    if seen is None:
        return labels
    absent = labels.default == -1
    absent[labels.tags[labels.values < 0]] = True
    annotated = absent.copy()
    annotated[labels.tags] = True
    for kind, part in (("seen", slice(0, seen)), ("unseen", slice(seen, tags))):
        if annotated[part].any() and not absent[part].any():
            raise DataError(f"{path}: no label of the {kind} tags is -1 (absent).", ZERO_ONE)
    return labels
