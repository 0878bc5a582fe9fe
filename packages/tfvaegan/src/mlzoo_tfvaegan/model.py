"""TF-VAEGAN as an mlzoo model: a variational autoencoder and a GAN that share their generator, made to
synthesise features of unseen classes; a decoder of class embeddings, whose hidden layer feeds back into
the generator and beside the features into the classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mlzoo.checkpoints import load_strict
from mlzoo.errors import CheckpointError, UsageError
from mlzoo.runs import Run
from mlzoo_tfvaegan.config import TFVAEGANConfig
from mlzoo_tfvaegan.discriminative import discriminative
from mlzoo_tfvaegan.draws import draw
from mlzoo_tfvaegan.fast_step import FastStep
from mlzoo_tfvaegan.heads import Heads, Pair, train_heads
from mlzoo_tfvaegan.networks import Decoder, Networks
from mlzoo_tfvaegan.shares import Shares
from mlzoo_tfvaegan.step import StepLosses, StepOptions, TrainingSet
from mlzoo_tfvaegan.synthesis import synthesise
from mlzoo_tfvaegan.zero_shot import ZeroShotData

BEST = "best-classifier-epoch"


class TFVAEGAN:
    """Encoder, generator, critic, decoder and feedback, and the classifiers behind them.

    Args:
        config: the options.
        data: features float32 [N, R], class embeddings float32 [C, A].

    ``predict("test")`` gives ``label`` [n], ``scores`` [n, classes] and ``unseen_scores`` [n, unseen],
    and a few synthesised features. Classifiers are trained for every prediction of changed networks,
    from a random stream of their own, and kept by ``finish``.
    """

    def __init__(self, config: TFVAEGANConfig, data: ZeroShotData) -> None:
        self.config = config
        self.data = data
        self.device = torch.device("cpu")
        self.networks = Networks(
            data.train.features.shape[1],
            data.attributes.shape[1],
            config.hidden,
            config.critic_hidden,
            "sigmoid" if config.attribute_loss == "bce" else "unit",
        )
        self.heads: Heads | None = None
        self.stream = 0
        self._refuse_what_features_cannot_be()

    @property
    def views(self) -> tuple[str, ...]:
        """``best-classifier-epoch``: as published, the classifiers at their best epoch on test."""
        return (BEST,) if self.config.best_classifier_epoch else ()

    def to(self, device: torch.device | str) -> TFVAEGAN:
        """Move the networks and the classifiers behind them."""
        self.device = torch.device(device)
        self.networks.to(self.device)
        if self.heads is not None:
            self.heads.to(self.device)
        return self

    def fit(self, run: Run) -> None:
        """Passes over the training set: without feedback, then with it, as often as ``loops`` says (a
        third one is without it again, as published)."""
        config = self.config
        data = self.training_set()
        run.keep_equal(self.networks)
        shares = Shares(run.accelerator) if run.processes > 1 else None
        step = FastStep(self.networks, step_options(config), config.penalty_weight, shares)
        iterations = -(-len(data.features) // config.batch_size)

        for epoch in run.epochs(config.epochs, model=self, step=step):
            self.heads = None
            self.stream = run.generator(epoch).initial_seed()
            generator = torch.Generator(self.device).manual_seed(self.stream)
            for loop in range(config.loops):
                feedback = loop == 1 and config.feedback
                for _ in range(iterations):
                    draws = draw(data, step.options, config.batch_size, generator)
                    run.log(**_logged(step.iteration(data, draws, feedback=feedback)))
            if epoch % config.evaluate_every == 0 or epoch in (config.epochs, run.chosen_epoch):
                run.evaluate(self)

    def finish(self) -> None:
        """Train the classifiers on the selected networks, once."""
        self.trained_heads()

    def training_set(self) -> TrainingSet:
        """The training samples on the device."""
        train = self.data.train
        embeddings = torch.from_numpy(self.data.attributes).to(self.device)  # [C, A]
        label = torch.from_numpy(train.label).to(self.device)  # [N]
        attributes = embeddings[label]  # [N, A]
        targets = attributes
        if self.config.attribute_loss == "bce":
            targets = torch.from_numpy(self.data.bce_attributes).to(self.device)[label]  # [N, A]
        return TrainingSet(torch.from_numpy(train.features).to(self.device), attributes, targets)

    def synthetic(self) -> tuple[Tensor, Tensor]:
        """Features [U·n, R] of the unseen classes, a block a class, and their class ids [U·n]."""
        config, unseen = self.config, torch.from_numpy(self.data.unseen)
        generator = torch.Generator(self.device).manual_seed(self.stream + 2)
        embeddings = torch.from_numpy(self.data.attributes)[unseen].to(self.device)  # [U, A]
        shape = (len(unseen), config.synthetic_samples, embeddings.shape[1])
        noise = torch.randn(shape, generator=generator, device=self.device)  # [U, n, A]
        strength = config.synthesis_strength if config.feedback else 0.0
        features = synthesise(self.networks, embeddings, noise, strength)
        return features, unseen.to(self.device).repeat_interleave(config.synthetic_samples)

    def predict(self, split: str) -> dict[str, npt.NDArray[Any]]:
        """Prediction arrays of ``test``, or ``test@best-classifier-epoch``."""
        name, _, view = split.partition("@")
        if name != "test" or view not in ("", *self.views):
            raise UsageError(f"there are no predictions of {split!r}.")
        heads = self.trained_heads()
        test = self.data.test
        return {
            "label": test.label,
            "classes": self.data.classes,
            "unseen": self.data.unseen,
            **self._scores(heads.best if view else heads.last, test.features),
            "synthetic": heads.synthetic.cpu().numpy(),
            "synthetic_label": heads.synthetic_label.cpu().numpy(),
        }

    def classify(self, features: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """``scores`` [n, classes] and ``unseen_scores`` [n, unseen] of scaled features [n, R]."""
        return self._scores(self.trained_heads().last, features)

    def state_dict(self) -> dict[str, Any]:
        """The networks, the seed of their synthesis, and the classifiers once they are trained."""
        return {
            "networks": self.networks.state_dict(),
            "stream": self.stream,
            "heads": self.heads.state_dict() if self.heads else {},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Strict: everything, or nothing.

        Raises:
            CheckpointError: keys or shapes do not fit these networks, or the classifiers are of other
                classes.
        """
        heads = self._heads_of(state["heads"]) if state["heads"] else None
        load_strict(self.networks, state["networks"], "the checkpoint")
        self.stream, self.heads = state["stream"], heads

    def trained_heads(self) -> Heads:
        """The classifiers of the networks as they are now."""
        if self.heads is None:
            self.heads = train_heads(
                self.config,
                self.data,
                self._decoder(),
                real=torch.from_numpy(self.data.train.features).to(self.device),
                synthetic=self.synthetic(),
                generator=torch.Generator().manual_seed(self.stream + 1),
            )
        return self.heads

    def _heads_of(self, state: Mapping[str, Tensor]) -> Heads:
        heads = Heads.blank(self.config, self.data)
        own = {name: classes.clone() for name, classes in heads.class_ids().items()}
        load_strict(heads, state, "the checkpoint")
        if any(not torch.equal(own[name], classes) for name, classes in heads.class_ids().items()):
            raise CheckpointError(
                "the checkpoint has classifiers of other classes than these data.",
                "Take the dataset, and the split of it, that the run was trained on.",
            )
        return heads.to(self.device)

    def _decoder(self) -> Decoder | None:
        return self.networks.decoder if self.config.transform else None

    def _scores(
        self, classifiers: Pair | None, features: npt.NDArray[np.float32]
    ) -> dict[str, npt.NDArray[np.float32]]:
        assert classifiers is not None
        x = discriminative(self._decoder(), torch.from_numpy(features).to(self.device))  # [n, W]
        return {name: scores.cpu().numpy() for name, scores in classifiers.scores(x).items()}

    def _refuse_what_features_cannot_be(self) -> None:
        """The generator ends in a sigmoid, and its reconstruction loss is a cross entropy."""
        low, high = float(self.data.train.features.min()), float(self.data.train.features.max())
        if low < 0 or high > 1 + 1e-4:
            raise UsageError(
                f"tfvaegan generates features in [0, 1], the training features reach from {low:.4g} "
                f"to {high:.4g}.",
                "Use --scaling minmax.",
            )


def step_options(config: TFVAEGANConfig) -> StepOptions:
    """The settings of one training iteration."""
    shared = set(StepOptions.__dataclass_fields__) & set(type(config).model_fields)
    same = {name: getattr(config, name) for name in shared}
    return StepOptions(**same, adapt_penalty=config.penalty == "adaptive")


def _logged(losses: StepLosses) -> dict[str, Tensor]:
    """One number each: of the critic's steps the last, as published."""
    found = {field: getattr(losses, field) for field in losses.__dataclass_fields__}
    return {name: value[-1] if value.ndim else value for name, value in found.items()}
