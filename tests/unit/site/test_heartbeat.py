"""Heartbeat files of worker and beat."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from taskadmin_site import heartbeat

#: The health check of docker-compose.yml; without a file, the process counts as dead.
CHECK = "find {} -newermt {} | grep -q ."


def _is_alive(path: Path, moment: str = "now") -> bool:
    command = CHECK.format(path, moment)
    return subprocess.run(command, shell=True, check=False).returncode == 0  # noqa: S602


def test_process_counts_as_alive_until_then(tmp_path: Path) -> None:
    """The file's time is the given number of seconds ahead."""
    path = tmp_path / "alive"

    heartbeat.write(path, 60)

    assert 58 < path.stat().st_mtime - time.time() <= 60
    assert _is_alive(path)
    assert not _is_alive(path, "'61 seconds'")


def test_process_without_a_sign_is_dead(tmp_path: Path) -> None:
    """A process that hasn't started has no file."""
    assert not _is_alive(tmp_path / "alive")


def test_sign_of_long_ago_is_dead(tmp_path: Path) -> None:
    """A process counts as dead once its file's time has passed."""
    path = tmp_path / "alive"

    heartbeat.write(path, -1)

    assert not _is_alive(path)
