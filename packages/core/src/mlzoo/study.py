"""Optuna's study of a search for options, in a folder: what was tried, and what is tried next.

The journal ``study.journal`` is the truth, and Optuna's own tools read it. What is proposed for a trial
follows from the seed, the trial's number and the trials before it, so that a search that was stopped
proposes the same as one that never was.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mlzoo.errors import MlzooError, RunError
from mlzoo.tuning_space import Choices, Domain, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

Sampler: TypeAlias = Literal["tpe", "random"]
Pruner: TypeAlias = Literal["median", "none"]
Row: TypeAlias = dict[str, Any]

JOURNAL = "study.journal"
NAME = "mlzoo"
FACTS = "mlzoo"
BEFORE_PRUNING = 5
"""Trials that must be complete before another is given up."""
WARM_UP = 3
"""Epochs that every trial gets."""


def require_optuna() -> str:
    """Refuse a search where it cannot be made; returns Optuna's version.

    Raises:
        MlzooError: optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MlzooError(
            f"a search for options needs optuna, which is not installed ({error}).",
            "pip install 'mlzoo-core[tune]'",
        ) from error
    version: str = optuna.__version__
    return version


class Study:
    """The trials of one search. One process at a time; its caller has locked the folder.

    Args:
        directory: where the journal lies or is made.
        space: what is searched.
        higher_is_better: of the score.
        seed: of the proposals.

    Raises:
        RunError: the journal is damaged.
    """

    def __init__(
        self,
        directory: Path,
        space: Space,
        *,
        higher_is_better: bool,
        sampler: Sampler,
        pruner: Pruner,
        seed: int,
    ) -> None:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        self.space = space
        self._sampler, self._seed = sampler, seed
        self._higher = higher_is_better
        path = directory / JOURNAL
        _mend(path)
        try:
            with _quiet():
                self._study = optuna.create_study(
                    storage=JournalStorage(JournalFileBackend(str(path))),
                    study_name=NAME,
                    direction="maximize" if higher_is_better else "minimize",
                    pruner=_pruner(pruner),
                    load_if_exists=True,
                )
                self._forget_unfinished()
        except (ValueError, LookupError, TypeError, AssertionError) as error:
            raise RunError(f"{path} is damaged: {error}.") from error

    def _forget_unfinished(self) -> None:
        """A trial that a stop or a kill left is proposed again: it counts for nothing."""
        from optuna.trial import TrialState

        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)

    @property
    def finished(self) -> list[FrozenTrial]:
        """Trials that ended by themselves, in their order. Their numbers are their places, from 1."""
        from optuna.trial import TrialState

        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        return [
            trial
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state in ended or (trial.state is TrialState.FAIL and "error" in _facts(trial))
        ]

    def ask(self) -> Trial:
        """The next trial, with its options proposed."""
        number = len(self.finished)
        self._study.sampler = _sampler(self._sampler, self._seed, number)
        distributions = {key: _distribution(domain) for key, domain in self.space.items()}
        with _quiet():
            return self._study.ask(distributions)

    def watch(self, trial: Trial) -> Callable[[int, float], bool]:
        """Keeps the scores of a trial's epochs; says whether it should be given up."""

        def should_end(epoch: int, value: float) -> bool:
            if not math.isfinite(value):
                return False
            trial.report(value, epoch)
            return trial.should_prune()

        return should_end

    def end(self, trial: Trial, facts: Mapping[str, Any], value: float | None = None) -> None:
        """A trial has ended: complete with a value, failed if the facts have an ``error``, else pruned."""
        from optuna.trial import TrialState

        trial.set_user_attr(FACTS, dict(facts))
        if value is not None:
            self._study.tell(trial, value)
        else:
            state = TrialState.FAIL if "error" in facts else TrialState.PRUNED
            self._study.tell(trial, state=state)

    def rows(self) -> list[Row]:
        """One for each finished trial, of JSON values.

        ``value`` is the score of a complete trial, ``seen`` the best score of any of its epochs.
        """
        names = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        best = max if self._higher else min
        return [
            {
                "trial": number,
                "state": names[trial.state.name],
                "value": trial.value if trial.state.name == "COMPLETE" else None,
                "seen": best(trial.intermediate_values.values(), default=None),
                "epoch": _facts(trial).get("epoch"),
                "options": {key: trial.params[key] for key in self.space},
                "metrics": _facts(trial).get("metrics", {}),
                "seconds": _facts(trial).get("seconds"),
                "error": _facts(trial).get("error", ""),
            }
            for number, trial in enumerate(self.finished, start=1)
        ]


def _facts(trial: FrozenTrial) -> dict[str, Any]:
    return dict(trial.user_attrs.get(FACTS, {}))


def _sampler(name: Sampler, seed: int, number: int) -> BaseSampler:
    """A new one for each trial, so that nothing but seed, number and history decides."""
    import numpy as np
    from optuna.samplers import RandomSampler, TPESampler

    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    return TPESampler(seed=own) if name == "tpe" else RandomSampler(seed=own)


def _pruner(name: Pruner) -> BasePruner:
    from optuna.pruners import MedianPruner, NopPruner

    if name == "none":
        return NopPruner()
    return MedianPruner(n_startup_trials=BEFORE_PRUNING, n_warmup_steps=WARM_UP)


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    if isinstance(domain.low, int) and isinstance(domain.high, int):
        return IntDistribution(domain.low, domain.high, log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _mend(path: Path) -> None:
    """Take back what a process that was killed left: its lock, and a line that it had not finished."""
    lock = path.with_name(path.name + ".lock")
    if lock.is_symlink() or lock.exists():
        lock.unlink()
    if path.exists():
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's own lines about every trial."""
    from optuna import logging

    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)
