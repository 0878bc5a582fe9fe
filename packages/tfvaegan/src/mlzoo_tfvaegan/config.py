"""Options of TF-VAEGAN. The defaults are those that the published run scripts share; the presets in
``presets.py`` hold what they set for each dataset. Names in brackets are the published program's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from mlzoo.config import Config


class TFVAEGANConfig(Config):
    """Options of the model ``tfvaegan``."""

    epochs: int = Field(300, gt=0, description="passes of the generator's training [nepoch]")
    loops: int = Field(
        2,
        gt=0,
        description="passes over the training set an epoch; the second alone has feedback "
        "[feedback_loop]",
    )
    evaluate_every: int = Field(
        1, gt=0, description="epochs between scores; the last epoch is always scored"
    )
    batch_size: int = Field(64, gt=1, description="samples a step")
    hidden: int = Field(
        4096, gt=0, description="units of encoder, generator, decoder and feedback [ngh]"
    )
    critic_hidden: int = Field(4096, gt=0, description="units of the critic [ndh]")
    learning_rate: float = Field(
        1e-4, gt=0, description="Adam's, of encoder, generator and critic [lr]"
    )
    feedback_learning_rate: float = Field(1e-5, gt=0, description="[feed_lr]")
    decoder_learning_rate: float = Field(1e-4, gt=0, description="[dec_lr]")
    beta1: float = Field(
        0.5, ge=0, lt=1, description="Adam's; the encoder's is 0.9 as published [beta1]"
    )
    critic_steps: int = Field(
        5, gt=0, description="steps of critic and decoder for one of the generator [critic_iter]"
    )
    critic_weight: float = Field(10.0, gt=0, description="of the critic's loss [gammaD]")
    generator_weight: float = Field(
        10.0, gt=0, description="of the generator's adversarial loss [gammaG]"
    )
    penalty_weight: float = Field(
        10.0, gt=0, description="of the gradient penalty, at the start [lambda1]"
    )
    penalty: Literal["adaptive", "fixed"] = Field(
        "adaptive",
        description="whether its weight follows the published controller, which has no bounds and is "
        "not in the paper, or stays",
    )
    reconstruction_weight: float = Field(
        0.01, ge=0, description="of the class embedding's reconstruction [recons_weight]"
    )
    attribute_loss: Literal["weighted-l1", "bce"] = Field(
        "weighted-l1",
        description="of the reconstruction; bce against embeddings scaled to [0, 1] [bce_att]",
    )
    freeze_decoder: bool = Field(
        False, description="the generator's step leaves the decoder alone [freeze_dec]"
    )
    encoded_noise: bool = Field(
        True, description="fake features from the encoder's code, else from noise [encoded_noise]"
    )
    feedback: bool = Field(True, description="the feedback loop; off: an ablation of the paper")
    feedback_strength: float = Field(1.0, ge=0, description="in training [a1]")
    synthesis_strength: float = Field(
        1.0, ge=0, description="in synthesis [a2]; the actions program takes a1 there"
    )
    feedback_source: Literal["fake", "reconstruction"] = Field(
        "fake",
        description="what the feedback of the adversarial part sees without encoded noise: that "
        "generation (paper), or as published for images (compat) the reconstruction",
    )
    transform: bool = Field(
        True,
        description="classify features beside the decoder's output and hidden layer; off: an "
        "ablation of the paper",
    )
    synthetic_samples: int = Field(
        300, gt=0, description="features made of each unseen class [syn_num]"
    )
    classifier: Literal["softmax", "detector"] = Field(
        "softmax",
        description="one over all classes, or as for actions a detector of unseen classes before "
        "two of them [gzsl, gzsl_od]",
    )
    classifier_learning_rate: float = Field(1e-3, gt=0, description="Adam's [classifier_lr]")
    classifier_epochs: int = Field(25, gt=0, description="of every softmax classifier")
    classifier_batch: int = Field(
        0,
        ge=0,
        description="samples a step of theirs; 0: as many as synthetic_samples, as published",
    )
    best_classifier_epoch: bool = Field(
        False,
        description="show beside the last epoch of the classifiers the one that is best on test, as "
        "published (compat): test@best-classifier-epoch",
    )
    detector_learning_rate: float = Field(
        1e-3, gt=0, description="Adam's, of the detector and of the two classifiers behind it"
    )
    detector_epochs: int = Field(50, gt=0, description="of the detector")
    detector_hidden: int = Field(512, gt=0, description="units of the detector's two layers")
    detector_batch: int = Field(128, gt=1, description="samples a step: half seen, half synthetic")
    threshold: Literal["mean", "published"] = Field(
        "mean",
        description="of the detector: mean entropy of the seen samples, or as published (compat) "
        "their sum over twice their number",
    )

    @model_validator(mode="after")
    def _consistent(self) -> TFVAEGANConfig:
        """Refuses options that contradict each other."""
        if self.detector_batch % 2:
            raise ValueError("detector_batch is half seen, half synthetic: it must be even")
        if self.best_classifier_epoch and self.classifier_epochs < 2:
            raise ValueError("best_classifier_epoch chooses among classifier_epochs: give several")
        return self
