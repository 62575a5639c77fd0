"""The whole system in one process: web, launcher, worker and beat over SQLite, without a server.

``python -m taskadmin_site.demo`` serves it until Ctrl-C; ``--once`` does one
launch, prints the results and exits.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import func, select
from werkzeug.serving import BaseWSGIServer, make_server

from taskadmin import migrations
from taskadmin.accounts.passwords import hash_password
from taskadmin.jobs import get_job
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    Overlap,
    Task,
    TaskResult,
    TaskSchedule,
)
from taskadmin.queue import EMBEDDED_CELERY, EmbeddedProcesses
from taskadmin.schedules import ScheduleKind
from taskadmin.state import get_state
from taskadmin.store import clock, results, tasks, users
from taskadmin.store.schedules import ScheduleInput, find_schedule, input_of

from . import create_app, sqlite
from .config import JOBS

SUPERUSER = "admin"
#: With the common slot.
SAMPLE_TASKS = (("Unit interval", 0.0, 1.0), ("Dice", 1.0, 6.0), ("Wide range", -1000.0, 1000.0))
#: With schedules of their own, for the other jobs; the one that asks this site is added to them.
LATENCY = "Latency of this site"
SCHEDULED_TASKS: tuple[tuple[str, str, dict[str, Any], ScheduleInput], ...] = (
    (
        "Results on record",
        "table_rows",
        {"table": "taskadmin_task_result"},
        ScheduleInput(kind=ScheduleKind.CRON, cron="* * * * *", zone="Europe/Berlin"),
    ),
    (
        "Runs that wait",
        "queue_depth",
        {"queue": "taskadmin.runs"},
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=30, overlap=Overlap.SKIP),
    ),
)
EVERY_15_SECONDS = ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=15, pause_after=5)
#: Length of the slots of ``--once``, in seconds.
ONCE_INTERVAL = 1.0
#: Seconds that ``--once`` waits for the last result.
PATIENCE_SECONDS = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="nox -s demo --", description=__doc__)
    parser.add_argument("--once", action="store_true", help="launch once, print the results, exit")
    parser.add_argument("--port", type=int, default=8000, help="port of the site (default: 8000)")
    parser.add_argument(
        "--data", type=Path, default=Path("demo"), help="folder that keeps the data (default: demo)"
    )
    parser.add_argument(
        "--new-password", action="store_true", help=f"give {SUPERUSER} a new password and print it"
    )
    options = parser.parse_args(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    app = _make_app(options.data, interval_seconds=ONCE_INTERVAL if options.once else 10)
    if options.once:
        # The table is what is asked for, not that nothing launched since the last time.
        logging.getLogger().setLevel(logging.ERROR)
    migrations.upgrade(app)
    password = _prepare_data(app, new_password=options.new_password)
    if password:
        print(f"Superuser: {SUPERUSER}   password: {password}", flush=True)
    if options.once:
        return _launch_once(app)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request is too many
    return _serve(app, options.port, known_password=password is not None)


def _make_app(data: Path, *, interval_seconds: float) -> Flask:
    app = create_app(
        {
            "SECRET_KEY": _secret_key(data / "secret_key"),
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{(data / 'taskadmin.sqlite').resolve()}",
            "SQLALCHEMY_ENGINE_OPTIONS": sqlite.ENGINE_OPTIONS,
            "CELERY": EMBEDDED_CELERY,
            "TASKADMIN_LAUNCH_INTERVAL_SECONDS": interval_seconds,
            "TASKADMIN_TICK_SECONDS": 1,
            "TASKADMIN_JOBS": JOBS,
        }
    )
    db = get_state(app).db
    assert db is not None
    sqlite.tune(app, db)
    return app


def _secret_key(path: Path) -> str:
    """The key of this folder's demo, made at the first start: people stay signed in."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def _prepare_data(app: Flask, *, new_password: bool) -> str | None:
    """Create superuser and sample tasks if they aren't there; the password if it is new."""
    password = secrets.token_urlsafe(12)
    with app.app_context():
        session = get_state().session
        user = users.find_user(session, SUPERUSER)
        if user is not None:
            if not new_password:
                return None
            users.set_password_hash(session, user, hash_password(password))
            return password
        user = users.create_user(
            session, SUPERUSER, password_hash=hash_password(password), is_superuser=True
        )
        for name, lower, upper in SAMPLE_TASKS:
            tasks.create_task(
                session,
                author_id=user.id,
                name=name,
                arguments={"lower_limit": lower, "upper_limit": upper},
            )
    return password


def _schedule_tasks(app: Flask, own_url: str) -> None:
    """Create the tasks with schedules of their own if they were never there; tell one the port."""
    url = {"url": own_url}
    with app.app_context():
        session = get_state().session
        admin = users.find_user(session, SUPERUSER)
        assert admin is not None
        latency = session.scalar(
            select(Task).where(Task.name == LATENCY, Task.job == "http_latency")
        )
        if latency is not None:
            if latency.deleted_at is None and latency.params.get("url") != own_url:
                tasks.update_task(
                    session,
                    latency,
                    version=latency.version,
                    arguments={**latency.arguments, **url},
                    name=latency.name,
                    enabled=latency.enabled,
                    schedule=input_of(find_schedule(session, latency.id)),
                )
            return
        for name, job, arguments, schedule in (
            *SCHEDULED_TASKS,
            (LATENCY, "http_latency", url, EVERY_15_SECONDS),
        ):
            tasks.create_task(
                session,
                author_id=admin.id,
                name=name,
                job=job,
                arguments=get_job(job).to_json(arguments),
                schedule=schedule,
            )


def _launch_once(app: Flask) -> int:
    """Let the launcher open the slot of this second, and wait for its results."""
    with app.app_context():
        session = get_state().session
        newest, slot = session.execute(select(func.max(Launch.id), func.max(Launch.slot))).one()
        common = ~select(TaskSchedule.task_id).where(TaskSchedule.task_id == Task.id).exists()
        expected = session.scalar(select(func.count()).where(Task.enabled, common)) or 0
        # One tick makes one launch, unless this second's slot was launched before.
        while slot is not None and clock.slot_of(clock.now(session), ONCE_INTERVAL) <= slot:
            time.sleep(0.05)
        session.rollback()
    rows: Sequence[TaskResult] = []
    with EmbeddedProcesses(app, beat=False):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with app.app_context():
                session = get_state().session
                launch_id = session.scalar(
                    select(func.min(Launch.id)).where(
                        Launch.id > (newest or 0),
                        Launch.kind == LaunchKind.SLOT,
                        Launch.state != LaunchState.MISSED,
                    )
                )
                rows = results.runs_of_launch(session, launch_id) if launch_id else []
            if len(rows) >= expected and all(row.finished_at for row in rows):
                break
            time.sleep(0.1)
    _print_table(rows)
    missing = expected - sum(row.state == "succeeded" for row in rows)
    if missing > 0:
        print(f"{missing} of {expected} results did not come.", file=sys.stderr)
        return 1
    return 0


def _print_table(rows: Sequence[TaskResult]) -> None:
    table: list[tuple[Any, ...]] = [("task", "lower limit", "upper limit", "state", "result")]
    for row in rows:
        limits = row.task_params.get("lower_limit"), row.task_params.get("upper_limit")
        table.append((row.task_id, *limits, row.state, row.result))
    widths = [max(len(str(line[i])) for line in table) for i in range(len(table[0]))]
    for line in table:
        print("  ".join(str(cell).rjust(width) for cell, width in zip(line, widths, strict=True)))


def _serve(app: Flask, port: int, *, known_password: bool) -> int:
    stop = threading.Event()
    server = _make_server(app, port)
    _schedule_tasks(app, f"http://127.0.0.1:{server.port}/healthz")
    with EmbeddedProcesses(app):
        # After the start, because Celery's worker sets handlers of its own.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        web = threading.Thread(target=server.serve_forever, name="taskadmin-web", daemon=True)
        web.start()
        print(f"taskadmin is at http://127.0.0.1:{server.port}/  (Ctrl-C stops it)", flush=True)
        if not known_password:
            print(
                f"Log in as {SUPERUSER}; if you have lost the password: nox -s demo -- --new-password",
                flush=True,
            )
        stop.wait()
        print("Stopping …", flush=True)
        server.shutdown()
        web.join(timeout=5)
    server.server_close()
    return 0


def _make_server(app: Flask, port: int) -> BaseWSGIServer:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            print(f"Port {port} is taken; another one is used.", flush=True)
            port = 0
    return make_server("127.0.0.1", port, app, threaded=True)


if __name__ == "__main__":
    sys.exit(main())
