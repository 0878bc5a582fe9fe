"""Options of ``mlzoo data prepare tagged-images``. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mlzoo import Config


class PrepareTaggedImagesOptions(Config):
    """All of ``images``, ``labels``, ``unseen``, ``vectors`` and ``weights`` are needed."""

    images: Path | None = Field(None, description="folder of the images, at any depth")
    labels: Path | None = Field(
        None,
        description="table (.csv, .tsv) with the column image, and tags (a;b;c) or a column of "
        "1, 0, -1 for each tag; perhaps split (train, test)",
    )
    unseen: Path | None = Field(
        None, description="the tags that training must not know, one a line"
    )
    vectors: Path | None = Field(
        None,
        description="word vectors: GloVe's text format, or .npz with the arrays words and vectors",
    )
    weights: Path | None = Field(
        None, description="state dict of torchvision's vgg19 (vgg19-dcbb9e9d.pth)"
    )
    tags: Path | None = Field(
        None, description="all tags, one a line; without it those of the table"
    )
    test_share: float = Field(
        0.2, gt=0, lt=1, description="of the images, where the table has no column split"
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="of that draw")
    batch_size: int = Field(32, gt=0, description="images at once")
    processes: int = Field(1, gt=0, description="that read and decode images, or work on the CPU")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
