"""The cards of ViLBERT and UNITER. Imports no torch.

The methods: Lu et al., ViLBERT, NeurIPS 2019, arXiv 1908.02265; Chen et al., UNITER, ECCV 2020, arXiv
1909.11740; both in the build of Bugliarello et al., "Multimodal Pretraining Unmasked", TACL 2021, arXiv
2011.15124 (VOLTA), as the ImageCoDe paper uses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlzoo import ModelSpec, Paper
from mlzoo_imagecode.cross.presets import cross_presets
from mlzoo_imagecode.published import cross_published

SUMMARIES = {
    "vilbert": "ViLBERT (NeurIPS 2019) on ImageCoDe: two transformers, of words and of image regions, that "
    "look at each other",
    "uniter": "UNITER (ECCV 2020, controlled) on ImageCoDe: one transformer over words and image regions",
}


def cross_encoders(task: str, paper: Paper, figures: Mapping[str, str]) -> Iterator[ModelSpec]:
    """Both, with the published settings and numbers."""
    for name, summary in SUMMARIES.items():
        yield ModelSpec(
            name=name,
            summary=summary,
            task=task,
            paper=paper,
            config=f"mlzoo_imagecode.cross.config:{name.title()}Config",
            factory="mlzoo_imagecode.cross.model:CrossModel",
            default_dataset="digit-strips",
            presets=cross_presets(name),
            published=cross_published(name),
            figures=figures,
            predict="mlzoo_imagecode.cross.predict:predict",
            predict_config="mlzoo_imagecode.predict_config:PredictOptions",
            predict_without_inputs=True,
            weights="mlzoo_imagecode.cross.weights:import_weights",
        )
