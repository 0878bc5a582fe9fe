"""Published numbers of the task: none, so far.

The tables of the paper could not be seen in a source that may be quoted, and its repository holds neither
numbers nor logs. A number from memory is no claim; whoever has the paper at hand adds them here.
"""

from __future__ import annotations

from mlzoo import Published


def published() -> tuple[Published, ...]:
    """Numbers with their sources."""
    return ()
