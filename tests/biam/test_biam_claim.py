"""What the embedded run shows: unseen tags are found, far above chance and the baselines."""

from __future__ import annotations

import mlzoo
from mlzoo.progress import Progress

QUIET = {"figures": False, "progress": Progress(quiet=True)}


def test_unseen_tags_are_found_far_above_chance_and_baselines(tmp_path):
    """Half of the preset's epochs: seen tags first, as an unseen one cannot be better known than they."""
    result = mlzoo.run("biam", epochs=8, out=tmp_path, **QUIET)
    ours, chance = result.metrics["test"], result.results["references"]
    assert ours["seen_map"] > 5 * chance["seen_map"]["chance"]
    assert ours["zsl_map"] > 2.5 * chance["zsl_map"]["chance"]
    for baseline in ("tag-ridge", "conse"):
        theirs = mlzoo.run(baseline, out=tmp_path, **QUIET).metrics["test"]
        assert ours["zsl_map"] > theirs["zsl_map"], baseline
        assert ours["gzsl_map"] > theirs["gzsl_map"], baseline
