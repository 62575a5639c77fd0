"""Remove the suite's processes and files after it ends, even if it is killed.

This is a separate process that reads from a pipe. When the suite ends, which closes the pipe, it
kills processes with the suite's mark in their environment, and removes the suite's folder.
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

#: Set for all processes that the suite starts.
MARK = "FAULTS_SUITE"


def employ() -> None:
    """Start the janitor, and use its folder for temporary files."""
    os.environ[MARK] = uuid.uuid4().hex
    folder = tempfile.mkdtemp(prefix="taskadmin-faults-")
    # PostgreSQL must be able to enter it; if this process is root, it runs as another user.
    Path(folder).chmod(0o755)
    tempfile.tempdir = folder
    environment = {key: value for key, value in os.environ.items() if key != MARK}
    # Its standard input is a pipe that stays open until the suite ends.
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


def _unmount_below(folder: str) -> None:
    for line in Path("/proc/mounts").read_text().splitlines():
        if (place := line.split()[1]).startswith(folder + os.sep):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)


def _main(mark: str, folder: str) -> None:
    sys.stdin.buffer.read()
    deadline = time.monotonic() + 10
    while (left := _marked(mark)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    _unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
