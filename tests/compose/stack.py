"""A compose stack of its own: started, looked at and taken down from tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import yaml

ROOT = Path(__file__).parents[2]
#: What runs; migrate has ended by then.
SERVICES = ("db", "mq", "web", "beat", "worker", "flower")
#: Seconds that a service may take to become healthy, and anything else to happen.
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Version:
    """A docker-compose of this machine."""

    name: str
    command: tuple[str, ...]


def installed_versions() -> list[Version]:
    """docker-compose 1.29 and docker compose v2, as far as they are here."""
    candidates = (Version("v1", ("docker-compose",)), Version("v2", ("docker", "compose")))
    found: dict[str, Version] = {}
    for version in candidates:
        if shutil.which(version.command[0]) is None:
            continue
        shown = subprocess.run(
            [*version.command, "version", "--short"], capture_output=True, text=True, check=False
        )
        if shown.returncode == 0:
            # Where only v2 is installed, docker-compose is often another name of it.
            found.setdefault(shown.stdout.strip().lstrip("v"), version)
    return list(found.values())


def copy_sources(folder: Path) -> Path:
    """Copy what the stack is made of into *folder*, where tests may edit it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache", "build", "dist")
    for name in ("packages", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / ".dockerignore", folder)
    # Containers read them as another user, whatever this one's umask is.
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
    return folder


class Stack:
    """One project of docker-compose. ``with Stack(...) as stack:`` leaves nothing behind."""

    services = SERVICES

    def __init__(self, version: Version, folder: Path, *, project: str) -> None:
        self.version = version
        self.folder = folder
        self.project = project
        self._deploy = folder / "deploy"

    def __enter__(self) -> Self:
        self.take_down()  # what an interrupted run has left
        return self

    def __exit__(self, *_: object) -> None:
        self.take_down()

    @property
    def settings(self) -> dict[str, str]:
        """What dockr/.env says, without the quotes."""
        lines = (self._deploy / "dockr" / ".env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
        return {name: value.strip("'") for name, value in pairs}

    @property
    def has_long_schedule(self) -> bool:
        """Whether the next slot is too far away to wait for it."""
        return float(self.settings["GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE"]) > 30

    def write_settings(self, changes: dict[str, str]) -> None:
        """Make dockr/.env: the example as it stands, or with *changes*."""
        text = (self._deploy / "dockr" / ".env.example").read_text()
        for name, value in changes.items():
            line = f"{name}={value}"
            # A function, as text would have its backslashes read.
            text, count = re.subn(rf"(?m)^{name}=.*$", partial(_constant, line), text)
            text += "" if count else f"{line}\n"
        (self._deploy / "dockr" / ".env").write_text(text)

    def run(self, *arguments: str) -> str:
        """Run docker-compose and return what it writes; anything but success is an error."""
        done = subprocess.run(
            [*self.version.command, "-p", self.project, *arguments],
            cwd=self._deploy,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode != 0:
            raise AssertionError(
                f"{' '.join([*self.version.command, *arguments])} ended with {done.returncode}:\n"
                f"{done.stdout}\n{done.stderr}"
            )
        return done.stdout

    def build(self) -> None:
        """Build the image; one service is enough, since all share it."""
        self.run("build", "migrate")

    def take_down(self) -> None:
        """Stop and remove everything, data included."""
        if not (self._deploy / "dockr" / ".env").exists():
            self.write_settings({})
        self.run("down", "-v", "--remove-orphans", "-t", "10")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace *old* by *new* in a source, once."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))

    def inspect(self, service: str) -> dict[str, Any]:
        """Docker's description of the container of *service*."""
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{key}={labels[key]}" for key in labels]
        ids = _docker("ps", "--all", "--quiet", *filters).split()
        assert len(ids) == 1, f"{service} has the containers {ids}"
        found: dict[str, Any] = json.loads(_docker("inspect", ids[0]))[0]
        return found

    def logs(self, *services: str) -> str:
        """Everything that *services*, or all, have written."""
        return self.run("logs", "--no-color", *services)

    def kill(self, service: str, *words: str) -> None:
        """Kill the first process of *service* whose command line has all *words* as its parts.

        From inside: after `docker kill` no restart policy applies.
        """
        program = f"""
import os, pathlib
for folder in sorted(pathlib.Path("/proc").glob("[0-9]*"), key=lambda found: int(found.name)):
    parts = [pathlib.PurePath(part).name for part in (folder / "cmdline").read_text().split("\\0")]
    if set({words!r}) <= set(parts[:10]) and "reload.py" not in parts and parts[0] != "docker-init":
        os.kill(int(folder.name), 9)
        break
else:
    raise SystemExit("no such process")
"""
        self.run("exec", "-T", service, "python", "-c", program)

    def restarts(self, service: str) -> int:
        """How often Docker has started the container of *service* again."""
        return int(self.inspect(service)["RestartCount"])

    def is_healthy(self, service: str) -> bool:
        """Whether the container runs and its health check says so."""
        state = self.inspect(service)["State"]
        return bool(state["Running"] and state["Health"]["Status"] == "healthy")

    def wait_until_healthy(self, *services: str) -> None:
        """Wait for the health checks of *services*."""
        for service in services:
            try:
                wait_until(partial(self.is_healthy, service), f"{service} is healthy")
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.logs(service)[-5000:]}") from None

    def leftovers(self) -> list[str]:
        """Containers, volumes and networks of this project."""
        label = f"label=com.docker.compose.project={self.project}"
        kinds = {"container": ["--all"], "volume": [], "network": []}
        return [
            f"{kind} {name}"
            for kind, options in kinds.items()
            for name in _docker(kind, "ls", "-q", *options, "--filter", label).split()
        ]

    def services_in_file(self) -> set[str]:
        """The names in docker-compose.yml."""
        return set(yaml.safe_load((self._deploy / "docker-compose.yml").read_text())["services"])


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for *condition*, asking twice a second.

    Raises:
        AssertionError: If it doesn't hold in time.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"Not within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.5)


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def _constant(value: str, _match: re.Match[str]) -> str:
    return value
