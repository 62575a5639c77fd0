"""The suite's processes. Only they and their children receive signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]


class Role:
    """A Python program with its children, in its own process group."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        python: str = sys.executable,
    ) -> None:
        self.name = name
        #: The interpreter of the next start.
        self.python = python
        self.log = folder / f"{name}.log"
        self._arguments = list(arguments)
        self._folder = folder
        self._environment = dict(environment)
        self.start()

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start or restart the process; *environment* overrides the initial one."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [self.python, "-m", *self._arguments],
                cwd=self._folder,
                env={**self._environment, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._begun = self.log.stat().st_size

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        """Whether the main process runs."""
        return self.process.poll() is None

    def ready(self) -> bool:
        """Whether this start of a worker already reads its queue."""
        return " ready." in self.text()[max(0, self._begun - 1) :]

    def text(self) -> str:
        """Return its output so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def members(self) -> list[int]:
        """Return the group's living processes, without zombies."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    state, _, group, *_ = _after_name(entry)
                    if int(group) == self.pid and state != "Z" and self._ours(entry):
                        found.append(int(entry.name))
        return found

    def _ours(self, entry: Path) -> bool:
        """Return whether a process has our environment; its id may have been reused."""
        return os.fsencode(self._folder) in (entry / "environ").read_bytes()

    def children(self) -> list[int]:
        """Return the pool processes."""
        return [pid for pid in self.members() if pid != self.pid]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the main process only."""
        if self.alive():
            self.process.send_signal(number)

    def send_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGKILL:
            self.process.wait(10)

    def kill(self) -> None:
        """Kill -9 the main process, and wait until it has ended."""
        self.send(signal.SIGKILL)
        self.process.wait(10)

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, or None if it still runs after *seconds*."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def _after_name(entry: Path) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` after the program's name: state, parent, group, …"""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def end(roles: Sequence[Role], *, seconds: float) -> list[str]:
    """Terminate all processes, kill the rest after *seconds*, and return the killed ones' names."""
    for role in roles:
        role.send_group(signal.SIGCONT)
        role.send(signal.SIGTERM)
    deadline = time.monotonic() + seconds
    late = [
        role.name for role in roles if role.wait(max(0.05, deadline - time.monotonic())) is None
    ]
    for role in roles:
        role.send_group(signal.SIGKILL)
    return late
