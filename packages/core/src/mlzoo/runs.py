"""The services of one run: epochs that resume exactly, the log, checkpoints, selection, seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mlzoo.checkpoints import load_checkpoint, save_checkpoint
from mlzoo.errors import CheckpointError, NonFiniteError
from mlzoo.metrics_log import MetricsLog
from mlzoo.progress import Progress
from mlzoo.rng import epoch_generator, preserved_rng, rng_state, set_rng_state
from mlzoo.run_status import StopRequested
from mlzoo.selection import Selector

if TYPE_CHECKING:
    from mlzoo.contracts import Model

    Number = float | int | torch.Tensor

LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"
NEEDED = ("epoch", "step", "stopped", "state", "selection", "rng")


class Run:
    """What a model's ``fit`` is given.

    Attributes:
        directory: the run's own folder.
        seed: the run's seed.
        device: where to train.
        epoch: the current epoch, from 1.
        step: optimisation steps logged so far, over all epochs.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        device: torch.device,
        selector: Selector,
        main_metric: str,
        score: Callable[[Model, str], dict[str, float]],
        progress: Progress,
        stop_after: int | None = None,
    ) -> None:
        self.directory = directory
        self.seed = seed
        self.device = device
        self.epoch = 0
        self.step = 0
        self.selector = selector
        self.main_metric = main_metric
        self.stopped = ""
        self._score = score
        self._progress = progress
        self._stop_after = stop_after
        self._log = MetricsLog(directory / "metrics.jsonl")
        self._evaluated: dict[str, float] = {}

    @property
    def checkpoints(self) -> Path:
        """The folder of ``last.pt`` and ``best.pt``."""
        return self.directory / "checkpoints"

    def generator(self, epoch: int) -> torch.Generator:
        """A CPU generator for shuffles, seeded from (seed, epoch)."""
        return epoch_generator(self.seed, epoch)

    def epochs(self, count: int, **state: Any) -> Iterator[int]:
        """Yield the epochs 1..count that are still to do.

        Everything in ``state`` (``model=self, optimizer=optimizer, ...``) must have ``state_dict`` and
        ``load_state_dict``: it is restored when a run is resumed and saved after every epoch, with the
        random streams and the selection. After resuming, the results are the same bit for bit, on the
        same machine, as if the run had never stopped.
        """
        done = self._restore(state)
        self._progress.begin("training", count, done)
        try:
            for number, epoch in enumerate(range(done + 1, count + 1), start=1):
                if self.stopped:
                    break
                self.epoch = epoch
                yield epoch
                self._close_epoch(epoch, count, state)
                if number == self._stop_after and epoch < count and not self.stopped:
                    raise StopRequested(f"stopped after {number} epochs, as asked")
        finally:
            self._progress.end()

    def stop(self, reason: str) -> None:
        """End training after the current epoch (early stopping); the reason is recorded."""
        self.stopped = reason
        self._progress.message(f"training ends with epoch {self.epoch}: {reason}")

    def log(self, **values: Number) -> None:
        """Record one step, e.g. ``run.log(loss=loss)``. Pass tensors as they are: on an accelerator
        they are fetched several steps at a time.

        Raises:
            NonFiniteError: a value is NaN or infinite (possibly some steps ago, named).
        """
        self.step += 1
        with self._naming_the_last_good_checkpoint():
            latest = self._log.hold(self.epoch, self.step, values)
        if latest:
            self._progress.step(self.epoch, latest)

    def evaluate(self, model: Model) -> dict[str, float]:
        """Score the selection split, log it, and keep the weights if they are the best so far.

        Returns the metrics of the split the rule looks at (val for ``last``); empty without one.
        """
        with self._naming_the_last_good_checkpoint():
            self._log.flush()  # nothing is kept of weights that a NaN has gone through
        scores: dict[str, dict[str, float]] = {}
        for split in self.selector.scored:
            with preserved_rng(self.device):  # scoring is no part of training
                scores[split] = self._score(model, split)
            self._log.append({"epoch": self.epoch, "split": split, **scores[split]})
            self._evaluated[f"{split} {self.main_metric}"] = scores[split][self.main_metric]
        for best in self.selector.watched:
            if best.offer(self.epoch, scores[best.split][self.main_metric]):
                state = {"model": model.state_dict(), "epoch": self.epoch, "finished": False}
                save_checkpoint(self.checkpoints / best.file, state)
        return scores[self.selector.scored[0]] if scores else {}

    def message(self, text: str) -> None:
        """A line for the person and ``log.txt``."""
        self._progress.message(text)

    def _close_epoch(self, epoch: int, count: int, state: Mapping[str, Any]) -> None:
        with self._naming_the_last_good_checkpoint():
            self._log.flush()
            saved = {name: item.state_dict() for name, item in state.items()}
            _refuse_nan(saved, epoch)
        means = self._log.epoch_means()
        save_checkpoint(
            self.checkpoints / LAST,
            {
                "epoch": epoch,
                "step": self.step,
                "stopped": self.stopped,
                "state": saved,
                "selection": self.selector.state_dict(),
                "rng": rng_state(self.device),
            },
            previous=self.checkpoints / PREVIOUS,
        )
        self._progress.epoch(epoch, count, {**means, **self._evaluated})
        self._evaluated = {}

    def _restore(self, state: Mapping[str, Any]) -> int:
        """Put back the last whole epoch, if there is one; returns its number."""
        path, previous = self.checkpoints / LAST, self.checkpoints / PREVIOUS
        if not path.exists():
            path = previous
        if not path.exists():
            self._log.rewind(0)
            return 0
        try:
            saved = load_checkpoint(path, needs=NEEDED)
        except CheckpointError as error:
            older = path != previous and previous.exists()
            where = "the epoch before" if older else "the first epoch"
            error.fix = f"Delete it and resume: the run then goes on from {where}, to the same end."
            raise
        if set(saved["state"]) != set(state):
            raise CheckpointError(
                f"{path} holds the state of {', '.join(sorted(saved['state']))}, "
                f"but the model now asks for {', '.join(sorted(state))}.",
                "It was written by another version of the plugin: start a new run.",
            )
        try:
            for name, item in state.items():
                item.load_state_dict(saved["state"][name])
            self.selector.load_state_dict(saved["selection"])
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"{path} does not fit this run: {reason}.") from error
        self.epoch, self.step, self.stopped = saved["epoch"], saved["step"], saved["stopped"]
        self._log.rewind(self.epoch)
        set_rng_state(saved["rng"], self.device)
        return self.epoch

    @contextmanager
    def _naming_the_last_good_checkpoint(self) -> Iterator[None]:
        try:
            yield
        except NonFiniteError as error:
            last = self.checkpoints / LAST
            kept = f"The last good checkpoint is {last}. " if last.exists() else ""
            error.fix = f"{kept}Try a smaller learning rate or another seed."
            raise


def _refuse_nan(value: Any, epoch: int, where: str = "") -> None:
    """A step can ruin the weights although its own loss was still a number."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_nan(item, epoch, f"{where}.{key}".lstrip("."))
    elif isinstance(value, torch.Tensor) and value.is_floating_point() and value.isnan().any():
        raise NonFiniteError(f"{where} holds NaN at the end of epoch {epoch}.")
