"""Presets against the table of the published run scripts, and published numbers against each other."""

from __future__ import annotations

import pytest

from mlzoo.planning import Plan, make_plan
from mlzoo_tfvaegan.metrics import METRICS
from mlzoo_tfvaegan.model import step_options
from mlzoo_tfvaegan.presets import presets
from mlzoo_tfvaegan.published import published

DATASETS = ("cub", "awa2", "flo", "sun", "ucf101", "hmdb51")
# One row an option, one column a dataset: what the run scripts say, or leave to the program's default.
SCRIPTS = {
    "epochs": (300, 120, 500, 400, 200, 200),
    "synthetic_samples": (300, 1800, 1200, 400, 600, 1200),
    "critic_weight": (10, 10, 10, 1, 10, 10),
    "generator_weight": (10, 10, 10, 1, 10, 10),
    "learning_rate": (1e-4, 1e-5, 1e-4, 1e-3, 1e-4, 1e-4),
    "feedback_learning_rate": (1e-5, 1e-4, 1e-5, 1e-4, 1e-5, 1e-4),
    "decoder_learning_rate": (1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4),
    "classifier_learning_rate": (1e-3, 1e-3, 1e-3, 5e-4, 1e-3, 1e-3),
    "reconstruction_weight": (0.01, 0.1, 0.01, 0.01, 0.1, 0.1),
    "feedback_strength": (1, 0.01, 0.5, 0.1, 1, 1),
    "synthesis_strength": (1, 0.01, 0.5, 0.01, 1, 1),
    "encoded_noise": (True, True, False, True, True, True),
    "freeze_decoder": (False, True, False, False, False, False),
    "classifier": ("softmax", "softmax", "softmax", "softmax", "detector", "detector"),
    "attribute_loss": ("weighted-l1", "weighted-l1", "weighted-l1", "weighted-l1", "bce", "bce"),
    "features": ("res101", "res101", "res101", "res101", "i3d", "i3d"),
    "embedding": ("att", "att", "att", "att", "manual", "att"),
}
COMMON = {
    "batch_size": 64,
    "hidden": 4096,
    "critic_hidden": 4096,
    "penalty_weight": 10,
    "penalty": "adaptive",
    "critic_steps": 5,
    "loops": 2,
    "beta1": 0.5,
    "feedback": True,
    "transform": True,
    "scaling": "minmax",
    "classifier_epochs": 25,
    "classifier_batch": 0,
    "detector_learning_rate": 1e-3,
    "detector_epochs": 50,
    "detector_hidden": 512,
    "detector_batch": 128,
}
OWN = {
    "best_classifier_epoch": False,
    "feedback_source": "fake",
    "threshold": "mean",
    "evaluate_every": 5,
}
"""Where a preset is not the run script; its published variant is."""


def values(dataset: str, preset: str | None = None) -> dict[str, object]:
    plan: Plan = make_plan("tfvaegan", dataset, preset=preset)
    return dict(plan.options.values)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_dataset_has_the_values_of_its_run_script(dataset):
    column = DATASETS.index(dataset)
    expected = {name: row[column] for name, row in SCRIPTS.items()} | COMMON | OWN
    found = values(dataset)

    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_published_variant_adds_the_published_habits_alone(dataset):
    images = DATASETS.index(dataset) < 4
    own = {"feedback_source": "reconstruction"} if images else {"threshold": "published"}
    expected = {"select": "test", "best_classifier_epoch": True, "evaluate_every": 1, **own}
    plain, habits = values(dataset), values(dataset, "published")

    assert {name: habits[name] for name in plain if habits[name] != plain[name]} == expected


@pytest.mark.parametrize("dataset", ["digits", *DATASETS, "custom"])
def test_ablations_switch_off_what_they_are_named_after(dataset):
    plain = values(dataset)

    def changed(preset: str) -> dict[str, object]:
        ablated = values(dataset, preset)
        return {name: ablated[name] for name in plain if ablated[name] != plain[name]}

    assert changed("no-feedback") == {"feedback": False}
    assert changed("no-transform") == {"transform": False}
    without_both = {"feedback": False, "transform": False, "reconstruction_weight": 0}
    assert changed("f-vaegan") == without_both


@pytest.mark.parametrize("key", sorted(presets()))
def test_every_preset_reaches_the_options_of_the_step(key):
    name, _, variant = key.partition("/")
    dataset = "digits" if name == "*" else name
    config = make_plan("tfvaegan", dataset, preset=variant or None).options.model
    options = step_options(config)

    assert options.learning_rate == config.learning_rate
    assert options.feedback_strength == config.feedback_strength
    assert options.adapt_penalty is (config.penalty == "adaptive")
    assert (options.encoded_noise, options.freeze_decoder) == (
        config.encoded_noise,
        config.freeze_decoder,
    )


def test_every_dataset_of_the_task_can_be_tried_in_seconds():
    for dataset in ("digits", *DATASETS, "custom"):
        assert values(dataset, "smoke")["epochs"] == 2


def test_published_numbers_cover_every_row_of_the_card():
    rows = {(number.dataset, *number.options.values()) for number in published()}
    images = ("cub", "awa2", "flo", "sun")

    assert rows == {
        *((name,) for name in DATASETS),
        *((name, "finetuned") for name in images),
    }
    assert {number.metric for number in published()} <= METRICS.keys()
    assert {number.split for number in published()} == {"test@best-classifier-epoch"}
