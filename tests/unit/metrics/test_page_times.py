"""Times of pages, added up over several processes, as of a web server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL

from taskadmin import ConfigurationError, Metrics, Models

DOCUMENT = (Path(__file__).parents[3] / "packages/taskadmin/docs/metrics.md").read_text()
#: A process that responds to requests for the page of tasks, and prints the metrics.
PROCESS = dedent(
    """
    import os, sys
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from prometheus_client import Counter
    from sqlalchemy import text
    from taskadmin import Identity, TaskAdmin

    Counter("taskadminlike", "Of the host").inc()
    app = Flask("shop")
    app.config.update(
        SECRET_KEY="only for tests", SQLALCHEMY_DATABASE_URI=os.environ["URL"],
        CELERY={"broker_url": "memory://"},
    )
    db = SQLAlchemy(app)
    someone = Identity("someone", is_superuser=True)
    TaskAdmin().init_app(app, db=db, identity=lambda: someone, metrics_allowed=lambda: True)
    client = app.test_client()
    for _ in range(int(sys.argv[1])):
        assert client.get("/taskadmin/tasks/").status_code == 200
    client.get("/taskadmin/healthz")
    with app.app_context():
        try:
            db.session.execute(text("SELECT nonsense"))
        except Exception:
            db.session.rollback()
        db.session.execute(text("SELECT 1"))  # in use during the scrape
        print(client.get("/taskadmin/metrics").text)
    """
)


def samples(url: URL, folder: Path | None, requests: int) -> dict[tuple[str, ...], float]:
    """Return the samples that a process prints, by name and labels."""
    environment = {**os.environ, "URL": url.render_as_string(hide_password=False)}
    if folder is not None:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    command = [sys.executable, "-c", PROCESS, str(requests)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(done.stdout)
        for sample in family.samples
    }


def test_they_are_added_up_over_processes(database_url: URL, tmp_path: Path) -> None:
    """Also of a process that has ended; the host's own metrics stay where they are."""
    samples(database_url, tmp_path, requests=2)

    found = samples(database_url, tmp_path, requests=1)

    assert found["taskadmin_page_seconds_count", "tasks"] == 3
    assert found["taskadmin_page_database_seconds_count", "tasks"] == 3
    seconds = found["taskadmin_page_database_seconds_sum", "tasks"]
    assert 0 < seconds < found["taskadmin_page_seconds_sum", "tasks"]
    assert found["taskadmin_database_connections", "in_use"] >= 1
    assert found["taskadmin_database_connections", "open"] >= 1
    views = {labels[0] for name, *labels in found if name == "taskadmin_page_seconds_count"}
    assert views == {"tasks"}
    assert not {name for name, *_ in found if name.startswith("taskadminlike")}
    names = {re.sub("_(bucket|count|sum)$", "", name) for name, *_ in found}
    of_processes = re.findall(r"^\| `(taskadmin_(?:page|database)_\w+)`", DOCUMENT, re.MULTILINE)
    assert len(of_processes) == 3
    assert {*of_processes} <= names


def test_without_a_folder_there_are_none(database_url: URL) -> None:
    """They would be of one process."""
    found = samples(database_url, None, requests=1)

    assert ("taskadmin_open_launches",) in found
    assert not {name for name, *_ in found if "page_" in name or "connections" in name}


def test_a_missing_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At once, by its name."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    app = Flask("shop")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://")
    Models().init_app(app, db=SQLAlchemy(app))

    with pytest.raises(ConfigurationError, match="missing', which isn't a folder; create it first"):
        Metrics().init_app(app, allowed=lambda: True)
