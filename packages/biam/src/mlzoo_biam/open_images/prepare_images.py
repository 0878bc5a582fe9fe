"""Open Images from the images themselves and the annotations of the release.

Only images that people annotated are taken. Training images are shuffled and cut into shards; the last
one may be smaller. The labels of train and validation are of seen classes alone, as in the published
files: those of unseen classes belong to evaluation.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.backbones import Unreadable
from mlzoo.backbones.extraction import write_unreadable
from mlzoo.data.manifest import sha256_of
from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_biam.labels import Labels
from mlzoo_biam.open_images.annotations import read_annotations
from mlzoo_biam.open_images.classes import Classes
from mlzoo_biam.open_images.loading import check_annotated, seen_labels
from mlzoo_biam.open_images.prepare_config import PrepareOpenImagesOptions
from mlzoo_biam.open_images.spec import PARTS, annotations_of
from mlzoo_biam.packed.packing import part_folder
from mlzoo_biam.packed.packing_parts import (
    ROW_BYTES,
    PieceProgress,
    changed,
    made_of,
    pack_images,
    unreadable_of,
)
from mlzoo_biam.packed.preparing import require_space
from mlzoo_biam.packed.shards import CLASSES, write_record


class PackImages:
    """Packs images of folders ``<images>/<part>/<ImageID>.jpg``."""

    def __init__(
        self, root: Path, classes: Classes, options: PrepareOpenImagesOptions, progress: Progress
    ) -> None:
        assert options.images is not None
        assert options.weights is not None
        self.root, self.classes, self.options, self.progress = root, classes, options, progress
        self.images, self.weights = options.images, options.weights
        self.weights_digest = sha256_of(options.weights)

    def there(self) -> Mapping[str, str]:
        """By part, why it cannot be made; empty if it can."""
        found = {}
        for part in PARTS:
            csv, folder = self.root / annotations_of(part), self.images / part
            found[part] = "" if folder.is_dir() else f"{folder} is no folder of images."
            if not found[part] and not csv.is_file():
                found[part] = f"{csv} is missing: mlzoo data download open-images fetches it."
        return found

    def train(self) -> dict[str, Any]:
        """All shards in ``train.part``, which becomes ``train`` when they are whole."""
        files, labels, facts = self._annotated("train")
        order = np.random.default_rng(self.options.shuffle_seed).permutation(len(files))
        order = order[: self.options.limit]
        work = part_folder(self.root / "train")
        work.mkdir(exist_ok=True)
        starts = range(0, len(order), self.options.shard_size)
        rows = [order[start : start + self.options.shard_size] for start in starts]
        undone = [n for n in range(len(rows)) if not (work / str(n)).exists()]
        require_space(work, ROW_BYTES * sum(len(rows[n]) for n in undone))
        unreadable: list[Unreadable] = []
        self.progress.begin("images of train", len(order), 0)
        for number, own in enumerate(rows):
            shard = [files[row] for row in own]
            target = work / str(number)
            piece = PieceProgress(self.progress, starts[number], len(order))
            if not target.exists():
                self._pack("train", target, shard, labels.subset(own), piece)
            elif not made_of(target, shard, self.images / "train", self.weights_digest):
                raise changed(target)
            piece.counted(len(shard), len(shard))
            unreadable += unreadable_of(target, shard)
        self.progress.end()
        images = write_record(work, [str(n) for n in range(len(rows))], made_of="images")
        facts |= self._listed("train", unreadable)
        work.rename(self.root / "train")
        return {"images": images, "shards": len(rows), **facts}

    def whole(self, part: str) -> dict[str, Any]:
        """A part that is not trained on."""
        files, labels, facts = self._annotated(part)
        files = files[: self.options.limit]
        target = self.root / part
        require_space(self.root, ROW_BYTES * len(files))
        self._pack(part, target, files, labels.subset(slice(0, len(files))), self.progress)
        unreadable = unreadable_of(target, files)
        facts |= self._listed(part, unreadable)
        return {"images": len(files) - len(unreadable), **facts}

    def _annotated(self, part: str) -> tuple[list[str], Labels, dict[str, Any]]:
        """Files of the annotated images that are there, in the order of their ids, and labels."""
        csv = self.root / annotations_of(part)
        self.progress.message(f"reading {csv.name}")
        found = read_annotations(csv, self.classes.ids)
        labels = found.labels
        if part != "test":
            labels = seen_labels(labels, len(self.classes.seen))
        check_annotated(csv, labels)
        there = {entry.name for entry in os.scandir(self.images / part)}
        rows = np.flatnonzero([f"{name}.jpg" in there for name in found.images])
        if not len(rows):
            raise DataError(
                f"{self.images / part} holds none of the {len(found.images)} images of {csv.name}.",
                "Expected <ImageID>.jpg; mlzoo data download open-images --crawl fetches them.",
            )
        files = [f"{found.images[row]}.jpg" for row in rows]
        facts = {"annotated": len(found.images), "not there": len(found.images) - len(rows)}
        if found.contradictory:
            facts["contradictory labels, not used"] = found.contradictory
        return files, labels.subset(rows), facts

    def _pack(
        self, part: str, target: Path, files: list[str], labels: Labels, progress: Progress
    ) -> None:
        pack_images(
            target,
            files,
            labels,
            self.images / part,
            self.weights,
            facts={"from": "images", "scene": "vgg19", CLASSES: self.classes.digest()},
            batch_size=self.options.batch_size,
            device=self.options.device,
            processes=self.options.processes,
            progress=progress,
        )

    def _listed(self, part: str, unreadable: list[Unreadable]) -> dict[str, Any]:
        """Write which images are left out."""
        path = self.root / f"{part}.unreadable.csv"
        path.unlink(missing_ok=True)
        if not unreadable:
            return {"unreadable": 0}
        write_unreadable(path, unreadable)
        return {"unreadable": len(unreadable), "listed in": path.name}
