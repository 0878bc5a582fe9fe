"""Values of a config json by key, each checked when it is asked for. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from mlzoo.errors import UsageError

LARGEST = 2**24
"""A size above this is a slip, not a network."""

_NUMBER = re.compile("[0-9]{1,6}")


class Values:
    """An object of a config json.

    Args:
        values: the object.
        source: what errors call it.

    Every method raises :class:`~mlzoo.errors.UsageError` for a value that cannot be, with source and key.
    """

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        self.values, self.source = values, source

    def refuse(self, what: str, fix: str = "") -> NoReturn:
        """The error that something is wrong in it."""
        raise UsageError(f"{self.source}: {what}.", fix)

    def numbers(self, key: str) -> set[int]:
        """A list of numbers of sublayers; empty if there is none."""
        found = self.values.get(key, [])
        if not isinstance(found, list) or not all(type(n) is int and n >= 0 for n in found):
            self.refuse(f"{key} must be a list of numbers from 0")
        if len(set(found)) < len(found):
            self.refuse(f"{key} has a number twice")
        return set(found)

    def sizes(self, key: str) -> dict[int, int]:
        """A size for each of some sublayers; JSON writes their numbers as text."""
        found = self.values.get(key, {})
        if not isinstance(found, dict) or not all(_NUMBER.fullmatch(str(n)) for n in found):
            self.refuse(f"{key} must map numbers of sublayers to sizes")
        return {int(n): self.checked_size(f"{key}.{n}", size) for n, size in found.items()}

    def size_at(self, number: int, name: str, otherwise: str = "") -> int:
        """That of a sublayer, ``sublayer2<name>``, or else of all, ``otherwise`` or ``name``."""
        own = self.sizes(f"sublayer2{name}")
        return own[number] if number in own else self.size(otherwise or name)

    def size(self, key: str, default: int | None = None, least: int = 1) -> int:
        """A whole number from ``least``."""
        if key not in self.values and default is None:
            self.refuse(
                f"{key!r} is missing", "Give a config json of a cross-encoder's sublayer scheme."
            )
        return self.checked_size(key, self.values.get(key, default), least)

    def checked_size(self, key: str, found: Any, least: int = 1) -> int:
        """The same of a value that was found."""
        if type(found) is not int or not least <= found <= LARGEST:
            self.refuse(
                f"{key} must be a whole number from {least} to {LARGEST}, it is {found!r:.40}"
            )
        return found

    def number(self, key: str, default: float, below: float = 1.0) -> float:
        """A number from 0 to under ``below``."""
        found = self.values.get(key, default)
        if type(found) not in (int, float) or not 0 <= found < below:
            self.refuse(f"{key} must be a number from 0 to below {below:g}, it is {found!r:.40}")
        return float(found)

    def word(self, key: str, known: tuple[Any, ...], default: Any = None) -> Any:
        """One of a few values."""
        found = self.values.get(key, default)
        if found not in known:
            self.refuse(
                f"{key} is {found!r:.40}, which is not built here"
                if key in self.values
                else f"{key!r} is missing",
                f"Known: {', '.join(map(str, known))}.",
            )
        return found
