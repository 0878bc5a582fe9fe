"""``mlzoo data download open-images --crawl PART``: the images themselves, from where they were found.

Most are at Flickr, and some of them are not any more. They are stored as ``images/<part>/<ImageID>.jpg``
with a short side of 256 pixels, and what cannot be had is listed in ``images/<part>.failed.csv``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.data.download import download
from mlzoo.data.manifest import human_size
from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo.specs import DatasetSpec
from mlzoo_biam.open_images.annotations import read_annotations
from mlzoo_biam.open_images.crawl import Place, crawl
from mlzoo_biam.open_images.crawl_config import CrawlOptions
from mlzoo_biam.open_images.fetch import Rules, Wanted
from mlzoo_biam.open_images.image_list import read_image_list
from mlzoo_biam.open_images.spec import LISTS, annotations_of

IMAGE_BYTES = 60_000
"""Of an image as it is stored, about."""


def fetch_images(folder: Path, options: CrawlOptions, progress: Progress) -> Mapping[str, Any]:
    """Fetch the images of a part; see :class:`mlzoo_biam.open_images.crawl_config.CrawlOptions`.

    Args:
        folder: of the dataset.
        options: what to fetch.
        progress: told how many are done.

    Returns:
        How many were fetched, were there before, failed now, and are known to be gone.

    Raises:
        DataError: a list is missing or damaged, or the disk is too small.
        RunError: another process fetches into the folder, or it cannot be written.
    """
    if options.crawl is None:
        return {}
    part = options.crawl
    path = options.image_list or _published_list(folder, part, progress)
    wanted = _chosen(folder, options, part)

    def images() -> Iterator[Wanted]:
        found = (each for each in read_image_list(path, part) if wanted(each.name))
        for number, each in enumerate(found):
            if options.limit is not None and number == options.limit:
                return
            yield each

    total = sum(1 for _ in images())
    if not total:
        raise DataError(f"{path} lists no image of {part} that is wanted.")
    place = Place(folder / "images" / part, folder / "images" / f"{part}.failed.csv")
    _check_space(folder, total)
    rules = Rules(attempts=options.image_attempts, timeout=options.image_timeout)
    counts = crawl(
        images(),
        place,
        total=total,
        connections=options.connections,
        rules=rules,
        retry=options.retry,
        progress=progress,
    )
    lacking = {"listed in": f"images/{place.failed.name}"} if counts.failed + counts.gone else {}
    return {"images": str(place.folder), "listed": total, **vars(counts), **lacking}


def _published_list(folder: Path, part: str, progress: Progress) -> Path:
    file = LISTS[part]
    path = folder / file.path
    if not path.exists():
        progress.message(f"fetching {file.path} ({human_size(file.size)})")
        spec = DatasetSpec(
            name=folder.name, summary="", task="lists-of-images", load="a:b", files=(file,)
        )
        download(spec, folder.parent, note=progress.message)
    return path


def _chosen(folder: Path, options: CrawlOptions, part: str) -> Callable[[str], bool]:
    """Whether an image is wanted, by its id."""
    if options.which == "all":
        return lambda name: True
    path = folder / annotations_of(part)
    if not path.exists():
        raise DataError(
            f"{path} is missing: it tells which images people annotated.",
            "Fetch it first, or take all images: --which all",
        )
    known = np.array([name.encode() for name in read_annotations(path, ()).images])  # ascending

    def annotated(name: str) -> bool:
        key = np.array(name.encode())
        row = int(np.searchsorted(known, key))
        return row < len(known) and bool(known[row] == key)

    return annotated


def _check_space(folder: Path, count: int) -> None:
    free, needed = shutil.disk_usage(folder).free, count * IMAGE_BYTES
    if needed > free:
        raise DataError(
            f"{folder} has {human_size(free)} free; {count:,} images need some {human_size(needed)}.",
            "Make room, choose another data root (--data-dir), or fewer images (--limit).",
        )
