"""Whether a plugin's cards are right: what they cite, what they print, and what can be run of it.

Nothing is trained and no data is read. ``mlzoo card check`` shows the findings; the contract suite fails on
errors among them. Refs of code are not resolved here, but those of option classes: the suite and ``mlzoo
doctor`` do the rest.
"""

from __future__ import annotations

from mlzoo.cards.checking import Card, check_cards, check_entry

__all__ = ["Card", "check_cards", "check_entry"]
