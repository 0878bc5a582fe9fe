"""What the doctors of datasets do in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlzoo.contracts import Finding, TaskData
from mlzoo.errors import MlzooError


def guarded(subject: str, found: Iterator[Finding]) -> Iterator[Finding]:
    """What cannot be read is a finding, too."""
    try:
        yield from found
    except MlzooError as error:
        yield Finding("error", subject, error.message, error.fix)


def all_together(load: Callable[[], TaskData]) -> Iterator[Finding]:
    """The verdict of the loader itself, and whether published rows speak of these data."""
    try:
        data = load()
    except MlzooError as error:
        yield Finding("error", "the files together", error.message, error.fix)
        yield Finding("note", "published rows", "cannot be told before the errors are gone")
        return
    if reason := getattr(data, "incomparable", ""):
        yield Finding("warning", "published rows", f"not comparable: {reason}")
    else:
        yield Finding("ok", "published rows", "comparable, as far as can be told")
    for split in getattr(data, "hidden", ()):
        text = "its labels are hidden: it is predicted, and cannot be scored"
        yield Finding("note", split, text)
    yield Finding("ok", "fingerprint", data.fingerprint())
