"""What mlzoo-multisk brings: two models and their baselines, the task ``multimodal-retrieval`` and its
datasets. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from mlzoo import DatasetSpec, EvaluatorSpec, ModelSpec, Paper, hookimpl
from mlzoo_multisk.baselines.cards import baselines
from mlzoo_multisk.howto100m.spec import howto100m
from mlzoo_multisk.metric_specs import ANCHOR_METRICS, IDENTITIES, METRICS, MTEB
from mlzoo_multisk.msrvtt.spec import msrvtt
from mlzoo_multisk.presets import everything_at_once_presets, multisk_presets
from mlzoo_multisk.published import published
from mlzoo_multisk.videos.spec import videos
from mlzoo_multisk.youcook2.spec import youcook2

TASK = "multimodal-retrieval"

MULTISK = Paper(
    title="Preserving Modality Structure Improves Multi-Modal Learning",
    authors="Sirnam Swetha, Mamshad Nayeem Rizve, Nina Shvetsova, Hilde Kuehne, Mubarak Shah",
    venue="ICCV",
    year=2023,
    url="https://arxiv.org/abs/2308.13077",
    bibtex="""@inproceedings{swetha2023preserving,
  title     = {Preserving Modality Structure Improves Multi-Modal Learning},
  author    = {Swetha, Sirnam and Rizve, Mamshad Nayeem and Shvetsova, Nina and Kuehne, Hilde and
               Shah, Mubarak},
  booktitle = {IEEE/CVF International Conference on Computer Vision (ICCV)},
  year      = {2023}
}""",
    official_code="https://github.com/Swetha5/Multi_Sinkhorn_Knopp",
)

EVERYTHING_AT_ONCE = Paper(
    title="Everything at Once: Multi-modal Fusion Transformer for Video Retrieval",
    authors="Nina Shvetsova, Brian Chen, Andrew Rouditchenko, Samuel Thomas, Brian Kingsbury, Rogerio Feris, "
    "David Harwath, James Glass, Hilde Kuehne",
    venue="CVPR",
    year=2022,
    url="https://arxiv.org/abs/2112.04446",
    bibtex="""@inproceedings{shvetsova2022everything,
  title     = {Everything at Once: Multi-modal Fusion Transformer for Video Retrieval},
  author    = {Shvetsova, Nina and Chen, Brian and Rouditchenko, Andrew and Thomas, Samuel and
               Kingsbury, Brian and Feris, Rogerio and Harwath, David and Glass, James and Kuehne, Hilde},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2022}
}""",
    official_code="https://github.com/ninatu/everything_at_once",
)

_FIGURES = {
    name.replace("_", "-"): f"mlzoo_multisk.figures:{name}"
    for name in ("training", "rank_histogram", "recall_at_k")
}


@hookimpl
def mlzoo_models() -> Iterator[ModelSpec]:
    """Multi-SK, its predecessor, and the baselines below them."""
    yield ModelSpec(
        name="multisk",
        summary="Multi-SK: a transformer for each modality, anchors with multi-assignment plans",
        task=TASK,
        paper=MULTISK,
        config="mlzoo_multisk.config:MultiSKConfig",
        factory="mlzoo_multisk.model:MultiSKModel",
        default_dataset="spoken-digits",
        presets=multisk_presets(),
        published=published(),
        figures=_FIGURES | {"anchor-map": "mlzoo_multisk.figures:anchor_map"},
        predict="mlzoo_multisk.predict:predict",
        predict_config="mlzoo_multisk.predict_config:PredictOptions",
        predict_without_inputs=True,
        weights="mlzoo_multisk.weights:import_weights",
        onnx="mlzoo_multisk.onnx:network",
    )
    yield ModelSpec(
        name="everything-at-once",
        summary="Everything at Once: one transformer for every modality and pairs of them",
        task=TASK,
        paper=EVERYTHING_AT_ONCE,
        config="mlzoo_multisk.config:EverythingAtOnceConfig",
        factory="mlzoo_multisk.model:EverythingAtOnceModel",
        default_dataset="spoken-digits",
        presets=everything_at_once_presets(),
        published=published(),
        figures=_FIGURES,
        predict="mlzoo_multisk.predict:predict",
        predict_config="mlzoo_multisk.predict_config:PredictOptions",
        predict_without_inputs=True,
        weights="mlzoo_multisk.weights:import_weights",
        onnx="mlzoo_multisk.onnx:network",
    )
    yield from baselines(TASK)


@hookimpl
def mlzoo_datasets() -> Iterator[DatasetSpec]:
    """Spoken digits, HowTo100M, MSR-VTT, YouCook2, and one's own videos."""
    yield DatasetSpec(
        name="spoken-digits",
        summary="numbers 0 to 99 as handwriting, tones and words",
        task=TASK,
        load="mlzoo_multisk.spoken_digits:load",
        config="mlzoo_multisk.dataset_config:SpokenDigitsOptions",
        embedded=True,
    )
    yield howto100m(TASK)
    yield msrvtt(TASK)
    yield youcook2(TASK)
    yield videos(TASK)


@hookimpl
def mlzoo_evaluators() -> Iterator[EvaluatorSpec]:
    """Ranks of what belongs together, and what the anchors are used for."""
    yield EvaluatorSpec(
        name="retrieval",
        summary="recall and ranks of every direction between text, video, audio and pairs of them",
        task=TASK,
        score="mlzoo_multisk.evaluators:score",
        metrics=METRICS,
        tables={
            "directions": "mlzoo_multisk.evaluators:directions",
            "examples": "mlzoo_multisk.evaluators:examples",
        },
        paired="mlzoo_multisk.paired:paired",
        identities=IDENTITIES,
        mteb=MTEB,
    )
    yield EvaluatorSpec(
        name="anchors",
        summary="how evenly samples use the anchors, and whether modalities agree on them",
        task=TASK,
        score="mlzoo_multisk.evaluators:score_anchors",
        metrics=ANCHOR_METRICS,
    )
