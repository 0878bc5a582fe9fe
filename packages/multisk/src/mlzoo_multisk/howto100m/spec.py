"""HowTo100M as a dataset of the task: its files, and what makes, examines and demonstrates them. Imports
nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec, Paper

HOWTO100M = Paper(
    title="HowTo100M: Learning a Text-Video Embedding by Watching Hundred Million Narrated Video Clips",
    authors="Antoine Miech, Dimitri Zhukov, Jean-Baptiste Alayrac, Makarand Tapaswi, Ivan Laptev, "
    "Josef Sivic",
    venue="ICCV",
    year=2019,
    url="https://arxiv.org/abs/1906.03327",
    bibtex="""@inproceedings{miech2019howto100m,
  title     = {{HowTo100M}: Learning a Text-Video Embedding by Watching Hundred Million Narrated Video
               Clips},
  author    = {Miech, Antoine and Zhukov, Dimitri and Alayrac, Jean-Baptiste and Tapaswi, Makarand and
               Laptev, Ivan and Sivic, Josef},
  booktitle = {IEEE/CVF International Conference on Computer Vision (ICCV)},
  year      = {2019}
}""",
)

_AUTHORS = "from the authors of HowTo100M, on the project's page"
_FEATURES = (
    "features/<path>/<id>_2d.npz and _3d.npz, audio/<path>/<id>_spec.npz beside it; a link to where they "
    "lie will do"
)


def howto100m(task: str) -> DatasetSpec:
    """HowTo100M, from three files a video or from shards made of them."""
    return DatasetSpec(
        name="howto100m",
        summary="1.2 million instructional videos with what is said in them, to be trained on",
        task=task,
        load="mlzoo_multisk.howto100m.loading:load",
        config="mlzoo_multisk.dataset_config:HowTo100MOptions",
        files=(
            DataFile(
                path="shards/index.json",
                layout="shards",
                role="made",
                how_to_get="mlzoo data prepare howto100m --shards",
            ),
            DataFile(
                path="videos.csv",
                layout="files of videos",
                how_to_get=f"a table with the column 'path'; {_FEATURES}",
            ),
            DataFile(path="captions.pickle", layout="files of videos", how_to_get=_AUTHORS),
        ),
        prepare="mlzoo_multisk.howto100m.prepare:prepare",
        prepare_config="mlzoo_multisk.howto100m.prepare_config:PrepareHowTo100MOptions",
        doctor="mlzoo_multisk.howto100m.doctor:examine",
        demo="mlzoo_multisk.howto100m.demo:write_demo",
        paper=HOWTO100M,
        homepage="https://www.di.ens.fr/willow/research/howto100m/",
    )
