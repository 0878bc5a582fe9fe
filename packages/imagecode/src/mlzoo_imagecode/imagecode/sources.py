"""Where an image set comes from, as its name tells. Imports nothing heavy."""

from __future__ import annotations

SOURCES = ("open-images", "MSR-VTT", "video-storytelling", "YouCook")
"""Photographs, and three collections of videos."""

STATIC = "open-images"
OTHER = "other"


def source_of(name: str) -> str:
    """The source of a set; ``other`` where its name tells none."""
    return next((source for source in SOURCES if source in name), OTHER)


def is_video(name: str) -> bool:
    """Whether a set's images are frames of a video: all sets are that are not of Open Images."""
    return STATIC not in name
