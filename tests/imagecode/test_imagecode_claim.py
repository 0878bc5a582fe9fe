"""What the embedded run shows: descriptions find their picture, more often than pictures alone tell."""

from __future__ import annotations

import mlzoo
from mlzoo.progress import Progress

QUIET = {"figures": False, "progress": Progress(quiet=True)}


def test_descriptions_find_their_picture_and_the_module_sees_the_others(tmp_path):
    """A short run; who never reads the text finds a quarter, as odd pictures are described more often."""
    options = {"strips": 1200, "clip_epochs": 6, "epochs": 4}
    result = mlzoo.run("imagecode", out=tmp_path, **options, **QUIET)
    ours, references = result.metrics["test"], result.results["references"]["accuracy"]
    blind = mlzoo.run("image-only", out=tmp_path, strips=1200, **QUIET).metrics["test"]
    assert references["chance"] == 10
    assert ours["accuracy"] > blind["accuracy"] + 5
    assert ours["accuracy"] > 3 * references["chance"]
    assert ours["accuracy_static"] > ours["accuracy_video"]
    prior = mlzoo.run("position-prior", out=tmp_path, strips=1200, **QUIET).metrics["test"]
    assert abs(prior["accuracy"] - references["chance"]) < 3
