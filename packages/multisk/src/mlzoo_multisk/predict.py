"""Clips for new queries: ``mlzoo predict RUN --text "somebody cuts an onion"``.

An input is a text file with a query on each line. A word without a vector is ignored, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlzoo.errors import DataError, UsageError
from mlzoo.progress import Progress
from mlzoo_multisk.clips import Floats
from mlzoo_multisk.model import RetrievalModel
from mlzoo_multisk.predict_config import Candidates, PredictOptions
from mlzoo_multisk.retrieval import RetrievalData
from mlzoo_multisk.views.text import WordTable, tokenise


def predict(
    model: RetrievalModel,
    data: RetrievalData,
    inputs: Sequence[Path],
    progress: Progress,
    options: PredictOptions,
) -> dict[str, Sequence[Any]]:
    """The clips of a split for each query, the likeliest first.

    Returns:
        A row for each query and clip: ``query``, ``rank`` from 1, ``clip`` (its id), ``score`` (cosine) and
        ``caption``, what the data say of the clip.

    Raises:
        UsageError: there is no query, or the model has no such candidates.
        DataError: a file is not text, or no word of a query is known.
    """
    queries = _queries(inputs, options)
    words = _words_of(queries, data, progress)
    clips = data.part(options.split)
    candidates = _candidates(model.predict(options.split), options.among)  # [n, P]
    scores = model.text_embeddings(queries, words) @ candidates.T  # [q, n]
    best = np.argsort(-scores, axis=1, kind="stable")[:, : options.top]  # [q, top]
    if options.figure is not None:
        from mlzoo_multisk.predict_figure import write_figure

        write_figure(options.figure, queries, scores, best, list(clips.captions), list(clips.ids))
        progress.message(f"picture: {options.figure}")
    rows = [
        (query, rank, clip) for query, row in enumerate(best) for rank, clip in enumerate(row, 1)
    ]
    return {
        "query": [queries[query] for query, _, _ in rows],
        "rank": [rank for _, rank, _ in rows],
        "clip": [clips.ids[clip] for _, _, clip in rows],
        "score": [float(scores[query, clip]) for query, _, clip in rows],
        "caption": [clips.captions[clip] for _, _, clip in rows],
    }


def _queries(inputs: Sequence[Path], options: PredictOptions) -> list[str]:
    found = [] if options.text is None else [options.text]
    for path in inputs:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not text (UTF-8).", "Write a query on each line."
            ) from error
        found += [line.strip() for line in lines]
    found = [query for query in found if query.strip()]
    if not found:
        raise UsageError("there is no query.", 'Ask for something: --text "somebody cooks".')
    return found


def _words_of(queries: Sequence[str], data: RetrievalData, progress: Progress) -> WordTable:
    """Vectors of the queries' words, from the data's own table or from where it was read."""
    tokens = {token for query in queries for token in tokenise(query)}
    words = data.words
    if data.look_up is not None and any(token not in words for token in tokens):
        words = data.look_up(tokens)
    unknown = sorted(token for token in tokens if token not in words)
    if unknown:
        progress.message(f"words without a vector are ignored: {', '.join(unknown)}")
    for query in queries:
        if not any(token in words for token in tokenise(query)):
            raise DataError(f"no word of the query {query!r} has a vector.", "Use other words.")
    return words


def _candidates(predictions: dict[str, Any], among: Candidates | None) -> Floats:
    """Rows of length 1 [n, P]."""
    has_audio = "audio" in predictions
    among = among or ("v+a" if has_audio else "v")
    if among == "v+a" and has_audio:
        both = predictions["video"] + predictions["audio"]
        return np.asarray(both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-8))
    key = {"v": "video", "a": "audio", "v+a": "audio", "va": "va"}[among]
    if key not in predictions:
        raise UsageError(f"--among {among}: this model has no embedding of that kind.", "Try v.")
    found: Floats = predictions[key]
    return found
