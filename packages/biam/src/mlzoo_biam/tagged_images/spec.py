"""One's own tagged images as a dataset of the task. Imports nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec

_HOW = (
    "mlzoo data prepare tagged-images --images DIR --labels FILE --unseen FILE --vectors FILE "
    "--weights vgg19.pth"
)
_PACKED = ("regions.npy", "scene.npy", "made.json", "store.json", "names.txt", "labels.npz")


def tagged_images(task: str) -> DatasetSpec:
    """A folder of images and a table of their tags."""
    names = ("tags.json", "word_vectors.npz")
    packed = (f"{part}/{name}" for part in ("train", "test") for name in _PACKED)
    return DatasetSpec(
        name="tagged-images",
        summary="your own: a folder of images, a table of their tags, word vectors; VGG-19 features",
        task=task,
        load="mlzoo_biam.tagged_images.loading:load",
        config="mlzoo_biam.dataset_config:TaggedImagesOptions",
        files=tuple(
            DataFile(path=path, role="made", how_to_get=_HOW) for path in (*names, *packed)
        ),
        prepare="mlzoo_biam.tagged_images.prepare:prepare",
        prepare_config="mlzoo_biam.tagged_images.prepare_config:PrepareTaggedImagesOptions",
        demo="mlzoo_biam.tagged_images.demo:write_demo",
    )
