"""Tags of new images, ``mlzoo predict RUN INPUT...``.

An input is an image file, for which the weights of VGG-19 are needed (``--weights``), or an .npz with
``regions`` [n, D, S], ``scene`` [n, G] and perhaps ``names`` [n], as the training set has them. A label
is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlzoo.data.readers import ArraySpec, read_npz
from mlzoo.errors import DataError, UsageError, did_you_mean
from mlzoo.progress import Progress
from mlzoo_biam.attention import TagMaps, tag_maps
from mlzoo_biam.model import BiAMModel
from mlzoo_biam.multilabel import MultiLabelData
from mlzoo_biam.predict_config import PredictOptions

Floats = npt.NDArray[np.float32]
MOST_SHOWN = 16
"""Images of one picture."""


@dataclass(frozen=True, eq=False)
class NewImage:
    """One image to be tagged.

    Attributes:
        name: of the input, and of the image in it.
        regions: [D, S].
        scene: [G].
        file: the image itself, if there is one.
    """

    name: str
    regions: Floats
    scene: Floats
    file: Path | None = None


Tagged: TypeAlias = tuple[NewImage, TagMaps, npt.NDArray[np.int64]]
"""An image, its maps for all candidates, and the places of the candidates that are named, best first."""


def predict(
    model: BiAMModel,
    data: MultiLabelData,
    inputs: Sequence[Path],
    progress: Progress,
    options: PredictOptions,
) -> dict[str, Sequence[Any]]:
    """The tags of new images, highest first.

    Returns:
        A row for each image and tag: ``image``, ``rank`` from 1, ``tag``, ``kind`` (seen or unseen),
        ``score``, and ``row`` and ``column``, from 0, of the region that speaks most for the tag.

    Raises:
        UsageError: an unknown tag, an image without weights, or a picture of too many images.
        DataError: an input is damaged or shaped unlike the training set.
    """
    candidates = _candidates(data, options)
    images = _read(inputs, data, options, progress)
    if options.figure is not None and len(images) > MOST_SHOWN:
        raise UsageError(
            f"--figure: a picture shows at most {MOST_SHOWN} images, not {len(images)}."
        )
    vectors = data.vectors[candidates]  # [c, E]
    found: list[Tagged] = []
    for image in images:
        maps = tag_maps(model.network, image.regions, image.scene, vectors)
        order = np.argsort(-maps.scores, kind="stable")
        count = len(order) if options.tags else options.top
        found.append((image, maps, order[:count]))
    if options.figure is not None:
        from mlzoo_biam.predict_figure import write_figure

        write_figure(options.figure, found, [data.tags[tag] for tag in candidates], data.picture)
        progress.message(f"picture: {options.figure}")
    return _columns(found, candidates, data)


def _candidates(data: MultiLabelData, options: PredictOptions) -> npt.NDArray[np.int64]:
    """The tags that may be named, as positions."""
    every = np.arange(len(data.tags))
    if options.tags is None:
        kinds = {"all": every, "seen": every[data.seen], "unseen": every[data.unseen]}
        return kinds[options.kind]
    place = {tag: number for number, tag in enumerate(data.tags)}
    for tag in options.tags:
        if tag not in place:
            raise UsageError(
                f"--tags: there is no tag {tag!r} among the {len(place)} that this run knows.",
                did_you_mean(tag, place),
            )
    return np.array([place[tag] for tag in dict.fromkeys(options.tags)])


def _read(
    inputs: Sequence[Path], data: MultiLabelData, options: PredictOptions, progress: Progress
) -> list[NewImage]:
    """All images, in the order of the inputs."""
    files = [path for path in inputs if path.suffix.lower() != ".npz"]
    if files and options.weights is None:
        raise UsageError(
            f"{files[0]} is an image: its features need the weights of VGG-19.",
            "Name them: --weights vgg19.pth (torchvision's file), or give an .npz of features.",
        )
    extracted = _extracted(files, data, options, progress) if files else {}
    found: list[NewImage] = []
    for path in inputs:
        found += [extracted[path]] if path in extracted else _of_npz(path, data)
    return found


def _of_npz(path: Path, data: MultiLabelData) -> list[NewImage]:
    features = data.train.features
    spec = {
        "regions": ArraySpec(ndim=3, kinds="f", finite=True),
        "scene": ArraySpec(ndim=2, kinds="f", finite=True),
    }
    arrays = read_npz(path, spec)
    regions, scene = (arrays[name].astype(np.float32) for name in ("regions", "scene"))
    expected = (features.channels, features.grid[0] * features.grid[1])
    if regions.shape[1:] != expected or scene.shape[1] != features.scene_width:
        raise DataError(
            f"{path}: regions {list(regions.shape[1:])} and scene {scene.shape[1]} an image, but the "
            f"run was trained on {list(expected)} and {features.scene_width}."
        )
    if len(regions) != len(scene):
        raise DataError(f"{path}: {len(regions)} images have regions, {len(scene)} a scene.")
    return [
        NewImage(f"{path.name}[{number}]", x, x_g)
        for number, (x, x_g) in enumerate(zip(regions, scene, strict=True))
    ]


def _extracted(
    files: Sequence[Path], data: MultiLabelData, options: PredictOptions, progress: Progress
) -> dict[Path, NewImage]:
    """Features of image files, as the training set's were made.

    Raises:
        DataError: one cannot be read, or VGG-19's features are not what the run was trained on.
    """
    from mlzoo.backbones import extract
    from mlzoo.backbones.images import WHOLE

    features = data.train.features
    with TemporaryDirectory() as folder:
        assert options.weights is not None
        found = extract(
            "vgg19",
            options.weights,
            [str(file.resolve()) for file in files],
            Path(folder) / "work",
            root=Path("/"),
            preprocessing=WHOLE,
            progress=progress,
        )
        if found.unreadable:
            first = found.unreadable[0]
            raise DataError(f"{first.file} cannot be read: {first.reason}.")
        regions, scene = (np.array(found.arrays[name]) for name in ("regions", "scene"))
    expected = (features.channels, features.grid[0] * features.grid[1])
    if regions.shape[1:] != expected or scene.shape[1] != features.scene_width:
        raise DataError(
            f"the run was trained on features {list(expected)}, not on those of VGG-19, "
            f"{list(regions.shape[1:])}: it cannot tag image files.",
            "Give an .npz of its kind of features.",
        )
    return {
        path: NewImage(str(path), x, x_g, path)
        for path, x, x_g in zip(files, regions, scene, strict=True)
    }


def _columns(
    found: Sequence[Tagged], candidates: npt.NDArray[np.int64], data: MultiLabelData
) -> dict[str, Sequence[Any]]:
    rows = [
        (image.name, rank, int(candidates[place]), maps, int(place))
        for image, maps, order in found
        for rank, place in enumerate(order, start=1)
    ]
    columns = data.train.features.grid[1]
    places = [divmod(int(maps.regions[place, 0]), columns) for *_, maps, place in rows]
    return {
        "image": [name for name, *_ in rows],
        "rank": [rank for _, rank, *_ in rows],
        "tag": [data.tags[tag] for _, _, tag, *_ in rows],
        "kind": ["seen" if tag < data.seen_count else "unseen" for _, _, tag, *_ in rows],
        "score": [float(maps.scores[place]) for *_, maps, place in rows],
        "row": [row for row, _ in places],
        "column": [column for _, column in places],
    }
