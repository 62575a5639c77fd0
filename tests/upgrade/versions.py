"""Earlier versions of the package, built from their commits, each in its own environment."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "packages/taskadmin"


class Missing(Exception):
    """A version can't be built here."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version, and the Python of an environment in which it is installed."""

    name: str
    python: str


#: The version in the working tree.
CURRENT = Version("current", sys.executable)
#: Commits to upgrade from, the newest first, with their reasons.
EARLIER = {
    # Revision 0009: before workers of the host were left alone, before runs shared messages, and before sessions were rows.
    "2601ead": "2601eadcf6b6683245a76f5b1f88de09b7faf3a8",
}


def _sources(commit: str) -> bytes:
    done = subprocess.run(["git", "archive", commit, PACKAGE], cwd=ROOT, capture_output=True)
    if done.returncode:
        raise Missing(
            f"Commit {commit} isn't in this clone ({done.stderr.decode().strip()}). Fetch the"
            " history with `git fetch --unshallow`, or in a workflow with `fetch-depth: 0`."
        )
    return done.stdout


def build(commit: str, environments: Path) -> Version:
    """Install the package of a commit into an environment below *environments*, once."""
    name = next((short for short, full in EARLIER.items() if full == commit), commit)
    environment = environments / commit
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    stamp = environment / "installed"
    if not stamp.exists():
        shutil.rmtree(environment, ignore_errors=True)
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(_sources(commit))) as tar:
                tar.extractall(folder, filter="data")
            _run("uv", "venv", "-q", "--python", sys.executable, str(environment))
            package = f"taskadmin[postgresql] @ {(Path(folder) / PACKAGE).as_uri()}"
            options = ("-q", "--compile-bytecode", "--python", str(python))
            _run("uv", "pip", "install", *options, package, "gunicorn")
        stamp.touch()
    return Version(name, str(python))


def _run(*command: str) -> None:
    # A PYTHONPATH with today's sources would hide the earlier ones from the build.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
