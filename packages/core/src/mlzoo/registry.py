"""Look-up of specs by name and task, with attribution and did-you-mean."""

from __future__ import annotations

import functools
import importlib
import os
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from mlzoo.errors import PluginError, UsageError, did_you_mean
from mlzoo.plugins import Discovery, Failure, Plugin, Registered, discover
from mlzoo.specs import DatasetSpec, EvaluatorSpec, ModelSpec, Ref


class Registry:
    """All specs of one discovery."""

    def __init__(self, discovery: Discovery) -> None:
        self.plugins: list[Plugin] = discovery.plugins
        self.failures: list[Failure] = discovery.failures
        self.models = _of_type(discovery, ModelSpec)
        self.datasets = _of_type(discovery, DatasetSpec)
        self.evaluators = _of_type(discovery, EvaluatorSpec)

    @property
    def tasks(self) -> list[str]:
        """Every task that some spec names."""
        return sorted({r.spec.task for r in self.models + self.datasets + self.evaluators})

    def model(self, name: str) -> Registered:
        """The model of that name.

        Raises:
            UsageError: unknown, or brought by two plugins.
        """
        return self._one(
            "model", name, [r for r in self.models if r.spec.name == name], self.models
        )

    def dataset(self, name: str, task: str | None = None) -> Registered:
        """The dataset of that name; ``task/name`` where several tasks have one of the same name.

        Raises:
            UsageError: unknown, ambiguous, or brought by two plugins.
        """
        return self._of_task("dataset", name, task, self.datasets)

    def evaluator(self, name: str, task: str | None = None) -> Registered:
        """The evaluator of that name, like :meth:`dataset`."""
        return self._of_task("evaluator", name, task, self.evaluators)

    def evaluators_for(self, task: str) -> list[Registered]:
        """All evaluators of a task.

        Raises:
            PluginError: there is none, or not exactly one of them has the main metric.
        """
        found = [r for r in self.evaluators if r.spec.task == task]
        main = [m for r in found for m, metric in r.spec.metrics.items() if metric.main]
        if len(main) != 1:
            raise PluginError(
                f"task {task!r} needs exactly one main metric, its evaluators declare {main or 'none'}",
                "Install the package that registers the task's evaluators.",
            )
        return found

    def _of_task(
        self, kind: str, name: str, task: str | None, entries: list[Registered]
    ) -> Registered:
        if "/" in name:
            task, name = name.split("/", 1)
        if task is not None:
            entries = [r for r in entries if r.spec.task == task]
        found = [r for r in entries if r.spec.name == name]
        tasks = sorted({r.spec.task for r in found})
        if len(tasks) > 1:
            options = " or ".join(f"{t}/{name}" for t in tasks)
            raise UsageError(f"{kind} {name!r} belongs to several tasks.", f"Say {options}.")
        return self._one(kind, name, found, entries, f" for the task {task}" if task else "")

    def _one(
        self,
        kind: str,
        name: str,
        found: list[Registered],
        known: list[Registered],
        where: str = "",
    ) -> Registered:
        if not found:
            hint = did_you_mean(name, {r.spec.name for r in known})
            if limit := os.environ.get("MLZOO_PLUGINS"):
                hint += f" (MLZOO_PLUGINS={limit} limits what is loaded.)"
            skipped = [str(f.plugin) for f in self.failures if f.skipped]
            if skipped:
                hint += f" (Skipped as broken: {', '.join(skipped)}.)"
            raise UsageError(f"no {kind} named {name!r}{where}.", hint)
        if len(found) > 1:
            owners = " and ".join(str(r.plugin) for r in found)
            raise UsageError(
                f"{kind} {name!r} is brought by {owners}.",
                f"Keep one: {found[-1].plugin.uninstall}",
            )
        return found[0]


def _of_type(discovery: Discovery, kind: type) -> list[Registered]:
    return sorted(
        (r for r in discovery.registered if isinstance(r.spec, kind)), key=lambda r: r.spec.name
    )


@functools.cache
def registry() -> Registry:
    """The registry of this process; plugins are discovered once."""
    return Registry(discover())


def resolve(ref: Ref, plugin: Plugin) -> Any:
    """Import what a Ref names.

    Raises:
        PluginError: the module or the attribute is missing; says which extra brings the module.
    """
    module_name, _, attribute = ref.partition(":")
    try:
        target: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            target = getattr(target, part)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if missing.partition(".")[0] == plugin.module.partition(".")[0]:
            raise PluginError(f"{plugin} names {ref!r}, but has no module {missing!r}.") from error
        raise PluginError(
            f"{plugin} names {ref!r}, which needs the module {missing!r}.",
            _how_to_install(missing, plugin),
        ) from error
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{plugin} names {ref!r}, which cannot be imported: {error}") from error
    return target


def _how_to_install(module: str, plugin: Plugin) -> str:
    """The pip line for a missing module, if an extra of the plugin or the core declares it.

    No other name is suggested: a module's name is often not its distribution's.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    wanted = canonicalize_name(module.partition(".")[0])
    for distribution in (plugin.distribution, "mlzoo-core"):
        try:
            declared = requires(distribution) or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, declared):
            extra = str(requirement.marker or "").partition("extra == ")[2].strip("\"' )")
            if extra and canonicalize_name(requirement.name) == wanted:
                return f"Install it with: python -m pip install '{distribution}[{extra}]'"
    return "Install the distribution that brings it."
