"""What this package brings: one more model of the task ``zero-shot``. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import ModelSpec, Paper, hookimpl

PAPER = Paper(
    title="An embarrassingly simple approach to zero-shot learning",
    authors="Bernardino Romera-Paredes, Philip H. S. Torr",
    venue="ICML",
    year=2015,
    url="https://proceedings.mlr.press/v37/romera-paredes15.html",
    bibtex="""@inproceedings{romera2015eszsl,
  title     = {An embarrassingly simple approach to zero-shot learning},
  author    = {Romera-Paredes, Bernardino and Torr, Philip H. S.},
  booktitle = {International Conference on Machine Learning (ICML)},
  year      = {2015}
}""",
)

CALIBRATED = {
    "gammas": (0.1, 1.0, 10.0),
    "lambdas": (0.001, 0.01, 0.1, 1.0),
    "calibrations": tuple(step / 5 for step in range(11)),  # 0 to 2
}


@hookimpl
def mlzoo_models() -> Iterator[ModelSpec]:
    """The closed form with its two regularisers chosen on validation classes."""
    yield ModelSpec(
        name="eszsl",
        summary="a bilinear map from features to class embeddings, in closed form",
        task="zero-shot",
        paper=PAPER,
        config="mlzoo_eszsl.config:ESZSLConfig",
        factory="mlzoo_eszsl.model:ESZSL",
        default_dataset="digits",
        presets={
            "digits/smoke": {"gammas": (1.0, 100.0), "lambdas": (0.1,), "limit": 200},
            # Chosen on validation classes, of ImageNet features of the real photographs.
            "cub": {"scaling": "none"},
            "cub/calibrated": CALIBRATED,
        },
        # No table of the paper could be checked, so no number is given.
        published=(),
        deterministic=True,
        budget="the whole grid on the 7057 x 1000 features of CUB: 19 s on one CPU core",
    )
