"""Reading packed features of NUS-WIDE against the published layout, three gzipped datasets an image.

python benchmarks/biam_store.py [--json FILE] [--repeats 5] [--quick]

Both files lie in the system's temporary folder and in the memory of its disk cache. Features are those of
the demo world: like VGG-19's two fifths of them are zero; real ones have more digits and pack worse.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from _measure import Call, Row, arguments, compare, report

from mlzoo_biam.nus_wide import demo as nus_demo
from mlzoo_biam.nus_wide.archive import Archive, part_names
from mlzoo_biam.nus_wide.h5 import FEATURES
from mlzoo_biam.packed.store import PackedFeatures

Floats = npt.NDArray[np.float32]


def loop_over_images(path: Path, names: list[str], rows: npt.NDArray[np.int64]) -> Floats:
    """As the published program reads: one dataset after the other into a buffer."""
    import h5py

    with h5py.File(path, "r") as file:
        found = np.empty((len(rows), *file[names[0] + FEATURES].shape), np.float32)
        for place, row in enumerate(rows):
            found[place] = file[names[row] + FEATURES][()]
    return found


def row_of(what: str, root: Path, rows: npt.NDArray[np.int64], options: argparse.Namespace) -> Row:
    """Regions of some images of the training part, both ways."""
    packed = PackedFeatures(root / "train")
    path = root / "features" / "nus_wide_train.h5"
    names = part_names(Archive([root]), "train")
    theirs = loop_over_images(path, names, rows)
    assert packed.regions(rows).tobytes() == theirs.tobytes()
    mapped = np.load(root / "train" / "regions.npy", mmap_mode="r")
    calls: dict[str, Call] = {
        "mlzoo": lambda: packed.regions(rows),
        "gzip by image": lambda: loop_over_images(path, names, rows),
        "numpy.memmap": lambda: mapped[rows],
    }
    gigabytes = 2 * theirs.nbytes / 1e9  # read once, written once
    return compare(what, calls, options, against=("gzip by image",), gigabytes=gigabytes)


def main() -> None:
    options = arguments(__doc__, repeats=5)
    if options.quick:
        nus_demo.IMAGES.update(train=40, test=30)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "nus-wide"
        nus_demo.write_demo(root, 0)
        count = nus_demo.IMAGES["train"]
        drawn = np.random.default_rng(0).permutation(count)
        rows = [
            row_of("32 images drawn from a packed store", root, drawn[:32], options),
            row_of(f"{count} images of a packed store in order", root, np.sort(drawn), options),
        ]
    report(rows, options)


if __name__ == "__main__":
    main()
