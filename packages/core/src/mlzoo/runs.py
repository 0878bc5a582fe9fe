"""The services of one run: epochs that resume exactly, the log, checkpoints, selection, seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from mlzoo import machine
from mlzoo.cadence import Cadence
from mlzoo.checkpoints import load_checkpoint, save_checkpoint
from mlzoo.errors import CheckpointError, NonFiniteError, RunError
from mlzoo.metrics_log import MetricsLog, Mirror
from mlzoo.progress import Progress
from mlzoo.ranks import every_rank, mean_over_ranks, require_equal_parameters
from mlzoo.rng import epoch_generator, preserved_rng, rng_state, seed_rank, set_rng_state
from mlzoo.run_status import StopRequested
from mlzoo.selection import HONEST_UNDER_TEST, Selector

if TYPE_CHECKING:
    from accelerate import Accelerator

    from mlzoo.contracts import Model

    Number = float | int | torch.Tensor

LAST, PREVIOUS, BEST, DAMAGED = "last.pt", "previous.pt", "best.pt", "damaged.pt"
NEEDED = ("epoch", "step", "stopped", "state", "selection", "rng")

T = TypeVar("T")


class Run:
    """What a model's ``fit`` is given. In a job of several processes each has its own, and only the
    main one writes.

    Attributes:
        directory: the run's own folder.
        seed: the run's seed.
        accelerator: devices, precision and processes.
        device: where to train.
        epoch: the current epoch, from 1.
        step: optimisation steps logged so far, over all epochs.
        epochs_done: epochs closed in this process, without those before it was resumed.
    """

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        accelerator: Accelerator,
        selector: Selector,
        main_metric: str,
        score: Callable[[Model, str], dict[str, float]],
        progress: Progress,
        stop_after: int | None = None,
        title: str = "training",
        mirror: Mirror | None = None,
    ) -> None:
        self.directory = directory
        self.seed = seed
        self.accelerator = accelerator
        self.device: torch.device = accelerator.device
        self.epoch = 0
        self.step = 0
        self.selector = selector
        self.main_metric = main_metric
        self.stopped = ""
        self.epochs_done = 0
        self._title = title
        self._score = score
        self._progress = progress
        self._stop_after = stop_after
        self._log = MetricsLog(
            directory / "metrics.jsonl",
            mean_over_ranks(accelerator) if self.processes > 1 else None,
            writes=accelerator.is_main_process,
            mirror=mirror,
        )
        self._evaluated: dict[str, float] = {}
        self._cadence = Cadence()
        self._networks: list[nn.Module] = []
        self._kept_equal: list[nn.Module] = []

    @property
    def checkpoints(self) -> Path:
        """The folder of ``last.pt`` and ``best.pt``."""
        return self.directory / "checkpoints"

    @property
    def progress(self) -> Progress:
        """For work beside the epochs that takes long, such as features that are computed once."""
        return self._progress

    @property
    def chosen_epoch(self) -> int | None:
        """The best epoch of the search on validation data, if there was one and the rule is val. More
        epochs than that are not trained. A method whose "epochs" are points of a grid computes this
        one alone."""
        return self.selector.chosen_epoch

    @property
    def processes(self) -> int:
        """Processes of the job."""
        return int(self.accelerator.num_processes)

    def prepare(self, *objects: Any) -> Any:
        """Networks and optimizers made ready for the device, the precision and the processes.

        Train with what is returned; predict with, and save, the networks themselves: their state is
        the same, and scores are computed in 32 bits. With several processes the gradients are averaged
        over them during ``run.accelerator.backward(loss)``, which is right as long as every network
        gets one forward and one backward a step, all its parameters a gradient, and is called itself
        rather than through its own methods. Processes that drift apart are noticed.
        """
        self._networks += [item for item in objects if isinstance(item, nn.Module)]
        return self.accelerator.prepare(*objects)

    def keep_equal(self, network: nn.Module) -> None:
        """For a ``fit`` that itself makes every process take the step of the whole batch, in place of
        :meth:`prepare`: the network stays as it is, and that it is the same everywhere is watched."""
        self._kept_equal.append(network)

    def share(self, rows: Tensor) -> Tensor:
        """This process's part of a global batch; parts differ by one at most, and may be empty."""
        part: Tensor = rows.tensor_split(self.processes)[self.accelerator.process_index]
        return part

    def mean(self, values: Tensor, count: int) -> Tensor:
        """The mean of a loss over a global batch of ``count`` samples, of which ``values`` are this
        process's: averaged over the processes it is the global batch's mean, and so are gradients."""
        return values.sum() * (self.processes / count) if self.processes > 1 else values.mean()

    def on_main(self, work: Callable[[], T]) -> T:
        """Do ``work`` in the main process alone; every process gets its result."""
        return machine.on_main(self.accelerator, work)

    def generator(self, epoch: int) -> torch.Generator:
        """A CPU generator for shuffles, seeded from (seed, epoch); the same in every process."""
        return epoch_generator(self.seed, epoch)

    def epochs(self, count: int, **state: Any) -> Iterator[int]:
        """Yield the epochs 1..count that are still to do, or up to the one that a search has chosen.

        Everything in ``state`` (``model=self, optimizer=optimizer, ...``) must have ``state_dict`` and
        ``load_state_dict``: it is restored when a run is resumed and saved after every epoch (where that
        takes long, less often: :mod:`mlzoo.cadence`), with the random streams and the selection. After
        resuming, the results are the same bit for bit, on the same machine, as if the run had never
        stopped.
        """
        done = self._restore(state)
        self._require_prepared_networks()
        count = min(count, self.chosen_epoch or count)
        self._progress.begin(self._title, count, done)
        try:
            for number, epoch in enumerate(range(done + 1, count + 1), start=1):
                if self.stopped:
                    break
                self.epoch = epoch
                yield epoch
                stops = number == self._stop_after and epoch < count and not self.stopped
                self._close_epoch(epoch, count, state, stops=stops)
                self.epochs_done += 1
                if stops:
                    plural = "" if number == 1 else "s"
                    raise StopRequested(f"stopped after {number} epoch{plural}, as asked")
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
        if self.step == 1:
            self._require_equal_processes()
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
            with self.plain_networks(), preserved_rng(self.device):  # no part of training
                scores[split] = self.on_main(partial(self._score, model, split))
            self._log.append({"epoch": self.epoch, "split": split, **scores[split]})
            self._evaluated[f"{split} {self.main_metric}"] = scores[split][self.main_metric]
        kept = [
            best.file
            for best in self.selector.watched
            if best.offer(self.epoch, scores[best.split][self.main_metric])
        ]
        if self.epoch == self.selector.honest_epoch:
            kept.append(HONEST_UNDER_TEST)
        for file in kept:
            state = {"model": model.state_dict(), "epoch": self.epoch, "finished": False}
            self.on_main(partial(save_checkpoint, self.checkpoints / file, state))
        return scores[self.selector.scored[0]] if scores else {}

    def message(self, text: str) -> None:
        """A line for the person and ``log.txt``."""
        self._progress.message(text)

    def _close_epoch(
        self, epoch: int, count: int, state: Mapping[str, Any], *, stops: bool
    ) -> None:
        with self._naming_the_last_good_checkpoint():
            self._log.flush()
            self._require_equal_processes()
            saved = {name: item.state_dict() for name, item in state.items()}
            _refuse_nan(saved, epoch)
        means = self._log.epoch_means()
        if epoch == count or self.stopped or stops or self.on_main(self._cadence.due):
            self._save(epoch, saved)
        self._progress.epoch(epoch, count, {**means, **self._evaluated})
        self._evaluated = {}

    def _save(self, epoch: int, saved: Mapping[str, Any]) -> None:
        """The last checkpoint; the one before it is kept."""
        scaler = self.accelerator.scaler
        whole = {
            "epoch": epoch,
            "step": self.step,
            "stopped": self.stopped,
            "state": saved,
            "selection": self.selector.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
            "rng": every_rank(self.accelerator, rng_state(self.device)),
        }
        last, previous = self.checkpoints / LAST, self.checkpoints / PREVIOUS
        with self._cadence.saving():
            self.on_main(lambda: save_checkpoint(last, whole, previous=previous))

    def _restore(self, state: Mapping[str, Any]) -> int:
        """Put back the last whole epoch, if there is one; returns its number."""
        found = self._last_good_checkpoint()
        if found is None:
            self._log.rewind(0)
            if self.processes > 1 and not self.accelerator.is_main_process:
                seed_rank(self.seed, self.accelerator.process_index)
            return 0
        path, saved = found
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
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(saved["scaler"])
        streams = saved["rng"]
        if len(streams) == self.processes:
            set_rng_state(streams[self.accelerator.process_index], self.device)
        else:
            seed_rank(self.seed, self.accelerator.process_index, self.epoch)
            self.message(
                f"the number of processes is {self.processes}, was {len(streams)}: "
                "equal up to rounding only, and with other random numbers"
            )
        return self.epoch

    def _last_good_checkpoint(self) -> tuple[Path, dict[str, Any]] | None:
        """The last one, or if it is damaged the one before, from which the end is the same."""
        found: list[tuple[Path, dict[str, Any]]] = []

        def look() -> Path | None:
            found.extend(self._look_for_checkpoint())
            return found[0][0] if found else None

        # The main process alone, as it moves a damaged file away, which the others might or might
        # not still see.
        path = self.on_main(look)
        if path is None:
            return None
        return found[0] if found else (path, load_checkpoint(path, needs=NEEDED))

    def _look_for_checkpoint(self) -> list[tuple[Path, dict[str, Any]]]:
        last, previous = self.checkpoints / LAST, self.checkpoints / PREVIOUS
        for path in (last, previous):
            if not path.exists():
                continue
            try:
                return [(path, load_checkpoint(path, needs=NEEDED))]
            except CheckpointError as error:
                if path is previous or not previous.exists():
                    error.fix = "Delete it and resume: the run then begins anew, to the same end."
                    raise
                self.message(f"{error.message} Going on from the epoch before it.")
                # It must not take the good one's place at the end of the next epoch.
                last.replace(self.checkpoints / DAMAGED)
        return []

    def _require_prepared_networks(self) -> None:
        """What was asked of the machine must not be ignored in silence."""
        asked = {
            "in several processes": self.processes > 1 and not self._kept_equal,
            "in mixed precision": self.accelerator.mixed_precision != "no",
            "compiled": self.accelerator.state.dynamo_plugin.backend != "NO",
        }
        wanted = " or ".join(way for way, is_asked in asked.items() if is_asked)
        if wanted and not self._networks:
            raise RunError(
                f"this model cannot train {wanted}: it prepares no network.",
                "Run it without, or let its fit call run.prepare(network, optimizer).",
            )

    def _require_equal_processes(self) -> None:
        if self.processes > 1:
            require_equal_parameters(self.accelerator, [*self._networks, *self._kept_equal])

    @contextmanager
    def plain_networks(self) -> Iterator[None]:
        """Networks as they are without the mixed precision that training gives them."""
        mixed = {net: vars(net).pop("forward") for net in self._networks if "forward" in vars(net)}
        try:
            yield
        finally:
            for network, forward in mixed.items():
                network.forward = forward

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
