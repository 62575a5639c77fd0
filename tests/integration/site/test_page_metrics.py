"""The image's gunicorn: any of its processes reports the pages of all."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sqlalchemy import URL

from e2e.running_site import environment
from services.servers.postgresql import free_port
from services.servers.processes import TESTS, wait_for

pytestmark = pytest.mark.databases("postgresql")
TOKEN = "what Prometheus sends"
CONFIG = TESTS.parent / "deploy" / "dockr" / "processes" / "gunicorn.conf.py"


@pytest.fixture
def address(tmp_path: Path, database_url: URL, broker_url: str) -> Iterator[str]:
    """The address of the site with two processes."""
    variables = environment(database_url, broker_url, interval_seconds=86_400)
    bind = f"127.0.0.1:{free_port()}"
    with (tmp_path / "gunicorn.log").open("wb") as output:
        gunicorn = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", str(CONFIG), "--bind", bind],
            env={**os.environ, **variables, "TASKADMIN_METRICS_TOKEN": TOKEN},
            cwd=tmp_path,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield f"http://{bind}/taskadmin"
    finally:
        gunicorn.terminate()
        gunicorn.wait(timeout=20)


def pages(address: str) -> float | None:
    """Return how many pages of accounts one process reports; None before it responds."""
    try:
        answer = requests.get(
            f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
        )
    except requests.ConnectionError:
        return None
    assert answer.status_code == 200
    found = re.search(r'^taskadmin_page_seconds_count{view="accounts"} (.*)', answer.text, re.M)
    return float(found[1]) if found else 0.0


def workers(folder: Path) -> list[int]:
    """Return the ids of the processes that gunicorn has started."""
    log = (folder / "gunicorn.log").read_text()
    return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", log)]


def test_pages_of_all_processes_are_counted(address: str, tmp_path: Path) -> None:
    """Whichever responds, also after one was killed."""
    wait_for(lambda: pages(address) is not None, what="gunicorn")
    for _ in range(12):  # without keeping the connection, so that both processes get some
        assert requests.get(f"{address}/login", timeout=10).status_code == 200

    assert {pages(address) for _ in range(6)} == {12.0}

    os.kill(workers(tmp_path)[0], signal.SIGKILL)
    wait_for(lambda: len(workers(tmp_path)) == 3, what="a new process")
    assert {pages(address) for _ in range(6)} == {12.0}
