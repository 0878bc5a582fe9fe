"""NUS-WIDE as a dataset of the task: its files, and what makes, examines and demonstrates them. Imports
nothing heavy."""

from __future__ import annotations

from mlzoo import DataFile, DatasetSpec, Paper

NUS_WIDE = Paper(
    title="NUS-WIDE: A Real-World Web Image Database from National University of Singapore",
    authors="Tat-Seng Chua, Jinhui Tang, Richang Hong, Haojie Li, Zhiping Luo, Yantao Zheng",
    venue="CIVR",
    year=2009,
    url="https://doi.org/10.1145/1646396.1646452",
    bibtex="""@inproceedings{chua2009nus,
  title     = {{NUS-WIDE}: A Real-World Web Image Database from {N}ational {U}niversity of {S}ingapore},
  author    = {Chua, Tat-Seng and Tang, Jinhui and Hong, Richang and Li, Haojie and Luo, Zhiping and
               Zheng, Yantao},
  booktitle = {ACM International Conference on Image and Video Retrieval (CIVR)},
  year      = {2009}
}""",
)


def nus_wide(task: str) -> DatasetSpec:
    """NUS-WIDE with the features of VGG-19."""
    packed = ("regions.npy", "scene.npy", "made.json", "store.json", "names.txt", "labels.npz")
    words = (
        ("TagList1k.txt", "comes with the official archive of NUS-WIDE"),
        ("Concepts81.txt", "comes with the official archive of NUS-WIDE"),
        (
            "NUS_WIDE_pretrained_w2v_glove-wiki-gigaword-300",
            "comes with BiAM's repository, in the folder wiki_contexts",
        ),
    )
    how = "make it of h5 files or of images: mlzoo data prepare nus-wide --help"
    return DatasetSpec(
        name="nus-wide",
        summary="Flickr images, 925 tags of users seen and 81 annotated concepts unseen, VGG-19 features",
        task=task,
        load="mlzoo_biam.nus_wide.loading:load",
        config="mlzoo_biam.dataset_config:NusWideOptions",
        files=(
            *(DataFile(path=path, how_to_get=source) for path, source in words),
            *(
                DataFile(path=f"{part}/{name}", how_to_get=how)
                for part in ("train", "test")
                for name in packed
            ),
        ),
        prepare="mlzoo_biam.nus_wide.prepare:prepare",
        prepare_config="mlzoo_biam.nus_wide.prepare_config:PrepareNusWideOptions",
        doctor="mlzoo_biam.nus_wide.doctor:examine",
        demo="mlzoo_biam.nus_wide.demo:write_demo",
        paper=NUS_WIDE,
    )
