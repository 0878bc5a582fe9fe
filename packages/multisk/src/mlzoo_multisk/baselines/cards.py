"""The cards of the baselines, from knowing nothing of a clip to linear maps that are trained as the models
are. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlzoo import ModelSpec, Paper

_REALITY_CHECK = Paper(
    title="A Metric Learning Reality Check",
    authors="Kevin Musgrave, Serge Belongie, Ser-Nam Lim",
    venue="ECCV",
    year=2020,
    url="https://arxiv.org/abs/2003.08505",
    bibtex="""@inproceedings{musgrave2020metric,
  title     = {A Metric Learning Reality Check},
  author    = {Musgrave, Kevin and Belongie, Serge and Lim, Ser-Nam},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year      = {2020}
}""",
)
"""Of how much of what embeddings seem to have learnt is there without."""

_SETS_OF_VARIABLES = Paper(
    title="Canonical analysis of several sets of variables",
    authors="Jon R. Kettenring",
    venue="Biometrika",
    year=1971,
    url="https://doi.org/10.1093/biomet/58.3.433",
    bibtex="""@article{kettenring1971canonical,
  title   = {Canonical analysis of several sets of variables},
  author  = {Kettenring, Jon R.},
  journal = {Biometrika},
  volume  = {58},
  number  = {3},
  pages   = {433--451},
  year    = {1971}
}""",
)

_INFONCE = Paper(
    title="Representation Learning with Contrastive Predictive Coding",
    authors="Aaron van den Oord, Yazhe Li, Oriol Vinyals",
    venue="arXiv",
    year=2018,
    url="https://arxiv.org/abs/1807.03748",
    bibtex="""@article{oord2018representation,
  title   = {Representation Learning with Contrastive Predictive Coding},
  author  = {van den Oord, Aaron and Li, Yazhe and Vinyals, Oriol},
  journal = {arXiv preprint arXiv:1807.03748},
  year    = {2018}
}""",
)

_FIGURES = {
    "rank-histogram": "mlzoo_multisk.figures:rank_histogram",
    "recall-at-k": "mlzoo_multisk.figures:recall_at_k",
}

_NO_VAL: dict[str, Any] = {"select": "last"}


def baselines(task: str) -> Iterator[ModelSpec]:
    """The ladder of baselines of a task."""
    yield ModelSpec(
        name="random-embeddings",
        summary="a random vector for every text, video and audio",
        task=task,
        paper=_REALITY_CHECK,
        config="mlzoo_multisk.baselines.config:RandomEmbeddingsConfig",
        factory="mlzoo_multisk.baselines.random_embeddings:RandomEmbeddings",
        default_dataset="spoken-digits",
        presets={"howto100m": _NO_VAL, "*/smoke": {"limit": 40, "draws": 2}, "howto100m/smoke": {}},
        figures=_FIGURES,
    )
    yield ModelSpec(
        name="pooled-cca",
        summary="regularised canonical analysis of mean-pooled text, video and audio, in closed form",
        task=task,
        paper=_SETS_OF_VARIABLES,
        config="mlzoo_multisk.baselines.config:PooledCCAConfig",
        factory="mlzoo_multisk.baselines.pooled_cca:PooledCCA",
        default_dataset="spoken-digits",
        presets={
            "howto100m": {**_NO_VAL, "ridges": (0.1,)},
            "*/smoke": {"limit": 200, "projection": 16, "ridges": (0.01, 0.1)},
            "howto100m/smoke": {"limit": 20, "projection": 16},
        },
        figures=_FIGURES,
        deterministic=True,
    )
    yield ModelSpec(
        name="pooled-infonce",
        summary="a linear map of each mean-pooled modality, trained contrastively",
        task=task,
        paper=_INFONCE,
        config="mlzoo_multisk.baselines.config:PooledInfoNCEConfig",
        factory="mlzoo_multisk.baselines.pooled_infonce:PooledInfoNCE",
        default_dataset="spoken-digits",
        presets={
            "howto100m": _NO_VAL,
            "spoken-digits": {"epochs": 10, "batch_size": 128, "learning_rate": 0.01},
            "*/smoke": {"limit": 200, "epochs": 2, "batch_size": 32, "projection": 16},
        },
        figures={"training": "mlzoo_multisk.figures:training", **_FIGURES},
    )
