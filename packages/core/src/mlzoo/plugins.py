"""Discovery: every plugin in its own try/except, every failure attributed to who caused it.

A plugin that cannot be imported, breaks a hook or returns something else than specs costs one warning
and nothing more: the command line and all other plugins go on.
"""

from __future__ import annotations

import difflib
import operator
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from mlzoo import __version__, hookspecs
from mlzoo.errors import PluginError
from mlzoo.specs import DatasetSpec, EvaluatorSpec, ModelSpec, Spec

HOOKS: dict[str, type[Spec]] = {
    "mlzoo_datasets": DatasetSpec,
    "mlzoo_models": ModelSpec,
    "mlzoo_evaluators": EvaluatorSpec,
}
CORE = re.compile(r"mlzoo[-_.]+core(?![\w.-])", re.IGNORECASE)
"""How a requirement on the core begins."""
_BOUND = re.compile(r"(>=|<=|>|<)\s*(\d+(?:\.\d+)*)")
_ORDER = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Plugin:
    """An entry point of the group ``mlzoo`` and the distribution that brought it.

    ``core_range`` is the range of ``mlzoo-core`` its distribution declares, which is the range of the
    hooks' versions it was written for; empty if it declares none.
    """

    name: str
    module: str
    distribution: str
    version: str
    core_range: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"

    @property
    def uninstall(self) -> str:
        """The line that removes it."""
        return f"python -m pip uninstall {self.distribution}"


@dataclass(frozen=True)
class Registered:
    """A spec and the plugin it came from."""

    spec: Any
    plugin: Plugin


@dataclass(frozen=True)
class Failure:
    """What is wrong with a plugin. ``skipped`` tells whether its specs were left out."""

    plugin: Plugin
    reason: str
    skipped: bool = True
    trace: str = field(default="", compare=False)
    fix: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.fix:
            object.__setattr__(self, "fix", f"Remove it with: {self.plugin.uninstall}")

    def __str__(self) -> str:
        verb = "is skipped" if self.skipped else "needs a look"
        return f"plugin '{self.plugin.name}' ({self.plugin}) {verb}: {self.reason}\n{self.fix}"


@dataclass
class Discovery:
    """Everything found: plugins that work, their specs, and what failed."""

    plugins: list[Plugin] = field(default_factory=list)
    registered: list[Registered] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def discover(points: Iterable[EntryPoint] | None = None) -> Discovery:
    """Load all plugins, in the order of their distributions' names.

    ``MLZOO_PLUGINS=a,b`` limits what is loaded (entry point or distribution names);
    ``MLZOO_STRICT=1`` raises the first failure instead of collecting it.

    Raises:
        PluginError: in strict mode.
    """
    found = Discovery()
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for plugin, point in _chosen(
        entry_points(group=hookspecs.PROJECT) if points is None else points
    ):
        try:
            with redirect_stdout(sys.stderr):  # what a plugin prints must not spoil --json
                specs = _load(manager, plugin, point, found.failures)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # a plugin may even call sys.exit while it is imported
            fix = error.fix if isinstance(error, PluginError) else ""
            trace = traceback.format_exc()
            found.failures.append(Failure(plugin, _reason(error), trace=trace, fix=fix))
        else:
            found.plugins.append(plugin)
            found.registered.extend(Registered(spec, plugin) for spec in specs)
    found.failures.extend(_leave_out_clashing_evaluators(found))
    found.failures.extend(_duplicates(found.registered))
    if found.failures and os.environ.get("MLZOO_STRICT") == "1":
        failure = found.failures[0]
        raise PluginError(str(failure) + ("\n" + failure.trace if failure.trace else ""))
    return found


def _chosen(points: Iterable[EntryPoint]) -> Iterator[tuple[Plugin, EntryPoint]]:
    wanted = {
        name.strip() for name in os.environ.get("MLZOO_PLUGINS", "").split(",") if name.strip()
    }
    plugins = [(_describe(point), point) for point in points]
    for plugin, point in sorted(plugins, key=lambda pair: (pair[0].distribution, pair[0].name)):
        if not wanted or wanted & {plugin.name, plugin.distribution}:
            yield plugin, point


def _describe(point: EntryPoint) -> Plugin:
    if point.dist is None:
        return Plugin(point.name, point.value, "unknown distribution", "?")
    facts = point.dist.metadata  # parsed anew at each access
    lines = facts.get_all("Requires-Dist") or []
    own = [line for line in lines if CORE.match(line) and "extra ==" not in line]
    ranges = [line.partition(";")[0].split("]")[-1] for line in own]
    declared = ",".join(filter(None, (CORE.sub("", text).strip(" ()") for text in ranges)))
    return Plugin(point.name, point.value, facts["Name"], facts["Version"], declared)


def check_range(plugin: Plugin) -> None:
    """Refuse a plugin that was written for another core.

    Raises:
        PluginError: the installed core is outside the range that its distribution declares.
    """
    if plugin.core_range and not fits(__version__, plugin.core_range):
        upgrade = f"python -m pip install --upgrade {plugin.distribution}"
        raise PluginError(
            f"{plugin} needs mlzoo-core{plugin.core_range}, installed is {__version__}",
            f"Upgrade it ({upgrade}) or remove it: {plugin.uninstall}",
        )


def fits(version: str, declared: str) -> bool:
    """Whether a version lies in a range of versions such as ``>=0.1,<0.2``."""
    bounds = [_BOUND.fullmatch(part.strip()) for part in declared.split(",")]
    if _BOUND.fullmatch(f">={version}") and all(bounds):
        # What nearly everybody writes is compared here: packaging would cost every start 15 ms.
        mine = _release(version)
        return all(_ORDER[m[1]](mine, _release(m[2])) for m in bounds if m)
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(declared).contains(version, prereleases=True)


def _release(version: str) -> list[int]:
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def _load(
    manager: pluggy.PluginManager, plugin: Plugin, point: EntryPoint, failures: list[Failure]
) -> list[Spec]:
    """Import one plugin and collect its specs; a misspelt hook is reported, the rest is kept."""
    check_range(plugin)
    module = point.load()
    try:
        manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
        unknown = _unknown_hooks(manager, module)
        failures.extend(Failure(plugin, reason, skipped=False) for reason in unknown)
        specs: list[Spec] = []
        for hook in HOOKS:
            specs.extend(_call(manager, module, hook))
        if not specs and not unknown:
            raise PluginError(
                f"{plugin.module} brings nothing: no function marked with @hookimpl returned a spec"
            )
    except BaseException:
        if manager.is_registered(module):
            manager.unregister(module)
        raise
    return specs


def _unknown_hooks(manager: pluggy.PluginManager, module: object) -> list[str]:
    """Misspelt hooks, and hooks that somebody forgot to mark: both would be silent otherwise."""
    callers = manager.get_hookcallers(module) or []
    marked = {caller.name for caller in callers}
    reasons = []
    for name in sorted(marked | {n for n in dir(module) if n.startswith("mlzoo_")}):
        if name in HOOKS and name in marked:
            continue
        if name in HOOKS:
            reasons.append(f"{name} is not marked with @hookimpl, so it is never called")
        elif name in marked or callable(getattr(module, name)):
            close = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"the hooks are {', '.join(HOOKS)}."
            reasons.append(f"{name} is not a hook; {hint}")
    return reasons


def _call(manager: pluggy.PluginManager, module: object, hook: str) -> list[Spec]:
    caller = manager.subset_hook_caller(hook, [p for p in manager.get_plugins() if p is not module])
    kind = HOOKS[hook]
    specs: list[Spec] = []
    for returned in caller():
        if isinstance(returned, str | bytes) or not isinstance(returned, Iterable):
            raise PluginError(
                f"{hook} must return an iterable of {kind.__name__}, got {returned!r}"
            )
        for spec in returned:
            if not isinstance(spec, kind):
                raise PluginError(f"{hook} must give {kind.__name__}, got {type(spec).__name__}")
            specs.append(spec)
    names = [(spec.task if kind is not ModelSpec else "", spec.name) for spec in specs]
    for task_and_name in names:
        if names.count(task_and_name) > 1:
            raise PluginError(f"{hook} gives {task_and_name[1]!r} twice")
    return specs


def identity(spec: Spec) -> tuple[str, ...]:
    """What must be unique: a model's name; a dataset's or evaluator's name within its task."""
    return (
        ("model", spec.name) if isinstance(spec, ModelSpec) else (_kind(spec), spec.task, spec.name)
    )


def _kind(spec: Spec) -> str:
    return {ModelSpec: "model", DatasetSpec: "dataset", EvaluatorSpec: "evaluator"}[type(spec)]


def _duplicates(registered: list[Registered]) -> Iterator[Failure]:
    first: dict[tuple[str, ...], Plugin] = {}
    for entry in registered:
        owner = first.setdefault(identity(entry.spec), entry.plugin)
        if owner is not entry.plugin:
            kind, name = _kind(entry.spec), entry.spec.name
            reason = f"{kind} '{name}' is also brought by {owner}; neither can be used by that name"
            yield Failure(entry.plugin, reason, skipped=False)


def _leave_out_clashing_evaluators(found: Discovery) -> list[Failure]:
    """A task has one main metric and each metric once: who comes second to a task's owner, the
    (first) package that registers datasets and evaluators of it, is left out."""
    failures = []
    evaluators = [r for r in found.registered if isinstance(r.spec, EvaluatorSpec)]
    scored = {(r.spec.task, r.plugin) for r in evaluators}
    owners: dict[str, Plugin] = {}
    for r in found.registered:
        if isinstance(r.spec, DatasetSpec) and (r.spec.task, r.plugin) in scored:
            owners.setdefault(r.spec.task, r.plugin)
    evaluators.sort(key=lambda r: r.plugin is not owners.get(r.spec.task))
    taken: dict[tuple[str, str], Plugin] = {}
    for entry in evaluators:
        names = list(entry.spec.metrics)
        names += ["the main metric"] if any(m.main for m in entry.spec.metrics.values()) else []
        clash = next((name for name in names if (entry.spec.task, name) in taken), None)
        if clash is None:
            taken |= {(entry.spec.task, name): entry.plugin for name in names}
            continue
        found.registered.remove(entry)
        reason = f"its evaluator '{entry.spec.name}' is left out: {clash} of {entry.spec.task} "
        reason += f"is brought by {taken[entry.spec.task, clash]}"
        failures.append(Failure(entry.plugin, reason, skipped=False))
    return failures


def _reason(error: BaseException) -> str:
    if isinstance(error, PluginError):
        return error.message
    lines = str(error).strip().splitlines() or ["no message"]
    if isinstance(error, pluggy.PluginValidationError):
        lines = [lines[-1]]  # what is wrong; the lines before only repeat which hook
    return f"{type(error).__name__}: {lines[0]}"
