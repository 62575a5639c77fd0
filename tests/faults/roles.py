"""The suite's Celery processes. Only they and their children are ever sent a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


class Role:
    """One ``celery`` process with its children, in a process group of its own."""

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._arguments = list(arguments)
        self._folder = folder
        self._environment = dict(environment)
        self.start()

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the process, again if it ran before; *environment* comes over the first one."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "faults.host:celery", *self._arguments],
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
        """Whether the first process of the group runs."""
        return self.process.poll() is None

    def ready(self) -> bool:
        """Whether this start of a worker has got as far as reading its queue."""
        return " ready." in self.text()[max(0, self._begun - 1) :]

    def text(self) -> str:
        """What it printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def members(self) -> list[int]:
        """Every living process of the group, without zombies."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    state, _, group, *_ = _after_name(entry)
                    if int(group) == self.pid and state != "Z" and self._ours(entry):
                        found.append(int(entry.name))
        return found

    def _ours(self, entry: Path) -> bool:
        """Whether a process has our environment: a number may be a stranger's by now."""
        return os.fsencode(self._folder) in (entry / "environ").read_bytes()

    def children(self) -> list[int]:
        """The pool's processes."""
        return [pid for pid in self.members() if pid != self.pid]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the first process only."""
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
        """Kill -9 the first process, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.process.wait(10)

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if it still runs after *seconds*."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def _after_name(entry: Path) -> list[str]:
    """The fields of ``/proc/PID/stat`` behind the program's name: state, parent, group, …"""
    return (entry / "stat").read_text().rpartition(")")[2].split()


def end(roles: Sequence[Role], *, seconds: float) -> list[str]:
    """Ask every process to end, kill what is left after *seconds*, return the names of those."""
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
