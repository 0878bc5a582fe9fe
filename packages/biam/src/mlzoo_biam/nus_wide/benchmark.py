"""NUS-WIDE as published rows speak of it, recognised by content."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy.typing as npt

from mlzoo.data.fingerprint import fingerprint
from mlzoo_biam.labels import Labels
from mlzoo_biam.nus_wide.files import Vocabulary
from mlzoo_biam.packed.store import PackedFeatures

Array = npt.NDArray[Any]

IMAGES = {"train": 161_789, "test": 107_859}
SEEN, UNSEEN = 925, 81
FEATURES = (512, (14, 14), 4096)
"""Channels, grid and width of the scene: VGG-19's conv5_4 and fc7."""
WORD_LISTS = "e61e13ad444f0c0a283fe596dc7a7f659d32aec1e393d384d5a474b08b985fc8"
PUBLISHED_VECTORS = "62e641e003ead28677e210cdfa5784e845e12c8ea9b7eb423554fa2cbbd9f0f0"
POSITIVES = {("test", "seen"): 4.93, ("test", "unseen"): 1.877}
"""Mean tags of an image by part and kind, as precision and recall in the published log imply."""


def words_digest(words: Vocabulary) -> str:
    """SHA-256 of both lists, whatever ends their lines."""
    text = "\n".join((*words.tags, "", *words.concepts))
    return hashlib.sha256(text.encode()).hexdigest()


def vectors_digest(of_tags: Array, of_concepts: Array) -> str:
    """SHA-256 of both arrays as they are stored."""
    return fingerprint({"tags": of_tags, "concepts": of_concepts})


def other_words(words: Vocabulary, of_tags: Array, of_concepts: Array) -> str:
    """In what tags or word vectors are not the published ones; empty if they are."""
    if words_digest(words) != WORD_LISTS:
        seen, unseen = words.seen_count, len(words.concepts)
        return (
            f"{seen} seen and {unseen} unseen tags, not the published lists of {SEEN} and {UNSEEN}"
        )
    if vectors_digest(of_tags, of_concepts) != PUBLISHED_VECTORS:
        return "the word vectors are not the published ones"
    return ""


def other_part(name: str, features: PackedFeatures, labels: Labels, seen: int) -> str:
    """In what a part is not the published one, as far as can be told; empty if it is."""
    kind = (features.channels, features.grid, features.scene_width)
    if kind != FEATURES:
        return f"features are {kind}, published rows use {FEATURES}"
    if features.facts.get("scene") == "projection":
        return "the global feature is a random projection, published rows use VGG-19's fc7"
    if len(features) != IMAGES[name]:
        return f"{name} has {len(features):,} images, published rows use {IMAGES[name]:,}"
    if not labels.default[:seen].any() and not (labels.tags < seen).any():
        return f"seen tags of {name} are not annotated"
    return ""
