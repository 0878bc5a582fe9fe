"""Completion in bash, zsh and fish: the words each argument can be, and ``mlzoo completion``.

The machinery is click's: the shell calls ``mlzoo`` with ``_MLZOO_COMPLETE`` set and shows what it
prints. Nothing else may be printed then, whatever is broken, and torch is never imported.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

VARIABLE = "_MLZOO_COMPLETE"
MOST_RUNS = 500
INSTALL = {
    "bash": 'eval "$(mlzoo completion bash)"      in ~/.bashrc',
    "zsh": 'eval "$(mlzoo completion zsh)"       in ~/.zshrc, after compinit',
    "fish": "mlzoo completion fish | source       in ~/.config/fish/config.fish",
}

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@click.command(
    epilog="\b\nTo have it in every new shell, one line:\n" + "\n".join(INSTALL.values())
)
@click.argument("shell", type=click.Choice(list(INSTALL)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, names, runs and options in SHELL."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "mlzoo", VARIABLE).source())


def answer(command: click.Command) -> int:
    """Print what the shell asked for, and nothing else: a failure is an empty answer."""
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stderr(nowhere),
        contextlib.suppress(Exception, SystemExit),
    ):
        command.main(args=[], prog_name="mlzoo", standalone_mode=False)
    return 0


def matching(records: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """The names (with a line of help) that begin as typed, each once."""
    found = {name: text for name, text in records if name.startswith(incomplete)}
    return [CompletionItem(name, help=text) for name, text in found.items()]


def words(known: Iterable[str]) -> Completer:
    """A completer of fixed words."""
    records = [(word, "") for word in known]
    return lambda ctx, param, incomplete: matching(records, incomplete)


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of models."""
    return matching(_named("models"), incomplete)


def datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of datasets."""
    return matching(_named("datasets"), incomplete)


def evaluators(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of evaluators."""
    return matching(_named("evaluators"), incomplete)


def anything(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of models, datasets and evaluators."""
    kinds = ("models", "datasets", "evaluators")
    return matching((record for kind in kinds for record in _named(kind)), incomplete)


def tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of tasks."""
    from mlzoo.registry import registry

    return matching(((task, "") for task in registry().tasks), incomplete)


def datasets_of_model(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of the datasets that the model, whose command this is, works on."""
    from mlzoo.registry import registry

    task = registry().model(str(ctx.info_name)).spec.task
    records = [(r.spec.name, r.spec.summary) for r in registry().datasets if r.spec.task == task]
    return matching(records, incomplete)


def plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Distributions of plugins, broken ones too; else folders."""
    from mlzoo.registry import registry

    reg = registry()
    found = [*reg.plugins, *(failure.plugin for failure in reg.failures)]
    records = ((plugin.distribution, f"version {plugin.version}") for plugin in found)
    return matching(records, incomplete) or [CompletionItem(incomplete, type="dir")]


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Left to the shell."""
    return [CompletionItem(incomplete, type="file")]


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders of runs, below ``runs/`` or where the typed path leads; else folders."""
    return matching(_runs(incomplete), incomplete) or [CompletionItem(incomplete, type="dir")]


def unfinished_runs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Like :func:`runs`, without those that are done."""
    left = [(run, status) for run, status in _runs(incomplete) if status != "done"]
    return matching(left, incomplete) or [CompletionItem(incomplete, type="dir")]


def _named(kind: str) -> Iterator[tuple[str, str]]:
    from mlzoo.registry import registry

    for entry in getattr(registry(), kind):
        yield entry.spec.name, entry.spec.summary


def _runs(incomplete: str) -> Iterator[tuple[str, str]]:
    """Runs with their status, as paths that begin as typed."""
    import glob

    typed = glob.escape(incomplete) + "*"
    starts = ["runs/*/*"] if "runs/".startswith(incomplete) else []
    starts += [typed, f"{typed}/*", f"{typed}/*/*"] if incomplete else ["*"]
    found = (path for start in starts for path in glob.iglob(f"{start}/run.json"))
    for _, path in zip(range(MOST_RUNS), found, strict=False):
        yield str(Path(path).parent), _status(path)


def _status(path: str) -> str:
    try:
        return str(json.loads(Path(path).read_text(encoding="utf-8"))["status"])
    except (OSError, ValueError, LookupError, TypeError):
        return "damaged"
