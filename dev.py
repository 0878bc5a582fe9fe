#!/usr/bin/env python3
"""Run the project's sessions with nothing but Python and git.

    python3 dev.py                      list the sessions
    python3 dev.py demo                 run one, here the demo
    python3 dev.py tests -- -k layer    pass what follows the two dashes on to the session's tool

The first call makes .nox/_dev, a virtual environment with nox and uv; every session has one of its
own beside it, and nothing is installed anywhere else. To start afresh, delete the folder .nox.
"""

# Standard library only, and no syntax newer than Python 3.6: an old Python must reach the message
# that says so.
import hashlib
import os
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
CONSTRAINTS = ROOT / "constraints.txt"
ENVIRONMENT = ROOT / ".nox" / "_dev"
LOG = ROOT / ".nox" / "dev.log"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
READY = ENVIRONMENT / "ready"  # written last, holds the stamp of what is installed


class SetupError(Exception):
    """The set-up cannot go on; the message is one line for the user."""


def stamp() -> str:
    """What the environment was made from: it is made again when any of this changes."""
    parts = [sys.version, sys.base_prefix, CONSTRAINTS.read_text(encoding="utf-8")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def succeeds(*command: object) -> bool:
    """Run a command quietly; what it says goes to the log."""
    with LOG.open("a", encoding="utf-8") as log:
        print("$", *command, file=log, flush=True)
        # A user-wide "pip install --user" setting does not go with an environment.
        return not subprocess.call(
            [str(part) for part in command],
            env=dict(os.environ, PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def make_environment() -> None:
    """Make .nox/_dev anew; an interrupted attempt leaves no READY file and is cleared next time."""
    LOG.parent.mkdir(exist_ok=True)
    READY.unlink(missing_ok=True)
    LOG.write_text("", encoding="utf-8")
    wanted = ["-c", CONSTRAINTS, "nox", "uv"]
    venv = [sys.executable, "-m", "venv", "--clear", ENVIRONMENT]
    outer_pip = [sys.executable, "-m", "pip", "--python", PYTHON]
    if succeeds(*venv):
        pip = [PYTHON, "-m", "pip"]
    elif succeeds(*venv, "--without-pip") and succeeds(*outer_pip, "--version"):
        # Debian splits ensurepip off; the system's pip can still fill an environment from outside.
        pip = outer_pip
        wanted.append("pip")
    else:
        raise SetupError(
            "this Python cannot make virtual environments; on Debian and Ubuntu install them with "
            "'sudo apt install python3-venv' (details: {})".format(LOG.relative_to(ROOT))
        )
    if not succeeds(*pip, "install", *wanted):
        log = LOG.read_text(encoding="utf-8")
        if "Retrying (" in log:
            reason = "the package index cannot be reached; check the network or pip's proxy"
        else:
            errors = [line for line in log.splitlines() if line.startswith("ERROR")]
            reason = "pip could not install nox and uv: {}".format(*errors[-1:] or ["no message"])
        raise SetupError("{} (details: {})".format(reason, LOG.relative_to(ROOT)))
    READY.write_text(stamp(), encoding="utf-8")


def main(arguments: "list[str]") -> int:
    if sys.version_info < OLDEST:
        raise SetupError(
            "Python {}.{} or newer is needed, this is {}.{}; call dev.py with a newer one".format(
                *OLDEST, *sys.version_info[:2]
            )
        )
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if not (PYTHON.exists() and READY.is_file() and READY.read_text() == stamp()):
        print("dev.py: setting up .nox/_dev (once, under a minute)", file=sys.stderr)
        make_environment()
    command = [str(PYTHON), "-m", "nox", "--noxfile", str(ROOT / "noxfile.py")]
    if not arguments:
        command.append("--list")
    elif arguments[0].startswith("-"):
        command += arguments
    else:
        command += ["--session", *arguments]
    if os.name != "nt":
        os.execv(command[0], command)  # so that Ctrl-C reaches nox alone
    return subprocess.call(command)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (SetupError, OSError) as error:
        sys.exit("dev.py: {}".format(error))
    except KeyboardInterrupt:
        sys.exit("dev.py: interrupted; the next call starts the set-up again")
