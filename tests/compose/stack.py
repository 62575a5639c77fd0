"""Start, inspect and remove a compose stack from tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import yaml

ROOT = Path(__file__).parents[2]
#: Services that keep running.
SERVICES = ("db", "mq", "web", "beat", "worker", "flower")
PREPARATIONS = ("settings", "migrate")
#: Variables of dockr/.env that are files in production.
SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD", "RABBITMQ_PASSWORD")
#: The first docker compose that supports !override.
_PRODUCTION_SINCE = (2, 24)
#: Timeouts in seconds: for a service to become healthy, and for everything else.
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Version:
    """A docker-compose on this machine."""

    name: str
    command: tuple[str, ...]
    numbers: tuple[int, ...] = ()

    @property
    def is_for_production(self) -> bool:
        """Return whether it supports docker-compose.production.yml."""
        return self.numbers >= _PRODUCTION_SINCE


def installed_versions() -> list[Version]:
    """Return docker-compose 1.29 and docker compose v2, if installed."""
    candidates = (Version("v1", ("docker-compose",)), Version("v2", ("docker", "compose")))
    found: dict[tuple[int, ...], Version] = {}
    for version in candidates:
        if shutil.which(version.command[0]) is None:
            continue
        shown = subprocess.run(
            [*version.command, "version", "--short"], capture_output=True, text=True, check=False
        )
        if shown.returncode == 0:
            # If only v2 is installed, docker-compose is often an alias of it.
            numbers = tuple(map(int, re.findall(r"\d+", shown.stdout)))
            found.setdefault(numbers, replace(version, numbers=numbers))
    return list(found.values())


def copy_sources(folder: Path) -> Path:
    """Copy the stack's sources to *folder*, where tests may edit them."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*_cache", "build", "dist")
    for name in ("packages", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / ".dockerignore", folder)
    # Containers read them as another user, so the umask mustn't restrict them.
    for path in folder.rglob("*"):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))
    return folder


class Stack:
    """A docker-compose project that is removed at the end of ``with Stack(...) as stack:``."""

    services = SERVICES

    def __init__(
        self, version: Version, folder: Path, *, project: str, files: Sequence[str] = ()
    ) -> None:
        """Prepare.

        Args:
            files: Compose files; by default docker-compose.yml.
        """
        self.version = version
        self.folder = folder
        self.project = project
        self._files = [part for file in files for part in ("-f", file)]
        self._deploy = folder / "deploy"

    def __enter__(self) -> Self:
        self.take_down()  # what an interrupted run has left
        return self

    def __exit__(self, *_: object) -> None:
        self.take_down()

    @property
    def settings(self) -> dict[str, str]:
        """The variables of dockr/.env, unquoted."""
        lines = (self._deploy / "dockr" / ".env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
        return {name: value.strip("'") for name, value in pairs}

    @property
    def has_long_schedule(self) -> bool:
        """Whether the next slot is too far away for tests to wait for it."""
        return float(self.settings["GENERATE_RANDOM_NUMBER_TASKS_SCHEDULE"]) > 30

    @property
    def has_known_secrets(self) -> bool:
        """Whether passwords equal usernames, which occur in outputs."""
        return self.settings["RABBITMQ_PASSWORD"] == self.settings["RABBITMQ_USERNAME"]

    def write_settings(self, changes: dict[str, str]) -> None:
        """Write dockr/.env: the example, with *changes*."""
        text = (self._deploy / "dockr" / ".env.example").read_text()
        for name, value in changes.items():
            line = f"{name}={value}"
            # A function, because backslashes in a replacement string are escapes.
            text, count = re.subn(rf"(?m)^{name}=.*$", partial(_constant, line), text)
            text += "" if count else f"{line}\n"
        (self._deploy / "dockr" / ".env").write_text(text)

    def add_setting(self, line: str) -> None:
        """Append a line to dockr/.env."""
        with (self._deploy / "dockr" / ".env").open("a") as file:
            file.write(f"{line}\n")

    def move_secrets_into_files(self) -> None:
        """Move the secrets to files, as docker-compose.production.yml expects."""
        settings, folder = self.settings, self._deploy / "dockr" / "secrets"
        folder.mkdir()
        lines = (self._deploy / "dockr" / ".env").read_text().splitlines(keepends=True)
        left = [line for line in lines if not line.startswith(SECRETS)]
        (self._deploy / "dockr" / ".env").write_text("".join(left))
        for name in SECRETS:
            (folder / name).write_text(f"{settings[name]}\n")
            (folder / name).chmod(0o600)
            os.chown(folder / name, 1000, 1000)

    def python(self, service: str, program: str, *arguments: str) -> str:
        """Run a script in a service's container and return its output."""
        return self.run("exec", "-T", service, "python", "-c", program, *arguments)

    def run(self, *arguments: str) -> str:
        """Run docker-compose and return its output; raise an error if it fails."""
        done = subprocess.run(
            [*self.version.command, *self._files, "-p", self.project, *arguments],
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
        """Build the image, which all services share."""
        self.run("build", "migrate")

    def take_down(self) -> None:
        """Remove everything, including the data."""
        if not (self._deploy / "dockr" / ".env").exists():
            self.write_settings({})
        self.run("down", "-v", "--remove-orphans", "-t", "10")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace one occurrence of *old* by *new* in a source."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new))

    def inspect(self, service: str) -> dict[str, Any]:
        """Return Docker's description of the container of *service*."""
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{key}={labels[key]}" for key in labels]
        ids = _docker("ps", "--all", "--quiet", *filters).split()
        assert len(ids) == 1, f"{service} has the containers {ids}"
        found: dict[str, Any] = json.loads(_docker("inspect", ids[0]))[0]
        return found

    def logs(self, *services: str) -> str:
        """Return the logs of *services*, or of all."""
        return self.run("logs", "--no-color", *services)

    def kill(self, service: str, *words: str) -> None:
        """Kill the first process of *service* whose command line contains all *words*.

        From inside the container, because `docker kill` disables the restart policy.
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
        """Return how often Docker has restarted the container of *service*."""
        return int(self.inspect(service)["RestartCount"])

    def is_healthy(self, service: str) -> bool:
        """Return whether the container runs and is healthy."""
        state = self.inspect(service)["State"]
        return bool(state["Running"] and state["Health"]["Status"] == "healthy")

    def wait_until_healthy(self, *services: str) -> None:
        """Wait until *services* are healthy."""
        for service in services:
            try:
                wait_until(partial(self.is_healthy, service), f"{service} is healthy")
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.logs(service)[-5000:]}") from None

    def leftovers(self) -> list[str]:
        """Return the project's containers, volumes and networks."""
        label = f"label=com.docker.compose.project={self.project}"
        kinds = {"container": ["--all"], "volume": [], "network": []}
        return [
            f"{kind} {name}"
            for kind, options in kinds.items()
            for name in _docker(kind, "ls", "-q", *options, "--filter", label).split()
        ]

    def services_in_file(self) -> set[str]:
        """Return the service names in docker-compose.yml."""
        return set(yaml.safe_load((self._deploy / "docker-compose.yml").read_text())["services"])


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for *condition*, checking it twice a second.

    Raises:
        AssertionError: On timeout.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"Not within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.5)


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def _constant(value: str, _match: re.Match[str]) -> str:
    return value
