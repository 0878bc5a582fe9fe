"""Facts about the repository itself that must stay true, whatever is added to it."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
PAPERS = [package for package in PACKAGES if package.name != "core"]

# Folders of one person's or one machine's file system, and the hosts of package indexes.
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:home|Users|root|work|farm|scratch|opt/\w+)/[\w.-]")
REGISTRY_HOST = re.compile(r"\b(?:pypi|pythonhosted|anaconda|download\.pytorch)\.org\b")


def project(package: Path) -> dict[str, Any]:
    text = (package / "pyproject.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)["project"]
    return table


def requirements(package: Path) -> list[Requirement]:
    extras = project(package).get("optional-dependencies", {}).values()
    lines = [*project(package)["dependencies"], *(line for extra in extras for line in extra)]
    return [Requirement(line) for line in lines]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


def imported_packages(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


def tracked_texts() -> Iterator[tuple[str, str]]:
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    for name in listing.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and b"\0" not in (content := path.read_bytes()):
            yield name, content.decode("utf-8")


@pytest.mark.parametrize("package", [*PACKAGES, *EXAMPLES], ids=lambda package: package.name)
def test_version_is_static_and_name_follows_folder(package: Path) -> None:
    assert project(package)["name"] == f"mlzoo-{package.name.removeprefix('mlzoo-')}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", project(package)["version"])
    assert "dynamic" not in project(package)


@pytest.mark.parametrize("package", PAPERS, ids=lambda package: package.name)
def test_paper_depends_on_the_core_within_one_minor_version(package: Path) -> None:
    own = [line for line in requirements(package) if line.name.startswith("mlzoo")]
    assert [(line.name, line.specifier) for line in own] == [
        ("mlzoo-core", SpecifierSet(">=0.1,<0.2"))
    ]


@pytest.mark.parametrize("package", EXAMPLES, ids=lambda package: package.name)
def test_example_depends_on_packages_of_the_repository_within_one_minor_version(
    package: Path,
) -> None:
    own = [line for line in requirements(package) if line.name.startswith("mlzoo")]
    known = {f"mlzoo-{package.name}" for package in PACKAGES}
    assert {line.name for line in own} <= known
    # An extra of its own for its tests needs no range beside the dependency's.
    needed = [Requirement(line) for line in project(package)["dependencies"]]
    ranges = [line.specifier for line in needed if line.name.startswith("mlzoo")]
    assert set(ranges) == {SpecifierSet(">=0.1,<0.2")}


@pytest.mark.parametrize("package", [*PACKAGES, *EXAMPLES], ids=lambda package: package.name)
def test_package_declares_ranges_and_no_exact_pins(package: Path) -> None:
    pins = [str(line) for line in requirements(package) if "==" in str(line.specifier)]
    assert pins == []


def test_extra_all_names_every_paper() -> None:
    core = next(package for package in PACKAGES if package.name == "core")
    named = {Requirement(line).name for line in project(core)["optional-dependencies"]["all"]}
    assert named == {f"mlzoo-{package.name}" for package in PAPERS}


def test_constraints_pin_every_dependency_within_its_range() -> None:
    pins = constraints()
    assert pins["torch"] == "2.13.0"
    needed = [line for package in [*PACKAGES, *EXAMPLES] for line in requirements(package)]
    foreign = [line for line in needed if not line.name.startswith("mlzoo-")]
    unpinned = {line.name for line in foreign if canonicalize_name(line.name) not in pins}
    assert unpinned == set()
    outside = [
        str(line) for line in foreign if pins[canonicalize_name(line.name)] not in line.specifier
    ]
    assert outside == []


def test_tracked_files_name_no_machine_path_and_no_registry() -> None:
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_package_imports_no_other_paper(package: Path) -> None:
    others = {f"mlzoo_{paper.name}" for paper in PAPERS if paper != package}
    guilty = {
        str(source.relative_to(ROOT)): sorted(others & set(imported_packages(source)))
        for source in package.glob("src/**/*.py")
        if others & set(imported_packages(source))
    }
    assert guilty == {}


@pytest.mark.parametrize("package", [*PACKAGES, *EXAMPLES], ids=lambda package: package.name)
def test_package_carries_the_licence_of_the_repository(package: Path) -> None:
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


# Rooms of the core, from the ground up: a module imports, when it is loaded, only from lower floors.
FLOORS = [
    {"errors", "specs", "signals", "job", "estimate"},
    {
        "hookspecs",
        "contracts",
        "files",
        "identities",
        "isolation",
        "paired_tests",
        "prefetch",
        "processes",
    },
    {
        "progress",
        "plugins",
        "config",
        "data",
        "cadence",
        "checkpoints",
        "rng",
        "metrics_log",
        "live_view",
        "selection",
        "verdict",
        "rescored",
    },
    {"registry", "run_schema", "tuning_space", "scaffold", "plugin_check", "prediction"},
    {"run_directory", "machine", "diagnosis", "tables"},
    {"run_status", "planning", "study", "ranks", "launch", "backbones"},
    {"runs", "scoring", "cards", "following", "claim_plans"},
    {"report", "search", "displays", "cluster"},
    {"session", "restarting"},
    {"importing", "rescoring", "export", "trial"},
    {"experiment", "faults", "tuning_trials"},
    {"seeds", "tuning"},
    {"reproduction"},
    {"cli", "testing"},
    {"templates"},
]


def test_arrows_of_the_core_point_down() -> None:
    source = ROOT / "packages" / "core" / "src" / "mlzoo"
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    upward = []
    for path in sorted(source.rglob("*.py")):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        if room.startswith("__"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            target = module.split(".")[1] if module.startswith("mlzoo.") else room
            if target != room and floor[target] >= floor[room]:
                upward.append(f"{room} imports {target}")
    assert not upward
