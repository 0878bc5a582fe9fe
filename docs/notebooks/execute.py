"""Runs the notebooks beside this file from scratch and compares what they print with what is committed.

    python docs/notebooks/execute.py            compare; exits 1 and shows where they differ
    python docs/notebooks/execute.py --write    put the new outputs into the notebooks

Printed text must be the same, word for word and number for number. A cell whose numbers depend on
the order of floating-point sums, such as what a trained network scores, states by how much they may
differ in its metadata: ``"tolerance": 3.0``. Of a picture only its presence is compared.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from itertools import zip_longest
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SECONDS_PER_CELL = 900
NUMBER = re.compile(r"[-+−]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
CELL_METADATA = {"tolerance", "tags"}

Notebook = dict[str, Any]
Cell = dict[str, Any]


def execute(notebook: Notebook) -> Notebook:
    """A copy with fresh outputs, run by a new kernel in an empty folder.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    copy = nbformat.from_dict(deepcopy(notebook))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            copy,
            timeout=SECONDS_PER_CELL,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
            config=Config({"KernelManager": connection(Path(folder) / "kernel")}),
        )
        client.execute()
    return cleaned(copy)


def connection(socket: Path) -> dict[str, str]:
    """Sockets that are files of this user, where a system has them, and no ports that others may read."""
    return {} if sys.platform == "win32" else {"transport": "ipc", "ip": str(socket)}


def cleaned(notebook: Notebook) -> Notebook:
    """Nothing of the machine: one kernel name, no editor's metadata, outputs of one stream joined."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook["metadata"] = {"kernelspec": kernel, "language_info": {"name": "python"}}
    for cell in notebook["cells"]:
        known = cell["metadata"].keys() & CELL_METADATA
        cell["metadata"] = {key: cell["metadata"][key] for key in sorted(known)}
        if cell["cell_type"] == "code":
            cell["outputs"] = _joined(cell["outputs"])
    return notebook


def _joined(outputs: list[Cell]) -> list[Cell]:
    """A stream comes in pieces whose borders depend on the clock; a picture needs no text beside it."""
    joined: list[Cell] = []
    for output in outputs:
        output.pop("metadata", None)
        if output["output_type"] in ("display_data", "execute_result"):
            output["metadata"] = {}
            if "image/png" in output["data"]:
                output["data"] = {"image/png": output["data"]["image/png"]}
        last = joined[-1] if joined else None
        if last and output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] = text_of(last["text"]) + text_of(output["text"])
        else:
            joined.append(output)
    return joined


def text_of(value: str | list[str]) -> str:
    """A notebook stores text as one string or as a list of lines."""
    return value if isinstance(value, str) else "".join(value)


def shown(cell: Cell) -> Iterator[str]:
    """What a reader sees below a cell: texts as they are, a picture as ``<image/png>``."""
    for output in cell.get("outputs", ()):
        if output["output_type"] == "stream":
            yield f"{output['name']}: {text_of(output['text'])}"
        elif output["output_type"] == "error":
            yield f"error: {output['ename']}"
        elif "image/png" in output["data"]:
            yield "<image/png>"
        else:
            yield text_of(output["data"]["text/plain"])


def differences(committed: Notebook, fresh: Notebook) -> list[str]:
    """One line for each cell that prints something else than what is committed."""
    found = []
    for old, new in zip(committed["cells"], fresh["cells"], strict=True):
        tolerance = old["metadata"].get("tolerance", 0.0)
        for before, after in zip_longest(shown(old), shown(new), fillvalue="nothing"):
            if after.startswith(("stderr: ", "error: ")) or not alike(before, after, tolerance):
                found.append(f"cell {old['id']}: committed {before!r}, now {after!r}")
    return found


def alike(before: str, after: str, tolerance: float) -> bool:
    """Whether two texts differ in nothing but numbers, and those by no more than the tolerance."""
    if not tolerance:
        return before == after
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (before, after)]
    pairs = zip(numbers(before), numbers(after), strict=False)
    return words[0] == words[1] and all(abs(a - b) <= tolerance for a, b in pairs)


def numbers(text: str) -> list[float]:
    """All numbers in a text."""
    return [float(number.replace("−", "-")) for number in NUMBER.findall(text)]


def main() -> int:
    import nbformat

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="update the committed notebooks")
    arguments = parser.parse_args()
    problems = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        committed = nbformat.read(path, as_version=4)
        fresh = execute(committed)
        if arguments.write:
            nbformat.write(fresh, path)
            print(f"{path.name}: written, {path.stat().st_size / 1000:.0f} kB")
        else:
            found = differences(committed, fresh)
            problems += [f"{path.name}: {difference}" for difference in found]
            print(f"{path.name}: {len(found)} cells differ from what is committed")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
