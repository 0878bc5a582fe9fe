"""Sphinx settings; the pages are Markdown."""

import tomllib
from pathlib import Path

_core = Path(__file__).parents[1] / "packages" / "core" / "pyproject.toml"

project = "mlzoo"
author = "the mlzoo contributors"
release = tomllib.loads(_core.read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"mlzoo {release}"
