"""Sphinx settings; the pages are Markdown, and notebooks are turned into it."""

import json
import tomllib
from pathlib import Path
from typing import Any

_core = Path(__file__).parents[1] / "packages" / "core" / "pyproject.toml"

project = "mlzoo"
author = "the mlzoo contributors"
release = tomllib.loads(_core.read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser"]
source_suffix = {".md": "markdown", ".ipynb": "markdown"}
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"mlzoo {release}"


def _markdown(notebook: dict[str, Any]) -> str:
    """An executed notebook as a page: text as it is, code, and below it what it printed and drew."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            text = "".join(output.get("text", data.get("text/plain", "")))
            if "image/png" in data:
                picture = "".join(data["image/png"]).replace("\n", "")
                parts.append(f"![what the code above draws](data:image/png;base64,{picture})")
            else:
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _read_notebook(app: Any, name: str, source: list[str]) -> None:
    if app.env.doc2path(name).suffix == ".ipynb":
        source[0] = _markdown(json.loads(source[0]))


def setup(app: Any) -> None:
    """Sphinx calls this when it starts."""
    app.connect("source-read", _read_notebook)
