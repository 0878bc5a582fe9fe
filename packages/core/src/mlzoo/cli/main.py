"""``mlzoo``: finds the command, prints every expected failure in one or two lines."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, NoReturn

import click

from mlzoo.errors import MlzooError, UsageError, did_you_mean
from mlzoo.job import is_follower, process_count
from mlzoo.launch import JobFailedError

if "--multiprocessing-fork" in sys.orig_argv:
    # One of a job's processes, which imports torch before it gets to our handlers: until then Ctrl-C
    # ends it without a traceback. The process that started it says why.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "list": (
        "mlzoo.cli.list:list_command",
        "What is installed: models, datasets, evaluators, plugins.",
    ),
    "info": ("mlzoo.cli.info:info", "All about one model, dataset or evaluator."),
    "run": ("mlzoo.cli.run:run", "Train and score a model."),
    "resume": ("mlzoo.cli.resume:resume", "Go on with an interrupted run, exactly."),
    "reproduce": (
        "mlzoo.cli.reproduce:reproduce",
        "Judge a model's published numbers by several runs.",
    ),
    "eval": ("mlzoo.cli.eval:evaluate", "Score a finished run again from its checkpoint."),
    "predict": ("mlzoo.cli.predict:predict", "Predict new inputs with a finished run, as csv."),
    "weights": ("mlzoo.cli.weights:weights", "Import published weights as a finished run."),
    "tune": ("mlzoo.cli.tune:tune", "Search for options on validation data, never on test."),
    "report": ("mlzoo.cli.report:report", "Compare runs in one table: mean, spread, published."),
    "compare": (
        "mlzoo.cli.compare:compare",
        "What differs between two runs, and whether by more than chance.",
    ),
    "rescore": ("mlzoo.cli.rescore:rescore", "Score runs again from their stored predictions."),
    "card": ("mlzoo.cli.card:card", "Check what models' cards claim: numbers, sources, presets."),
    "export": (
        "mlzoo.cli.export:export",
        "Write a run as model card, ONNX, safetensors, MTEB json.",
    ),
    "data": (
        "mlzoo.cli.data:data",
        "Look at datasets, download, verify and prepare files, write demo data.",
    ),
    "plugin": ("mlzoo.cli.plugin:plugin", "Begin a plugin, check one, see what is wrong."),
    "completion": ("mlzoo.cli.completion:completion", "Script that completes words in your shell."),
    "doctor": ("mlzoo.cli.doctor:doctor", "Look for trouble: torch, plugins, data, folders."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = args[0].startswith("-") or args[0] in COMMANDS
        if not known and not ctx.resilient_parsing:  # i.e. while words are completed
            raise UsageError(f"no command named {args[0]!r}.", did_you_mean(args[0], COMMANDS))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from mlzoo.cli.completion import matching

        summaries = ((name, summary) for name, (_, summary) in COMMANDS.items())
        return matching(summaries, incomplete) or super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with: mlzoo list, then mlzoo run MODEL.",
)
@click.version_option(package_name="mlzoo-core", prog_name="mlzoo")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def cli(debug: bool) -> None:
    """Published systems as plugins: run them, check their numbers, add your own."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is fetched behind the user's back


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the command ``mlzoo``: exit 0 when done, 2 for usage, 1 for failure."""
    if "_MLZOO_COMPLETE" in os.environ:
        from mlzoo.cli.completion import answer

        sys.exit(answer(cli))
    words = sys.argv[1:] if arguments is None else arguments
    sys.exit(guarded(words))


def guarded(words: list[str]) -> int:
    """Run one command line and return its exit status; every failure is told in a line or two."""
    debug = "--debug" in words
    if debug:  # also after the command's name
        words = ["--debug", *(word for word in words if word != "--debug")]
    try:
        with _silent_follower():
            code = cli.main(args=words, prog_name="mlzoo", standalone_mode=False, obj=words)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:  # e.g. `mlzoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            import traceback

            traceback.print_exc()
        code = _told_elsewhere(error)
        return _fail(*_told(error)) if code is None else code


def process_of_job(words: list[str]) -> None:
    """One process of a job that a command line has started."""
    if code := guarded(words):
        sys.exit(code)


@contextmanager
def _silent_follower() -> Iterator[None]:
    """In a job of several processes only the main one speaks; the others tell their own failures."""
    if not is_follower():
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _told_elsewhere(error: BaseException) -> int | None:
    """The exit status of a failure that another process of the job tells; None for any other."""
    if isinstance(error, JobFailedError) and not error.reason:
        return error.exit_code
    if isinstance(error, MlzooError) and error.told_by_main and is_follower():
        return error.exit_code
    return None


def _told(error: BaseException) -> tuple[str, str, int]:
    """Message, fix and exit status of a failure."""
    if isinstance(error, MlzooError):
        return error.message, error.fix, error.exit_code
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "mlzoo"
        return error.format_message(), f"See: {where} --help", 2
    if isinstance(error, click.ClickException):
        return error.format_message(), "", error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "interrupted.", "", 130
    text = " ".join(str(error).split())
    if isinstance(error, OSError | MemoryError):  # a full disk, too little memory
        return text or type(error).__name__, "", 1
    if process_count() > 1 and "by peer" in text:  # so torch says that a connection was lost
        return "another process of this job has ended.", "", 1
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":  # an extra of the core
        fix = "Install it: python -m pip install 'mlzoo-core[torch]'; mlzoo doctor says what else."
        return "torch is not installed.", fix, 1
    return f"{type(error).__name__}: {text}", "This is a bug; --debug shows where.", 1


def _fail(message: str, fix: str, code: int) -> int:
    who = f"mlzoo (process {os.environ['RANK']})" if is_follower() else "mlzoo"
    print(f"{who}: error: {message}" + (f"\n{fix}" if fix else ""), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
