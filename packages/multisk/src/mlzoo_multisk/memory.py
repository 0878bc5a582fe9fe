"""Stored videos that lie in memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from mlzoo.errors import DataError
from mlzoo_multisk.clips import Item
from mlzoo_multisk.shards.layout import arrays_of, content_digest, facts_bytes


class MemoryStore:
    """A list of items as an :class:`~mlzoo_multisk.clips.ItemStore`.

    Args:
        items: in the order of rows.
        what: where they are from, for messages.

    Raises:
        DataError: there is none, or two have one id.
    """

    def __init__(self, items: Sequence[Item], what: str = "the videos") -> None:
        self.items = list(items)
        self.keys: list[str] = [item.key for item in self.items]
        if not self.keys:
            raise DataError(f"{what}: there is none.")
        twice = [key for key, count in Counter(self.keys).items() if count > 1]
        if twice:
            others = f" and {len(twice) - 1} others" if twice[1:] else ""
            raise DataError(f"{what}: the id {twice[0]!r}{others} occurs twice.", "Leave one out.")

    def __len__(self) -> int:
        return len(self.items)

    def item(self, row: int) -> Item:
        """One of them, not copied."""
        return self.items[row]

    def digest(self) -> str:
        """SHA-256 of ids, arrays and facts, as of shards of the same items; computed once.

        Raises:
            DataError: an item could not be stored in shards: other types or values that are not finite.
        """
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for item in self.items:
            facts = facts_bytes(item.facts, item.key)
            digest.update(content_digest(item.key, arrays_of(item), facts))
        return digest.hexdigest()
