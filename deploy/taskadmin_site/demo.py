"""The whole system in one process over SQLite: web, launcher, worker and beat.

``python -m taskadmin_site.demo`` serves it until Ctrl-C; ``--once`` runs one launch, prints the
results and exits.
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
from sqlalchemy import select
from werkzeug.serving import BaseWSGIServer, make_server

from taskadmin import migrations, service
from taskadmin.errors import UsernameTaken
from taskadmin.queue import EMBEDDED_CELERY, EmbeddedProcesses
from taskadmin.service import (
    Overlap,
    ScheduleInput,
    ScheduleKind,
    Task,
    TaskResult,
    get_state,
)

from . import create_app, sqlite
from .config import JOBS

SUPERUSER = "admin"
#: Tasks of the common slot.
SAMPLE_TASKS = (("Unit interval", 0.0, 1.0), ("Dice", 1.0, 6.0), ("Wide range", -1000.0, 1000.0))
#: Tasks with their own schedules, for the other jobs; the one for ``LATENCY`` is added later.
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
        ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=30, overlap=Overlap.SKIP),
    ),
)
EVERY_15_SECONDS = ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=15, pause_after=5)
#: Slot length with ``--once``, in seconds.
ONCE_INTERVAL = 1.0
#: Seconds that ``--once`` waits for the results.
PATIENCE_SECONDS = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser(prog="nox -s demo --", description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="run one launch, print the results and exit"
    )
    parser.add_argument("--port", type=int, default=8000, help="port of the site (default: 8000)")
    parser.add_argument(
        "--data", type=Path, default=Path("demo"), help="folder for the data (default: demo)"
    )
    parser.add_argument(
        "--new-password",
        action="store_true",
        help=f"set a new password for {SUPERUSER} and print it",
    )
    options = parser.parse_args(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    app = _make_app(options.data, interval_seconds=ONCE_INTERVAL if options.once else 10)
    if options.once:
        # Only print the table, without warnings about missed slots.
        logging.getLogger().setLevel(logging.ERROR)
    migrations.upgrade(app)
    password = _prepare_data(app, new_password=options.new_password)
    if password:
        print(f"Superuser: {SUPERUSER}   password: {password}", flush=True)
    if options.once:
        return _launch_once(app)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each request
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
            "TASKADMIN_REGISTRATION": True,
            # One of its tasks requests the demo itself.
            "HTTP_LATENCY_PRIVATE_ADDRESSES": True,
        }
    )
    db = get_state(app).db
    assert db is not None
    sqlite.tune(app, db)
    return app


def _secret_key(path: Path) -> str:
    """Return this folder's key, created at the first start so that sessions survive restarts."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def _prepare_data(app: Flask, *, new_password: bool) -> str | None:
    """Create the superuser and the sample tasks if missing; return a new password, if any."""
    password = secrets.token_urlsafe(12)
    with app.app_context():
        try:
            service.create_user(SUPERUSER, password=password, is_superuser=True)
        except UsernameTaken:
            if not new_password:
                return None
            service.set_password(SUPERUSER, password)
            return password
        for name, lower, upper in SAMPLE_TASKS:
            service.create_task(
                name=name,
                job="generate_random_number",
                arguments={"lower_limit": lower, "upper_limit": upper},
                author=SUPERUSER,
            )
    return password


def _schedule_tasks(app: Flask, own_url: str) -> None:
    """Create the tasks with their own schedules once, and update the URL of ``LATENCY``."""
    url = {"url": own_url}
    with app.app_context():
        session = get_state().session
        latency = session.scalar(
            select(Task).where(Task.name == LATENCY, Task.job == "http_latency")
        )
        if latency is not None:
            if latency.deleted_at is None and latency.params.get("url") != own_url:
                service.edit_task(latency.id, arguments={**latency.arguments, **url})
            return
        for name, job, arguments, schedule in (
            *SCHEDULED_TASKS,
            (LATENCY, "http_latency", url, EVERY_15_SECONDS),
        ):
            service.create_task(
                name=name, job=job, arguments=arguments, schedule=schedule, author=SUPERUSER
            )


def _launch_once(app: Flask) -> int:
    """Open the current slot and wait for its results."""
    with app.app_context():
        expected = [one.id for one in service.find_tasks() if one.enabled and not one.schedule]
        newest = max((run.id for run in service.find_runs(limit=1)), default=0)
    # One tick makes one launch, unless this second's slot was launched before.
    time.sleep(ONCE_INTERVAL)
    rows: list[TaskResult] = []
    with EmbeddedProcesses(app, beat=False):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            with app.app_context():
                runs = [run for id_ in expected for run in service.find_runs(task=id_, limit=1)]
                rows = [run for run in runs if run.id > newest]
            if len(rows) == len(expected) and all(row.finished_at for row in rows):
                break
            time.sleep(0.1)
    _print_table(rows)
    missing = len(expected) - sum(row.state == "succeeded" for row in rows)
    if missing > 0:
        print(f"{missing} of {len(expected)} results are missing.", file=sys.stderr)
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
        # After the start, because Celery's worker installs its own handlers.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        web = threading.Thread(target=server.serve_forever, name="taskadmin-web", daemon=True)
        web.start()
        print(f"taskadmin runs at http://127.0.0.1:{server.port}/  (stop with Ctrl-C)", flush=True)
        if not known_password:
            print(
                f"Log in as {SUPERUSER}. Lost the password? Run nox -s demo -- --new-password",
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
            print(f"Port {port} is in use; choosing another one.", flush=True)
            port = 0
    return make_server("127.0.0.1", port, app, threaded=True)


if __name__ == "__main__":
    sys.exit(main())
