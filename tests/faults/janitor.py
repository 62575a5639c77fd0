"""Ends and removes what the suite has left behind, even if somebody kills the suite itself.

A process of its own, which reads from the suite: at the end of that, however it came, it kills
what carries the suite's mark in its environment, and removes the suite's folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

#: Set for everything that the suite starts, and for nothing else.
MARK = "FAULTS_SUITE"


def employ() -> None:
    """Start the janitor, and make its folder the one for temporary files."""
    os.environ[MARK] = uuid.uuid4().hex
    folder = tempfile.mkdtemp(prefix="taskadmin-faults-")
    # As root, PostgreSQL runs as somebody else, who must be able to enter it.
    Path(folder).chmod(0o755)
    tempfile.tempdir = folder
    environment = {key: value for key, value in os.environ.items() if key != MARK}
    # Its standard input is a pipe that ends with the suite; it isn't closed before that.
    subprocess.Popen(
        [sys.executable, __file__, os.environ[MARK], folder],
        stdin=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
    )


def _marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if f"{MARK}={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _main(mark: str, folder: str) -> None:
    sys.stdin.buffer.read()
    deadline = time.monotonic() + 10
    while (left := _marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
