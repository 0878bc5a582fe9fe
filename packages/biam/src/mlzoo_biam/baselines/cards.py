"""The cards of the baselines, from knowing nothing of an image to word vectors mixed by a classifier.
Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import ModelSpec, Paper

_POPULARITY = Paper(
    title="Performance of Recommender Algorithms on Top-N Recommendation Tasks",
    authors="Paolo Cremonesi, Yehuda Koren, Roberto Turrin",
    venue="RecSys",
    year=2010,
    url="https://doi.org/10.1145/1864708.1864721",
    bibtex="""@inproceedings{cremonesi2010performance,
  title     = {Performance of Recommender Algorithms on Top-N Recommendation Tasks},
  author    = {Cremonesi, Paolo and Koren, Yehuda and Turrin, Roberto},
  booktitle = {ACM Conference on Recommender Systems (RecSys)},
  year      = {2010}
}""",
)
"""Of recommending what is popular to everybody."""

_OUTPUT_CODES = Paper(
    title="Zero-shot Learning with Semantic Output Codes",
    authors="Mark Palatucci, Dean Pomerleau, Geoffrey E. Hinton, Tom M. Mitchell",
    venue="NIPS",
    year=2009,
    url="https://papers.nips.cc/paper/2009/hash/1543843a4723ed2ab08e18053ae6dc5b-Abstract.html",
    bibtex="""@inproceedings{palatucci2009zero,
  title     = {Zero-shot Learning with Semantic Output Codes},
  author    = {Palatucci, Mark and Pomerleau, Dean and Hinton, Geoffrey E. and Mitchell, Tom M.},
  booktitle = {Advances in Neural Information Processing Systems (NIPS)},
  year      = {2009}
}""",
)
"""Of linear regression to a space of meanings, in which unseen classes lie, too."""

_CONSE = Paper(
    title="Zero-Shot Learning by Convex Combination of Semantic Embeddings",
    authors="Mohammad Norouzi, Tomas Mikolov, Samy Bengio, Yoram Singer, Jonathon Shlens, Andrea Frome, "
    "Greg S. Corrado, Jeffrey Dean",
    venue="ICLR",
    year=2014,
    url="https://arxiv.org/abs/1312.5650",
    bibtex="""@inproceedings{norouzi2014zero,
  title     = {Zero-Shot Learning by Convex Combination of Semantic Embeddings},
  author    = {Norouzi, Mohammad and Mikolov, Tomas and Bengio, Samy and Singer, Yoram and
               Shlens, Jonathon and Frome, Andrea and Corrado, Greg S. and Dean, Jeffrey},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year      = {2014}
}""",
)


def baselines(task: str) -> Iterator[ModelSpec]:
    """The ladder of baselines of a task."""
    yield ModelSpec(
        name="tag-frequency",
        summary="the same tags for every image: how often each occurs in training",
        task=task,
        paper=_POPULARITY,
        config="mlzoo_biam.baselines.config:TagFrequencyConfig",
        factory="mlzoo_biam.baselines.tag_frequency:TagFrequency",
        default_dataset="digit-mosaics",
        presets={"*/smoke": {}},
        deterministic=True,
    )
    yield ModelSpec(
        name="tag-ridge",
        summary="ridge regression from pooled features to word vectors, in closed form",
        task=task,
        paper=_OUTPUT_CODES,
        config="mlzoo_biam.baselines.config:TagRidgeConfig",
        factory="mlzoo_biam.baselines.tag_ridge:TagRidge",
        default_dataset="digit-mosaics",
        presets={"*/smoke": {"penalties": (0.01, 1.0), "limit": 200}},
        deterministic=True,
    )
    yield ModelSpec(
        name="conse",
        summary="ConSE: word vectors mixed by a linear classifier's probabilities of seen tags",
        task=task,
        paper=_CONSE,
        config="mlzoo_biam.baselines.config:ConSEConfig",
        factory="mlzoo_biam.baselines.conse:ConSE",
        default_dataset="digit-mosaics",
        presets={"*/smoke": {"epochs": 2, "limit": 200}},
    )
