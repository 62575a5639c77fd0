"""A real Prometheus: it reads the metrics, and an alert fires when beat is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.servers.postgresql import free_port
from services.servers.processes import HOST_CONFIG, TESTS, CeleryProcesses, wait_for

pytestmark = pytest.mark.databases("postgresql")
RULES = TESTS.parent / "deploy" / "monitoring" / "alerts.yml"
TOKEN = "what Prometheus sends"


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """A token, and a short lease, so that a killed beat is soon noticed."""
    return {
        "TASKADMIN_METRICS_TOKEN": TOKEN,
        "TASKADMIN_LEASE_SECONDS": 4,
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": 1,
    }


@contextmanager
def running(folder: Path, *command: str, **environment: str) -> Iterator[None]:
    """Run a program while the block runs."""
    with (folder / f"{Path(command[0]).name}.log").open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


@contextmanager
def prometheus(folder: Path, site: int) -> Iterator[str]:
    """Run a Prometheus that scrapes the site each second; yield its address."""
    program = shutil.which("prometheus")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("No prometheus: install Debian's package prometheus.")
        pytest.skip("No prometheus: install Debian's package prometheus.")
    # The same rules, with less patience.
    (folder / "alerts.yml").write_text(re.sub(r"for: \w+", "for: 1s", RULES.read_text()))
    (folder / "token").write_text(TOKEN)
    config = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (scrape,) = config["scrape_configs"]
    scrape["authorization"]["credentials_file"] = str(folder / "token")
    scrape["static_configs"] = [{"targets": [f"127.0.0.1:{site}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    options = (
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with running(folder, program, *options):
        yield f"http://127.0.0.1:{port}/api/v1"


def read(address: str) -> Any:
    """Return the data of a response of Prometheus; nothing while it starts."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return {}


def value(api: str, query: str) -> float | None:
    """Return the value of a query with one result."""
    found = read(f"{api}/query?{urllib.parse.urlencode({'query': query})}").get("result")
    return float(found[0]["value"][1]) if found else None


def firing(api: str) -> set[str]:
    """Return the names of the alerts that fire."""
    alerts = read(f"{api}/alerts").get("alerts", ())
    return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


def test_an_alert_fires_while_beat_is_dead(
    tmp_path: Path,
    host_config: dict[str, Any],
    more_settings: dict[str, Any],
    processes: CeleryProcesses,
) -> None:
    """Whichever of gunicorn's two processes responds, and it is resolved afterwards."""
    site = free_port()
    gunicorn = (
        *(sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", f"127.0.0.1:{site}"),
        *("--no-control-socket", "services.servers.celery_host:app"),
    )
    environment = {
        HOST_CONFIG: json.dumps(host_config | more_settings),
        "PYTHONPATH": str(TESTS),
    }
    processes.worker("all", "taskadmin.launch,taskadmin.runs", "-c", "1")
    beat = processes.beat()
    with running(tmp_path, *gunicorn, **environment), prometheus(tmp_path, site) as api:
        wait_for(lambda: value(api, 'taskadmin_processes{kind="beat"}'), what="beat's metric")
        assert value(api, "taskadmin_broker_up") == 1
        assert value(api, 'taskadmin_queue_consumers{queue="taskadmin.runs"}') == 1
        turn_age = value(api, "taskadmin_launcher_turn_age_seconds")
        assert turn_age is not None and turn_age < 60
        wait_for(lambda: not firing(api) & {"TaskadminBeatSilent"}, what="no alert")

        beat.kill()
        beat.wait()
        wait_for(lambda: "TaskadminBeatSilent" in firing(api), what="the alert")
        assert value(api, 'taskadmin_processes{kind="worker"}') == 1

        processes.beat()
        wait_for(lambda: "TaskadminBeatSilent" not in firing(api), what="the end of the alert")
        # A number that differed between the processes would look like a counter that restarted.
        assert value(api, "sum(resets(taskadmin_slots_missed_total[5m]))") == 0
