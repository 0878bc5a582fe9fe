"""One's own videos as a dataset of the task. Imports nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec

_HOW = (
    "mlzoo data prepare videos --videos DIR --captions FILE.csv --weights-2d resnet152.pth "
    "--weights-3d resnext101.pth"
)


def videos(task: str) -> DatasetSpec:
    """A folder of videos and a table of captions."""
    files = ("videos/index.json", "videos/index.npz")
    return DatasetSpec(
        name="videos",
        summary="your own: a folder of videos with sound and a table of captions",
        task=task,
        load="mlzoo_multisk.videos.loading:load",
        config="mlzoo_multisk.dataset_config:VideosOptions",
        files=tuple(DataFile(path=path, role="made", how_to_get=_HOW) for path in files),
        prepare="mlzoo_multisk.videos.prepare:prepare",
        prepare_config="mlzoo_multisk.videos.prepare_config:PrepareVideosOptions",
        doctor="mlzoo_multisk.videos.doctor:examine",
        demo="mlzoo_multisk.videos.demo:write_demo",
    )
