"""The epochs of ImageCoDe's variants.

Fine-tuning (``nocontra``, ``contra``, or the encoders under the module) reads images, encodes those of a set
once for all its descriptions, and cuts a batch into pieces that fit into memory. The module on encoders that
stay (the published ``--frozen_clip``) learns from features that are computed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from mlzoo.errors import UsageError
from mlzoo.progress import Progress
from mlzoo.runs import LAST, Run
from mlzoo_imagecode.batches import random_candidates
from mlzoo_imagecode.stages import EncoderStage, HeadStage

if TYPE_CHECKING:
    from mlzoo_imagecode.model import ImageCoDeModel


class Stage(Protocol):
    """Epochs that train the same parameters."""

    epochs: int

    def begin(self) -> None:
        """Before its first epoch, also of a run that is resumed in it."""

    def train(self, number: int) -> None:
        """One epoch, from 1."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside the model."""


def fit(model: ImageCoDeModel, run: Run) -> None:
    """Train the stages one after the other; each epoch ends with a score.

    Raises:
        UsageError: there is nothing to learn from, or the options ask for what several processes cannot do.
    """
    config = model.config
    model.progress = run.progress
    _start(model, run)
    stages = list(_stages(model, run))
    total = sum(stage.epochs for stage in stages)
    state = {key: item for stage in stages for key, item in stage.state().items()}
    if not model.trains_encoders:  # before the bar of the epochs, as it may take hours
        model.freeze(*(["train"] if stages else []), *model.data.splits)
    model.progress = Progress(quiet=True)
    begun: Stage | None = None
    for epoch in run.epochs(total, model=model, **state):
        stage, number = _stage_of(stages, epoch)
        if stage is not begun:
            stage.begin()
            begun = stage
        stage.train(number)
        if config.evaluate_last or epoch < total:
            run.evaluate(model)


def _start(model: ImageCoDeModel, run: Run) -> None:
    """From the initial weights, if there are any, unless a run goes on from its own."""
    config = model.config
    if config.epochs and model.data.train is None:
        raise UsageError(
            "there are no descriptions to train on.",
            "Score weights as they are: --preset zero-shot.",
        )
    if run.processes > 1 and config.leftover == "carry":
        raise UsageError(
            "gradients that wait for the next epoch are of one process.", "Add --leftover step."
        )
    if run.accelerator.mixed_precision == "fp16" and config.leftover == "carry":
        raise UsageError(
            "gradients that wait for the next epoch would keep another scale in fp16.",
            "Add --leftover step, or train in bf16.",
        )
    if (run.checkpoints / LAST).exists():
        return
    if config.initial_weights is not None:
        from mlzoo_imagecode.weights import start_from

        done = start_from(config.initial_weights, model.encoders, model.head)
        run.message(f"starts from the weights of {config.initial_weights} ({done['file']})")
    elif config.clip is None:
        run.message("no --clip: small encoders from scratch")
    for remark in model.encoders.remarks:
        run.message(remark)


def _stages(model: ImageCoDeModel, run: Run) -> Iterator[Stage]:
    config, train = model.config, model.data.train
    if train is None or not (config.epochs or config.clip_epochs):
        return
    if config.variant == "nocontra":
        yield EncoderStage(model, run, random_candidates(train, run.seed), None, config.epochs)
    elif config.variant == "contra":
        yield EncoderStage(model, run, train, None, config.epochs)
    elif not config.frozen_clip:
        yield EncoderStage(model, run, train, model.head, config.epochs)
    else:
        assert model.head is not None
        if config.clip_epochs:
            yield EncoderStage(model, run, train, None, config.clip_epochs)
        if config.epochs:
            yield HeadStage(model, run, train, model.head, config.epochs)


def _stage_of(stages: list[Stage], epoch: int) -> tuple[Stage, int]:
    """The stage of an epoch, and the epoch's number in it."""
    for stage in stages:
        if epoch <= stage.epochs:
            return stage, epoch
        epoch -= stage.epochs
    raise AssertionError("more epochs than all stages have")
