"""Celery workers and beat as real processes."""

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

#: As in ``celery_host``, whose import would create its application.
HOST_CONFIG = "TEST_HOST_CONFIG"

T = TypeVar("T")
TESTS = Path(__file__).resolve().parents[2]


def wait_for(
    look: Callable[[], T | None], *, seconds: float = 30.0, what: str = "the condition"
) -> T:
    """Call *look* until it returns a true value, and return that."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"timed out after {seconds:g} s waiting for {what}"
        time.sleep(0.05)
    return found


class CeleryProcesses:
    """Celery processes of one host; ``stop`` ends all of them."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        application: str = "services.servers.celery_host:celery",
    ) -> None:
        self._folder = folder
        self._application = application
        self._environment = {
            **os.environ,
            HOST_CONFIG: json.dumps(config),
            "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
            # Celery warns about running as root, as containers and CI do.
            "C_FORCE_ROOT": "1",
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``celery *arguments*`` in its own process group."""
        with self.log(name).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", self._application, *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[name] = process
        return process

    def worker(self, name: str, queue: str | None, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker, without *queue* one of the default queues, and wait until it is ready."""
        selected = () if queue is None else ("-Q", queue)
        process = self.start(
            name, "worker", *selected, "-n", f"{name}@%h", "-l", "INFO", *arguments
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
        """Return the file with a process's output."""
        return self._folder / f"{name}.log"

    def text(self, name: str) -> str:
        """Return a process's output so far."""
        return self.log(name).read_text(errors="replace")

    def stop(self) -> None:
        """End all processes and their children."""
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
