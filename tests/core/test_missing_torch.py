"""What the command line says when something it stands on is missing."""

from __future__ import annotations

import os


def test_missing_torch_is_one_line_with_the_fix(toy, mlzoo, tmp_path):
    absent = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    (tmp_path / "torch.py").write_text(absent)
    path = os.pathsep.join([str(tmp_path), str(toy.folder), os.environ.get("PYTHONPATH", "")])
    done = mlzoo("run", "toy", PYTHONPATH=path, MLZOO_PLUGINS="toy")
    assert done.returncode == 1
    assert done.stderr.startswith("mlzoo: error: torch is not installed.\nInstall it: ")
    assert "Traceback" not in done.stderr
