"""``mlzoo plugin new``: a small working package, made from the one in ``templates/``.

The template is itself a valid package with the name ``sprout``; a new plugin is that package with
another name, so that what checks this repository's code also checks what it hands out.
"""

from __future__ import annotations

import keyword
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from mlzoo.errors import RunError, UsageError

LONGEST_NAME = 30  # so that no line of the template grows beyond its limit
RULE = (
    "A name is lower-case words joined by '-', begins with a letter, "
    f"and has at most {LONGEST_NAME} characters."
)
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEMPLATE = "sprout"
_TEMPLATE_RANGE = ">=0.1,<0.2"


def plugin_name(text: str, taken: Iterable[str] = ()) -> str:
    """The plugin's name; ``mlzoo-foo`` is taken as ``foo``.

    Args:
        text: what the user typed.
        taken: names of models that are installed.

    Raises:
        UsageError: no such name is allowed, or it is used already; says which rule it breaks.
    """
    name = text.removeprefix("mlzoo-")
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(f"{text!r} cannot be the name of a plugin.", RULE)
    word = name.replace("-", "_")
    if keyword.iskeyword(word) or keyword.issoftkeyword(word):
        raise UsageError(f"{name!r} is a keyword of Python.", "Choose another name.")
    if word in sys.stdlib_module_names:
        raise UsageError(f"{name!r} is a module of Python's own library.", "Choose another name.")
    if name in taken:
        raise UsageError(f"a model named {name!r} is installed already.", "Choose another name.")
    if name == "mlzoo":
        raise UsageError("'mlzoo' is the core's own name.", "Choose another name.")
    for known in (name, f"mlzoo-{name}"):
        if _is_installed(known):
            raise UsageError(
                f"a distribution named {known!r} is installed already.", "Choose another name."
            )
    return name


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def create_plugin(name: str, parent: Path) -> Path:
    """Write the package ``mlzoo-<name>`` into a new folder of that name below ``parent``.

    The folder appears whole or not at all.

    Args:
        name: as :func:`plugin_name` returned it.
        parent: an existing folder, or one to be made.

    Raises:
        UsageError: the folder exists.
        RunError: it cannot be written.
    """
    target = parent / f"mlzoo-{name}"
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already.", "Choose another name or another --dir.")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".mlzoo-{name}-", dir=parent) as aside:
            package = Path(aside) / "package"
            for path, text in plugin_files(name):
                (package / path).parent.mkdir(parents=True, exist_ok=True)
                (package / path).write_text(text, encoding="utf-8")
            package.rename(target)
    except OSError as error:
        raise RunError(f"cannot write {target}: {error.strerror or error}.") from error
    return target


def plugin_files(name: str) -> Iterator[tuple[Path, str]]:
    """Every file of a new package: its place and its content."""
    template = Path(__file__).parent / "templates"
    for source in sorted(template.rglob("*")):
        if source.is_file() and source.parent.name != "__pycache__":
            place = _place(source.relative_to(template), name)
            yield place, _renamed(source.read_text(encoding="utf-8"), name)


def _place(source: Path, name: str) -> Path:
    if source.parts[0] == f"mlzoo_{_TEMPLATE}":
        return Path("src", f"mlzoo_{name.replace('-', '_')}", *source.parts[1:])
    moved = {
        "gitignore": ".gitignore",
        "pyproject": "pyproject.toml",  # under its own name ruff would take it for its settings
        "test_contract.py": "tests/test_contract.py",
    }
    return Path(moved.get(source.name, source.name))


def _renamed(text: str, name: str) -> str:
    text = text.replace(f"mlzoo_{_TEMPLATE}", f"mlzoo_{name.replace('-', '_')}")
    return text.replace(_TEMPLATE, name).replace(_TEMPLATE_RANGE, core_range(version("mlzoo-core")))


def core_range(core: str) -> str:
    """The range of ``mlzoo-core`` that a plugin written for this version may declare.

    The hooks change with the minor version before 1.0, and with the major version from then on.

    >>> core_range("0.1.3")
    '>=0.1,<0.2'
    >>> core_range("2.4.0")
    '>=2.4,<3'
    """
    from packaging.version import Version

    major, minor = Version(core).major, Version(core).minor
    return f">={major}.{minor},<" + (f"{major}.{minor + 1}" if major == 0 else str(major + 1))
