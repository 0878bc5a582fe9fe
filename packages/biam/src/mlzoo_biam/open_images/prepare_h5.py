"""Open Images from the h5 files that BiAM's program reads: each file of train becomes a shard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlzoo.data.row_store import RowStore
from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_biam.labels import Labels
from mlzoo_biam.open_images.classes import Classes
from mlzoo_biam.open_images.h5 import ImageFile, find_files, open_images_file
from mlzoo_biam.open_images.loading import check_annotated
from mlzoo_biam.open_images.prepare_config import PrepareOpenImagesOptions
from mlzoo_biam.packed.packing import part_folder
from mlzoo_biam.packed.packing_parts import changed, pack_features, scene_identity, scene_reader
from mlzoo_biam.packed.shards import CLASSES, write_record


class PackH5:
    """Packs files; see :mod:`mlzoo_biam.open_images.h5`."""

    def __init__(
        self, root: Path, classes: Classes, options: PrepareOpenImagesOptions, progress: Progress
    ) -> None:
        assert options.h5 is not None
        self.root, self.classes, self.options, self.progress = root, classes, options, progress
        self.files = find_files(options.h5)
        self.scene = scene_reader(options.scene, options.weights, options.device)
        self.scene_made_of = scene_identity(options.scene, options.weights)

    def there(self) -> Mapping[str, str]:
        """By part, why it cannot be made; empty if it can."""
        pattern = {"train": "CHUNK_*.h5", "validation": "*val*.h5", "test": "*test*.h5"}
        return {
            part: "" if found else f"there is no {pattern[part]} in {self.options.h5}."
            for part, found in self.files.items()
        }

    def train(self) -> dict[str, Any]:
        """All shards in ``train.part``, which becomes ``train`` when they are whole."""
        work = part_folder(self.root / "train")
        work.mkdir(exist_ok=True)
        files = self.files["train"][: self.options.limit]
        self.progress.begin("shards", len(files), 0)
        names, labels = [], 0
        for number, path in enumerate(files, 1):
            name = str(number - 1)
            names.append(name)
            if (work / name).exists():
                if RowStore.opened(work / name).identity != self._identity(path):
                    raise changed(work / name)
            else:
                labels += self._pack(path, work / name, unseen=False, progress=None)
            self.progress.counted(number, len(files))
        self.progress.end()
        images = write_record(work, names, made_of="h5")
        work.rename(self.root / "train")
        return {"images": images, "shards": len(names)}

    def whole(self, part: str) -> dict[str, Any]:
        """A part that is not trained on."""
        path = self.files[part][0]
        self._pack(path, self.root / part, unseen=part == "test", progress=self.progress)
        return {"images": RowStore.opened(self.root / part).length, "from": path.name}

    def _pack(self, path: Path, target: Path, *, unseen: bool, progress: Progress | None) -> int:
        with open_images_file(path, unseen=unseen) as file:
            names = file.names if progress is None else file.names[: self.options.limit]
            labels = self._labels(file, unseen=unseen)
            pack_features(
                target,
                path,
                names,
                labels.subset(slice(0, len(names))),
                file.features,
                self.scene,
                self._identity(path),
                facts={
                    "from": path.name,
                    "scene": self.options.scene,
                    CLASSES: self.classes.digest(),
                },
                batch_size=self.options.batch_size,
                progress=progress,
            )
        return len(labels.tags)

    def _labels(self, file: ImageFile, *, unseen: bool) -> Labels:
        labels = file.labels(self.classes, unseen=unseen)
        check_annotated(file.path, labels)
        if not len(labels.tags):
            raise DataError(f"{file.path}: no image has a label.")
        return labels

    def _identity(self, path: Path) -> dict[str, str]:
        return {
            "h5 file": f"{path.name} {path.stat().st_size}",
            "scene": self.scene_made_of,
            CLASSES: self.classes.digest(),
            "limit": str(self.options.limit),
        }
