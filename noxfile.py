"""The sessions of ``python3 dev.py``, each in an environment of its own below ``.nox/``."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from datetime import datetime
from functools import cache
from pathlib import Path

import nox
from nox.command import CommandFailed

# Every start of the command line, and each of the tests' many processes, would compile torch anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.needs_version = ">=2025.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types"]

CONSTRAINTS = Path("constraints.txt")  # nox works in the folder of this file
PYPROJECTS = sorted(Path("packages").glob("*/pyproject.toml"))
EXAMPLES = sorted(Path("examples").glob("*/pyproject.toml"))  # third parties' packages, as it were
PAPERS = [path.parent.name for path in PYPROJECTS if path.parent.name != "core"]
# glibc gives large blocks back to the system at every step and fetches them again; keep them.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
# One thread a worker: two BLAS pools on two cores slow each other down.
WORKERS = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
TEST_TOOLS = ("pytest", "pytest-xdist", "hypothesis", "hatchling", "editables", "pip")


@cache
def uv_settings() -> dict[str, str | None]:
    """The environment for uv: pins of build tools, and what pip knows of this machine but uv ignores.

    That is the system's certificates and the find-links folders, where a CPU build of torch may lie.
    """
    settings: dict[str, str | None] = {
        "UV_BUILD_CONSTRAINT": str(CONSTRAINTS.resolve()),
        "UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "1"),
    }
    if "UV_FIND_LINKS" not in os.environ:
        links = os.environ.get("PIP_FIND_LINKS")
        if links is None:
            command = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
            links = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        settings["UV_FIND_LINKS"] = ",".join(links.split()) or None
    return settings


def install(session: nox.Session, *requirements: str) -> None:
    """Install under constraints.txt, unless that was done already from the same files.

    Name everything in one call: packages of this repository must not be looked up in an index.
    """
    files = [CONSTRAINTS, *PYPROJECTS]
    parts = [sys.version, *requirements, *(file.read_text(encoding="utf-8") for file in files)]
    stamp = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    marker = Path(session.virtualenv.location) / "installed"
    if marker.is_file() and marker.read_text() == stamp:
        return
    marker.unlink(missing_ok=True)
    arguments = ["-c", str(CONSTRAINTS), *requirements]
    try:
        session.install(*arguments, env=uv_settings(), silent=False)
    except CommandFailed:
        if session.venv_backend != "uv":
            raise
        session.warn("uv failed; trying pip, which knows its own index, proxy and certificates")
        target = str(Path(session.bin, "python"))
        pip = (sys.executable, "-m", "pip", "--python", target, "install")
        session.run_install(*pip, *arguments, external=True)
    if session.run_install("python", "--version", silent=True, log=False):  # None under nox -R
        marker.write_text(stamp)


def editable(*names: str) -> list[str]:
    """Arguments that install packages from source, with every extra that does not name papers."""
    arguments = []
    for path in PYPROJECTS:
        if not names or path.parent.name in names:
            project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
            extras = sorted(set(project.get("optional-dependencies", {})) - {"all"})
            folder = f"./{path.parent.as_posix()}"
            arguments += ["-e", f"{folder}[{','.join(extras)}]" if extras else folder]
    return arguments


@nox.session
def demo(session: nox.Session) -> None:
    """Metadata Normalization against its baseline over three seeds: a table and a figure."""
    install(session, *editable("core", "mdn"))
    out = Path("runs", "demo", datetime.now().strftime("%Y%m%d-%H%M%S"))
    # Every other epoch is enough for the curves, and the report draws the figures of all runs at once.
    options = ("--seeds", "0-2", "--evaluate-every", "2", "--no-figures", "--out", str(out))
    for network in ("baseline", "conv"):
        command = ("mlzoo", "run", "mdn", "--network", network, *options)
        session.run(*command, *session.posargs, env=KEEP_MEMORY)
    session.run("mlzoo", "report", str(out), "--figures", str(out / "figures"))
    if not list(out.glob("figures/*.png")):
        session.error(f"the report drew no figure in {out / 'figures'}")


@nox.session
def tests(session: nox.Session) -> None:
    """The whole test suite; what follows -- goes to pytest."""
    install(session, *editable(), *TEST_TOOLS)
    session.run("pytest", *WORKERS, *session.posargs, env=ONE_THREAD)


@nox.session
def web(session: nox.Session) -> None:
    """The report's page in a headless Chromium; skipped, with the reason, where there is none."""
    if reason := no_browser(session):
        session.skip(reason)
    install(session, *editable("core", "imagecode", "mdn"), *TEST_TOOLS, "selenium")
    session.run("pytest", "tests/web", *session.posargs, env=ONE_THREAD)


def no_browser(session: nox.Session) -> str:
    """Install Debian's Chromium where that may be done and it is not there; why there is none, if so."""
    wanted = {"chromium": "chromium", "chromedriver": "chromium-driver"}
    missing = [package for program, package in wanted.items() if not shutil.which(program)]
    if not missing:
        return ""
    how = f"on Debian: apt-get install {' '.join(missing)}"
    if not (Path("/etc/debian_version").exists() and shutil.which("apt-get")):
        return f"no {' and '.join(wanted)} on PATH; {how}"
    if os.geteuid() != 0:
        return f"only root may install a browser; {how}"
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        session.run_install(
            "apt-get", *words, env=environment, external=True, success_codes=range(256)
        )
    found = all(map(shutil.which, wanted))
    return "" if found else f"apt-get brought no {' and '.join(wanted)}"


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format, checked with ruff."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types of all packages and examples, checked with mypy --strict."""
    install(session, *editable(), "mypy", "types-PyYAML")
    session.run(
        "mypy", "--strict", *(str(path.parent / "src") for path in [*PYPROJECTS, *EXAMPLES])
    )


@nox.session
def build(session: nox.Session) -> None:
    """Wheels and source archives of every package and example in dist/, with a look inside."""
    install(session, "build[uv]")
    for stale in Path("dist").glob("mlzoo_*"):
        stale.unlink()
    environment = {**uv_settings(), "UV_CONSTRAINT": str(CONSTRAINTS.resolve())}
    for path in [*PYPROJECTS, *EXAMPLES]:
        command = ("--installer", "uv", "--outdir", "dist", str(path.parent))
        session.run("python", "-m", "build", *command, env=environment)
        check_wheel(session, path.parent.name.removeprefix("mlzoo-"))


def wheel(package: str) -> Path:
    """The one wheel of a package in dist/."""
    (found,) = Path("dist").glob(f"mlzoo_{package}-*.whl")
    return found


def check_wheel(session: nox.Session, package: str) -> None:
    """A wheel tells that it is typed, carries the licence and all files, and leaves the tests at home."""
    name = "mlzoo" if package == "core" else f"mlzoo_{package}"
    files = zipfile.ZipFile(wheel(package)).namelist()
    if f"{name}/py.typed" not in files:
        session.error(f"{wheel(package)} lacks {name}/py.typed")
    page = {f"mlzoo/report/page/{file}" for file in ("assets/page.css", "templates/page.html")}
    if package == "core" and not page <= set(files):
        session.error(f"{wheel(package)} lacks parts of the report's page")
    if not any(file.endswith(".dist-info/licenses/LICENSE") for file in files):
        session.error(f"{wheel(package)} lacks LICENSE")
    own = (f"{name}/", f"mlzoo_{package}-")
    if strangers := [file for file in files if not file.startswith(own) or "/tests/" in file]:
        session.error(f"{wheel(package)} holds what does not belong there: {strangers[:3]}")


@nox.session(reuse_venv=False, requires=["build"])
@nox.parametrize("paper", PAPERS, ids=PAPERS)
def alone(session: nox.Session, paper: str) -> None:
    """The wheels of the core and one paper, without the other papers: list, smoke run, tests."""
    # Wheels by path: by name, an index could offer a newer one of somebody else's.
    install(session, str(wheel("core")), str(wheel(paper)), *TEST_TOOLS)
    listed = session.run("mlzoo", "list", "plugins", "--json", silent=True)
    if (found := [name for name in PAPERS if f"mlzoo-{name}" in str(listed)]) != [paper]:
        session.error(f"mlzoo list shows {found}, expected only {paper}:\n{listed}")
    session.run("mlzoo", "run", paper, "--preset", "smoke", "--out", session.create_tmp())
    session.run("pytest", *WORKERS, f"tests/{paper}", env=ONE_THREAD)


@nox.session
def bench(session: nox.Session) -> None:
    """Every benchmark, into benchmarks/results/ and the table of its README; -- --quick only tries."""
    install(session, *editable())
    session.run("python", "benchmarks/_all.py", *session.posargs)


@nox.session
def notebook(session: nox.Session) -> None:
    """The notebooks from scratch, compared with their committed outputs; -- --write updates those."""
    install(session, *editable(), "ipykernel", "nbclient", "nbformat")
    session.run("python", "docs/notebooks/execute.py", *session.posargs, env=KEEP_MEMORY)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as web pages; a warning is an error."""
    install(session, "sphinx", "myst-parser", "furo")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "docs", "docs/_build/html")
    session.log("start page: docs/_build/html/index.html")
