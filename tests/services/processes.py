"""Real processes: Celery workers and beat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

#: As in ``celery_host``, which can't be imported here: that makes its application.
HOST_CONFIG = "TEST_HOST_CONFIG"

T = TypeVar("T")
TESTS = Path(__file__).resolve().parent.parent


def wait_for(
    look: Callable[[], T | None], *, seconds: float = 30.0, what: str = "the condition"
) -> T:
    """Call *look* until it returns something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} didn't come about within {seconds:g} s"
        time.sleep(0.05)
    return found


class CeleryProcesses:
    """Celery processes of one host; all of them are ended by ``stop``."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            HOST_CONFIG: json.dumps(config),
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            # Celery warns that root shouldn't run a worker; containers and CI do.
            "C_FORCE_ROOT": "1",
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``celery *arguments*`` in a process group of its own."""
        with self.log(name).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "services.celery_host:celery", *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[name] = process
        return process

    def worker(self, name: str, queue: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it is ready."""
        process = self.start(
            name, "worker", "-Q", queue, "-n", f"{name}@%h", "-l", "INFO", *arguments
        )
        wait_for(
            lambda: f"{name}@" in self.text(name) and " ready." in self.text(name),
            what=f"worker {name}",
        )
        return process

    def beat(self) -> subprocess.Popen[bytes]:
        """Start beat."""
        return self.start("beat", "beat", "-s", str(self._folder / "beat"), "-l", "INFO")

    def log(self, name: str) -> Path:
        """File that holds what a process printed."""
        return self._folder / f"{name}.log"

    def text(self, name: str) -> str:
        """What a process printed so far."""
        return self.log(name).read_text(errors="replace")

    def stop(self) -> None:
        """End every process with all its children."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 15
        for process in self._running.values():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
