"""Open Images v4 (release 2018_04) as a dataset of the task: its files, and what makes, examines and
demonstrates them. Imports nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec

PARTS = ("train", "validation", "test")
_RELEASE = "https://storage.googleapis.com/openimages/2018_04"
LICENCE = "CC BY 4.0"

_SPLIT = "comes with the code of the split's authors (LESA, CVPR 2020) and of BiAM; put it here"
_PREPARE = "mlzoo data prepare open-images, from images or from the official h5 files"


def annotations_of(part: str) -> str:
    """Name of the csv with the image-level labels that people verified."""
    return f"{part}-annotations-human-imagelabels.csv"


LISTS = {
    "train": DataFile(
        path="image_ids_and_rotation.csv",
        url=f"{_RELEASE}/image_ids_and_rotation.csv",
        size=3_348_497_077,
        licence=LICENCE,
        role="raw",
    ),
    **{
        part: DataFile(
            path=f"{part}-images-with-rotation.csv",
            url=f"{_RELEASE}/{part}/{part}-images-with-rotation.csv",
            licence=LICENCE,
            role="raw",
        )
        for part in ("validation", "test")
    },
}
"""The images' addresses and sums; fetched when images are."""

FILES = (
    *(
        DataFile(path=name, url=f"{_RELEASE}/{name}", licence=LICENCE)
        for name in ("classes-trainable.txt", "class-descriptions.csv")
    ),
    *(
        DataFile(path=name, how_to_get=_SPLIT)
        for name in ("unseen_labels.pkl", "top_400_unseen.csv")
    ),
    DataFile(
        path="OpenImage_w2v_context_window_10_glove-wiki-gigaword-300.pkl",
        layout="published word vectors",
        how_to_get="is published by the authors of BiAM, with their code",
    ),
    DataFile(
        path="word_vectors.npz",
        layout="word vectors of one's own",
        role="made",
        how_to_get="mlzoo data prepare open-images --glove glove.6B.300d.txt",
    ),
    DataFile(path="train/shards.json", role="made", how_to_get=_PREPARE),
    DataFile(path="test/labels.npz", role="made", how_to_get=_PREPARE),
    *(
        DataFile(
            path=annotations_of(part),
            url=f"{_RELEASE}/{part}/{annotations_of(part)}",
            licence=LICENCE,
            role="raw",
        )
        for part in PARTS
    ),
)
"""What a run needs, and what it is made of."""


def open_images(task: str) -> DatasetSpec:
    """Open Images with the features of VGG-19, in shards."""
    return DatasetSpec(
        name="open-images",
        summary="Open Images v4 (2018_04), 7186 seen and 400 unseen classes, VGG-19 features in shards",
        task=task,
        load="mlzoo_biam.open_images.loading:load",
        config="mlzoo_biam.dataset_config:OpenImagesOptions",
        files=FILES,
        prepare="mlzoo_biam.open_images.prepare:prepare",
        prepare_config="mlzoo_biam.open_images.prepare_config:PrepareOpenImagesOptions",
        download="mlzoo_biam.open_images.download:fetch_images",
        download_config="mlzoo_biam.open_images.crawl_config:CrawlOptions",
        doctor="mlzoo_biam.open_images.doctor:examine",
        demo="mlzoo_biam.open_images.demo:write_demo",
        homepage="https://storage.googleapis.com/openimages/web/index.html",
        licence="annotations CC BY 4.0, images CC BY 2.0 as listed",
    )
