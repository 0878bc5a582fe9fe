"""Ranks of what belongs together, recall, intervals, chance, and what anchors are used for."""
