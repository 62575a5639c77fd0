"""Measure the peers, by running their scripts with their environment's Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psycopg

from .limits import TABLE
from .stage import TESTS, Stage, fresh_stage, running, wait_until

#: The Python of the peers' environment.
PYTHON = os.environ.get("BENCH_PEERS_PYTHON", sys.executable)


def _environment(stage: Stage, **more: str) -> dict[str, str]:
    return {"BENCH_BROKER": stage.broker, "BENCH_DSN": stage.dsn, **more}


def _ask(stage: Stage, module: str, *arguments: object, **more: str) -> float:
    """Return what a peer's script prints."""
    done = subprocess.run(
        [PYTHON, "-m", f"bench.peers.{module}", *map(str, arguments)],
        env={**os.environ, **_environment(stage, **more), "PYTHONPATH": str(TESTS)},
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def delay_loop(number: int) -> float:
    """Messages per second that a loop of ``.delay()`` sends, without rows."""
    with fresh_stage() as stage:
        return _ask(stage, "celery_app", "peer.nothing", number)


def celery_finishing(number: int, *, task: str, backend: bool = False, prefetch: int = 4) -> float:
    """Runs per second that two prefork processes finish, from the first row to the last."""
    with fresh_stage() as stage, stage.connected() as connection:
        connection.execute(TABLE)
        more = {}
        if backend:
            more["BENCH_BACKEND"] = "db+" + stage.database.render_as_string(hide_password=False)
        _ask(stage, "celery_app", task, number, **more)
        command = [
            *(PYTHON, "-m", "celery", "-A", "bench.peers.celery_app", "worker", "-c", "2"),
            *("-l", "ERROR", "--without-gossip", "--without-mingle"),
            f"--prefetch-multiplier={prefetch}",
        ]
        table, column = ("celery_taskmeta", "date_done") if backend else ("peer_result", "at")
        with running([command], _environment(stage, **more)):
            return _rows_per_second(connection, number, table=table, column=column)


def dramatiq(number: int) -> dict[str, float]:
    """Messages and runs per second of Dramatiq with two processes of eight threads, its default."""
    with fresh_stage() as stage, stage.connected() as connection:
        connection.execute(TABLE)
        sent = _ask(stage, "dramatiq_app", number)
        command = [PYTHON, "-m", "dramatiq", "bench.peers.dramatiq_app", "-p", "2"]
        with running([command], _environment(stage)):
            return {"sent/s": sent, "finished/s": _rows_per_second(connection, number)}


def procrastinate(number: int) -> dict[str, float]:
    """Jobs per second that Procrastinate creates and finishes, two processes of ten jobs each."""
    with fresh_stage() as stage, stage.connected() as connection:
        connection.execute(TABLE)
        sent = _ask(stage, "procrastinate_app", number)
        command = [
            *(PYTHON, "-m", "procrastinate", "--app=bench.peers.procrastinate_app.app"),
            *("worker", "--concurrency=10"),
        ]
        with running([command, command], _environment(stage)):
            return {"sent/s": sent, "finished/s": _rows_per_second(connection, number)}


def _rows_per_second(
    connection: psycopg.Connection, number: int, *, table: str = "peer_result", column: str = "at"
) -> float:
    """Wait for *number* rows, and return their rate from the first to the last."""

    def count() -> int:
        exists = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
        if exists is None or exists[0] is None:
            return 0
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(row[0]) if row else 0

    wait_until(lambda: count() >= number, seconds=60 + number / 20, every=0.5)
    row = connection.execute(
        f"SELECT extract(epoch FROM max({column}) - min({column})) FROM {table}"
    ).fetchone()
    assert row is not None
    return number / float(row[0])


def django_celery_beat(number: int) -> float:
    """Due tasks per second that django-celery-beat's scheduler sends."""
    with fresh_stage() as stage:
        return _ask(stage, "django_beat", number)


def versions() -> dict[str, str]:
    """Versions of the compared packages."""
    names = (
        *("celery", "kombu", "amqp", "celery-batches", "django-celery-beat", "sqlalchemy"),
        *("dramatiq", "procrastinate"),
    )
    code = (
        "import importlib.metadata as m, json; found = {}\n"
        f"for name in {names!r}:\n"
        "    try: found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found
