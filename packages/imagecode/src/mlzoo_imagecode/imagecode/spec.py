"""ImageCoDe and its two-image variant as datasets of the task. Imports nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec, Paper
from mlzoo_imagecode.imagecode.files import (
    ANNOTATIONS,
    ANNOTATORS,
    ARCHIVE,
    IMAGE_SETS,
    TEST,
    TRAIN,
    TRAIN_SIMPLE,
    VALID,
    VALID_SIMPLE,
)

HOMEPAGE = "https://mcgill-nlp.github.io/imagecode"
ZENODO = "https://zenodo.org/records/6518944/files/image-sets.zip"
LICENCE = "the authors' repository is under MIT; images are those of their sources"

DESCRIPTIONS = "in the folder data of github.com/McGill-NLP/imagecode"
UNPACKED_AT_MOST = 40_000_000_000
"""Bytes; the archive has 13.8 GB, and what is in a jpg cannot be packed much further."""


def imagecode(task: str, paper: Paper | None = None) -> DatasetSpec:
    """Ten images of a set; the published descriptions and the archive of the image sets."""
    return DatasetSpec(
        name="imagecode",
        summary="9,402 sets of ten similar images, most of them video frames; which one does a text mean?",
        task=task,
        load="mlzoo_imagecode.imagecode.loading:load",
        config="mlzoo_imagecode.dataset_config:DescriptionOptions",
        files=(
            *(DataFile(path=name, how_to_get=DESCRIPTIONS) for name in (TRAIN, VALID, TEST)),
            *(
                DataFile(path=name, role="optional", how_to_get=DESCRIPTIONS)
                for name in (ANNOTATIONS, ANNOTATORS)
            ),
            # Optional, as --images may name a folder elsewhere; a run without images says how to get them.
            DataFile(
                path=ARCHIVE,
                role="optional",
                url=ZENODO,
                licence="of the images' sources",
                how_to_get="record 6518944 of Zenodo, or BennoKrojer/ImageCoDe on Hugging Face; 13.8 GB",
                unpacks=(IMAGE_SETS,),
                unpacked_size=UNPACKED_AT_MOST,
            ),
        ),
        prepare="mlzoo_imagecode.cross.regions.preparing:prepare",
        prepare_config="mlzoo_imagecode.cross.regions.prepare_config:RegionOptions",
        doctor="mlzoo_imagecode.imagecode.doctor:examine",
        stats="mlzoo_imagecode.imagecode.statistics:tables",
        demo="mlzoo_imagecode.imagecode.demo:write_demo",
        paper=paper,
        homepage=HOMEPAGE,
        licence=LICENCE,
    )


def imagecode_simple(task: str, paper: Paper | None = None) -> DatasetSpec:
    """Two images of a set; its images are those of ``imagecode``."""
    return DatasetSpec(
        name="imagecode-simple",
        summary="ImageCoDe with two images: the described one, and one two places from it",
        task=task,
        load="mlzoo_imagecode.imagecode.simple:load",
        config="mlzoo_imagecode.dataset_config:SimpleOptions",
        files=(
            DataFile(path=VALID_SIMPLE, how_to_get=DESCRIPTIONS),
            DataFile(
                path=TRAIN_SIMPLE,
                role="optional",
                how_to_get="was not published with the others; without it there is nothing to learn from",
            ),
        ),
        doctor="mlzoo_imagecode.imagecode.doctor_simple:examine",
        stats="mlzoo_imagecode.imagecode.simple:tables",
        demo="mlzoo_imagecode.imagecode.demo:write_simple_demo",
        paper=paper,
        homepage=HOMEPAGE,
        licence=LICENCE,
    )
