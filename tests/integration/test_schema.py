"""Real processes with the tables in a schema of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, func, select, text
from sqlalchemy.orm import Session

from fixture_types import MakeApp
from services.doctor import examined
from services.servers.databases import bare_app
from services.servers.processes import CeleryProcesses, wait_for
from taskadmin import migrations, service
from taskadmin.health import Status
from taskadmin.models import Process, ProcessKind, RunState, TaskResult
from taskadmin.queue import LAUNCH_QUEUE, RUNS_QUEUE

SCHEMA = "Jobs of the shop"

pytestmark = pytest.mark.databases("postgresql")


@pytest.fixture
def database_url(empty_database_url: URL) -> URL:
    """A database with the newest revision in the schema."""
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text(f'CREATE SCHEMA "{SCHEMA}"'))
    engine.dispose()
    with bare_app(empty_database_url, TASKADMIN_SCHEMA=SCHEMA) as app:
        migrations.upgrade(app)
    return empty_database_url


@pytest.fixture
def config(database_url: URL, broker_url: str) -> dict[str, Any]:
    """Settings of the host."""
    return {
        "SQLALCHEMY_DATABASE_URI": database_url.render_as_string(hide_password=False),
        "SECRET_KEY": "for tests",
        "CELERY": {"broker_url": broker_url, "result_backend": "rpc://"},
        "TASKADMIN_SCHEMA": SCHEMA,
        "TASKADMIN_LAUNCH_INTERVAL_SECONDS": 2,
        "TASKADMIN_TICK_SECONDS": 0.5,
    }


@pytest.fixture
def processes(config: dict[str, Any], tmp_path: Path) -> Iterator[CeleryProcesses]:
    """A starter of the host's Celery processes."""
    processes = CeleryProcesses(tmp_path, config)
    yield processes
    processes.stop()


def test_beat_launcher_and_worker_use_the_schema(
    make_app: MakeApp, config: dict[str, Any], processes: CeleryProcesses
) -> None:
    """Runs of slots and by hand succeed, heartbeats arrive, and the doctor finds no problem."""
    app = make_app(**config)
    with app.app_context():
        service.create_user("ana", password="a long enough password", is_superuser=True)
        for number in range(5):
            service.create_task(
                job="generate_random_number",
                arguments={"lower_limit": number, "upper_limit": number},
                author="ana",
                name=f"Number {number}",
            )
        service.start_task("Number 3")
    processes.worker("runs", RUNS_QUEUE, "-c", "2")
    processes.worker("launcher", LAUNCH_QUEUE, "-P", "solo")
    processes.beat()

    with app.app_context():
        session: Session = service.get_state().session

        def succeeded() -> int:
            session.rollback()
            which = TaskResult.state == RunState.SUCCEEDED
            return session.scalar(select(func.count()).where(which)) or 0

        wait_for(lambda: succeeded() >= 11, what="a run by hand and two slots")
        assert {
            ProcessKind.BEAT,
            ProcessKind.LAUNCHER,
            ProcessKind.WORKER,
        } <= {*session.scalars(select(Process.kind))}
        session.rollback()
    problems = [one for one in examined(app).values() if one.status is Status.PROBLEM]
    assert problems == []
