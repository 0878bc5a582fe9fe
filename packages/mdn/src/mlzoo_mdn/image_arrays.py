"""The dataset ``images`` as arrays: ``train.npz``, ``test.npz`` and, if there is one, ``val.npz``.

Each holds

    images          uint8 (scaled to [0, 1]) or float (as they are), [N, H, W] or [N, C, H, W]
    label           0 or 1, [N]
    metadata        the nuisance columns, [N] or [N, k]
    metadata_names  optional text, [k]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import Array, ArraySpec, read_npz
from mlzoo.errors import DataError
from mlzoo_mdn.confounded import LABELS, ConfoundedData, ConfoundedSplit, stratified_share
from mlzoo_mdn.dataset_config import ImagesOptions

IMAGES = ArraySpec(kinds="uf")
METADATA = ArraySpec(kinds="biuf")
NAMES = {"metadata_names": ArraySpec(ndim=1, kinds="U")}
REQUIRED = {"images": IMAGES, "label": ArraySpec(kinds="biuf"), "metadata": METADATA}


def load_arrays(root: Path, options: ImagesOptions) -> ConfoundedData:
    """The npz files below ``root``. Without ``val.npz``, a share of each label of train becomes val.

    Raises:
        DataError: a file is missing, damaged, lacks an array or holds something unusable.
    """
    train, names = _read_split(root / "train.npz")
    if names is None:
        names = tuple(f"metadata_{column + 1}" for column in range(train.metadata.shape[1]))
    test = _read_like(train, names, root / "test.npz")
    if (root / "val.npz").exists():
        val = _read_like(train, names, root / "val.npz")
        origin = "val.npz"
    else:
        chosen = stratified_share(
            train.label,
            options.val_fraction,
            np.random.default_rng(options.split_seed),
            f"{root / 'train.npz'}: val",
        )
        train, val = train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))
        origin = (
            f"{options.val_fraction:.4g} of each label of train.npz, chosen by seed "
            f"{options.split_seed}, as val.npz is absent"
        )
    return ConfoundedData(
        train=train, val=val, test=test, metadata_names=names, facts={"val": origin}
    )


def as_images(images: Array, path: Path) -> npt.NDArray[np.float32]:
    """An array of images as float32 [N, C, H, W]; uint8 is scaled to [0, 1].

    Raises:
        DataError: another type or number of axes; names ``path``.
    """
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"{path}: images have type {images.dtype}; expected uint8 or float")
    if images.ndim not in (3, 4):
        raise DataError(
            f"{path}: images have shape {list(images.shape)}; expected [N, H, W] or [N, C, H, W]"
        )
    scale = 255 if images.dtype == np.uint8 else 1
    scaled = np.divide(images, scale, dtype=np.float32, casting="same_kind")
    return scaled if scaled.ndim == 4 else scaled[:, None]


def as_metadata(metadata: Array) -> npt.NDArray[np.float64]:
    """[N] or [N, k] as float64 [N, k]."""
    return (metadata if metadata.ndim != 1 else metadata[:, None]).astype(np.float64)


def names_of(
    arrays: dict[str, Array], metadata: npt.NDArray[np.float64], path: Path
) -> tuple[str, ...] | None:
    """The names of the metadata columns, if the file has any.

    Raises:
        DataError: not one for each column.
    """
    names = arrays.get("metadata_names")
    if names is None:
        return None
    if names.shape != metadata.shape[1:]:
        raise DataError(
            f"{path}: metadata_names has shape {list(names.shape)}; "
            f"expected {list(metadata.shape[1:])}, a name for each column"
        )
    return tuple(str(name) for name in names)


def _read_like(train: ConfoundedSplit, names: tuple[str, ...], path: Path) -> ConfoundedSplit:
    """A split whose samples have the shapes and metadata columns of train."""
    split, found = _read_split(path)
    split.check_like(train, str(path))
    if found is not None and found != names:
        raise DataError(
            f"{path}: metadata_names are {', '.join(found)}; "
            f"expected {', '.join(names)} as in train.npz"
        )
    return split


def _read_split(path: Path) -> tuple[ConfoundedSplit, tuple[str, ...] | None]:
    """The checked split in a file and the names of its metadata columns, if it has any."""
    arrays = read_npz(path, REQUIRED, optional=NAMES)
    label = arrays["label"]
    split = ConfoundedSplit(
        images=as_images(arrays["images"], path),
        # A wrong label is left as it is, for the check to show it.
        label=label.astype(np.int64) if np.isin(label, LABELS).all() else label,
        metadata=as_metadata(arrays["metadata"]),
    )
    split.check(str(path))
    return split, names_of(arrays, split.metadata, path)
