"""What the embedded run shows: sentences find their clips, and the order of two notes is heard."""

from __future__ import annotations

import mlzoo
from mlzoo.progress import Progress

QUIET = {"figures": False, "progress": Progress(quiet=True)}


def test_sentences_find_clips_and_the_order_of_notes_is_heard(tmp_path):
    """42 and 24 are the same notes: whoever takes the mean over time finds one of two numbers."""
    result = mlzoo.run("multisk", epochs=5, out=tmp_path, **QUIET)
    ours, references = result.metrics["test"], result.results["references"]
    assert ours["t2v_r5"] > 40 * references["t2v_r5"]["chance"]
    assert ours["t2a_r5"] > 90
    assert ours["t2v_r1"] < 1.5 * references["t2v_r1"]["ceiling"]
    theirs = mlzoo.run("pooled-cca", out=tmp_path, **QUIET).metrics["test"]
    assert theirs["t2a_r5"] < 65
    assert ours["t2v+a_r5"] > theirs["t2v+a_r5"]
