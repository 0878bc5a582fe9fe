"""Errors a user sees: what is wrong and how to mend it, in one or two lines.

Everything raised on purpose derives from :class:`MlzooError`; the command line prints its message
without a traceback and exits with its ``exit_code``. Any other exception is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable


class MlzooError(Exception):
    """A failure with a message for the user.

    Args:
        message: one sentence that names the culprit.
        fix: what to do about it (optional; printed on a second line).
    """

    exit_code = 1
    told_by_main = False  # of a job of several processes: the others need not say it too

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n{self.fix}" if self.fix else self.message


class UsageError(MlzooError):
    """The request itself is wrong: an unknown name, a bad value, a file that cannot be a config."""

    exit_code = 2
    told_by_main = True


class PluginError(MlzooError):
    """An installed plugin does not keep its side of the contract."""


class DataError(MlzooError):
    """A data file is missing, damaged or not what it claims to be."""


class CheckpointError(MlzooError):
    """A checkpoint cannot be read safely or does not fit the model."""


class RunError(MlzooError):
    """A run cannot start, go on or be read back."""


class NonFiniteError(RunError):
    """A logged value became NaN or infinite during training."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as ``Did you mean 'mdn'?``, or the known names when none is close."""
    import difflib

    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.55)
    if close:
        return "Did you mean " + " or ".join(repr(match) for match in close) + "?"
    return f"Known: {', '.join(known)}." if known else "None is installed."
