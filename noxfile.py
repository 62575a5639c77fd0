# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2024.10.9"]
# ///
"""Everything that is run on this repository: ``nox -l`` lists it.

Each session makes its own environment, once; ``pip install nox`` is all that is needed.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "typing", "wheel"]

ROOT = Path(__file__).parent
PACKAGE = ROOT / "packages" / "taskadmin"
SITE = ROOT / "deploy"
PROJECT_FILES = [ROOT / "pyproject.toml", PACKAGE / "pyproject.toml", SITE / "pyproject.toml"]


def _group(name: str) -> list[str]:
    """What the root's pyproject.toml lists under [dependency-groups]."""
    project = nox.project.load_toml(ROOT / "pyproject.toml")
    return [*nox.project.dependency_groups(project, name)]


def _install(session: nox.Session, *groups: str, code: bool = True) -> None:
    """Install package and site from their folders, and *groups*, unless nothing changed since.

    Asking the installer each time would cost seconds of every start.
    """
    wanted = [requirement for group in groups for requirement in _group(group)]
    if code:
        wanted += ["-e", f"{PACKAGE}[postgresql]", "-e", str(SITE)]
    state = hashlib.sha256(repr(wanted).encode())
    for file in PROJECT_FILES:
        state.update(file.read_bytes())
    stamp = Path(session.virtualenv.location) / "installed"
    if stamp.exists() and stamp.read_text() == state.hexdigest():
        return
    session.install(*wanted)
    stamp.write_text(state.hexdigest())


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments go to pytest: ``nox -s tests -- tests/unit -k usernames``."""
    _install(session, "tests")
    # All of them in as many processes as there are processors; what is named, in this one.
    session.run("pytest", *(session.posargs or ("-n", "auto", "--dist", "loadgroup")))


@nox.session
def faults(session: nox.Session) -> None:
    """Break real processes and count what is lost and doubled: ``nox -s faults -- --list``."""
    _install(session, "tests")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Ctrl-C: it ends servers and processes of its own, which takes longer than nox waits.
    session.run(
        "python",
        "tests/faults/run.py",
        *session.posargs,
        interrupt_timeout=60,
        terminate_timeout=60,
    )


@nox.session
def bench(session: nox.Session) -> None:
    """Measure taskadmin beside others: ``nox -s bench``, ``nox -s bench -- --quick``."""
    _install(session, "tests", "bench")
    # Each at its own versions of what they share with taskadmin.
    peers = Path(session.create_tmp()).resolve() / "peers"
    python = peers / "bin" / "python"
    if not python.exists():
        session.run("python", "-m", "venv", str(peers))
        session.run(str(python), "-m", "pip", "install", "-q", *_group("peers"), external=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    session.run(
        "python",
        "tests/bench/run.py",
        *session.posargs,
        env={"BENCH_PEERS_PYTHON": str(python)},
        interrupt_timeout=30,
        terminate_timeout=30,
    )


@nox.session
def demo(session: nox.Session) -> None:
    """Run the whole system without any server: ``nox -s demo``, ``nox -s demo -- --once``."""
    _install(session)
    # A nox that is told to end stops the demo as Ctrl-C does, instead of leaving it behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Without the limits nox kills the demo half a second after Ctrl-C; it needs about four
    # seconds to finish what its worker is at.
    session.run(
        "python",
        "-m",
        "taskadmin_site.demo",
        *session.posargs,
        interrupt_timeout=10,
        terminate_timeout=15,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, and who imports whom."""
    _install(session, "lint", code=False)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    # Read from the sources: nothing of the package is installed or imported.
    # No cache: it isn't renewed when a module that is imported comes or goes.
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": str(PACKAGE / "src")})


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types."""
    _install(session, "tests", "typing")
    session.run("mypy", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel, install the wheel into an empty environment and use it there."""
    session.install("build")
    work = Path(session.create_tmp()).resolve()
    shutil.rmtree(work)
    # The wheel is built from the sdist, so both are complete if it is.
    session.run("python", "-m", "build", str(PACKAGE), "--outdir", str(work / "dist"), silent=True)
    (built,) = (work / "dist").glob("*.whl")
    session.run("python", "-m", "venv", str(work / "empty"))
    folder = "Scripts" if sys.platform == "win32" else "bin"
    python = str(work / "empty" / folder / "python")
    session.run(python, "-m", "pip", "install", str(built), external=True, silent=True)
    session.run(python, "-m", "pip", "check", external=True)
    # From outside the repository and isolated: the wheel is all there is.
    shutil.copy(ROOT / "tests" / "wheel" / "use_wheel.py", work)
    with session.chdir(work):
        session.run(python, "-I", "use_wheel.py", external=True)


@nox.session
def e2e(session: nox.Session) -> None:
    """Use the real site in a real browser: ``nox -s e2e -- --folder FOLDER`` keeps the pictures."""
    _install(session, "tests", "browser")
    session.run("pytest", "tests/e2e", *session.posargs)


@nox.session
def translations(session: nox.Session) -> None:
    """Bring the catalogues of texts up to date; ``-- --check`` only says whether they are."""
    _install(session)
    session.run("python", "tests/services/catalogues.py", *session.posargs)


@nox.session
def compose(session: nox.Session) -> None:
    """Build the compose stack, run it for real, and take it down again."""
    _install(session, "tests")
    session.run("pytest", "tests/compose", *session.posargs)


if __name__ == "__main__":
    nox.main()
