"""A database that is down, locked, read-only or full."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

import psycopg

from ..catalogue import fault
from ..stages.servers import MAX_CONNECTIONS, ROLE
from ..stages.stage import Stage

AREA = "database"
POOL = 2


def _crash(stage: Stage, seconds: float) -> None:
    stage.postgresql.stop(signal.SIGQUIT)
    stage.sleep(seconds)
    stage.postgresql.start()


@fault("database stopped mid-drain", area=AREA, extra=POOL)
def stopped_mid_drain(stage: Stage) -> Iterator[None]:
    """An immediate stop, like a crash, for 2 s."""
    stage.start_draining(24)
    _crash(stage, 2)
    yield


@fault("database stopped past the lease", area=AREA, extra=POOL)
def stopped_past_lease(stage: Stage) -> Iterator[None]:
    """An immediate stop for longer than the lease: workers live, but can't renew it."""
    stage.start_draining(24)
    _crash(stage, 6)
    yield


@fault("database stopped mid-launch", area=AREA, extra=POOL, settings={"TASKADMIN_PAGE_SIZE": 50})
def stopped_mid_launch(stage: Stage) -> Iterator[None]:
    """An immediate stop for 2 s while pages are written."""
    stage.add_tasks(900, "quick")
    stage.start_all()
    stage.wait_launch_under_way(100)
    _crash(stage, 2)
    stage.expect_launch_open()
    yield


@fault("database down at the tick", area=AREA)
def down_at_the_tick(stage: Stage) -> Iterator[None]:
    """Beat, launcher and worker start before the database."""
    stage.load(8, seconds=0.1)
    stage.postgresql.stop(signal.SIGQUIT)
    stage.beat()
    roles = stage.launcher(), stage.worker()
    stage.wait_ready(*roles)
    stage.sleep(2)
    stage.postgresql.start()
    yield


@fault("database restarted again and again", area=AREA, extra=3 * POOL)
def restarted(stage: Stage) -> Iterator[None]:
    """Three immediate stops and starts."""
    stage.start_draining(32)
    for _ in range(3):
        _crash(stage, 0.2)
        stage.sleep(0.8)
    yield


@fault("sessions terminated again and again", area=AREA, extra=8 * POOL)
def terminated(stage: Stage) -> Iterator[None]:
    """An administrator terminates all sessions, eight times."""
    stage.start_launching(100)
    for _ in range(8):
        stage.terminate_backends()
        stage.sleep(0.4)
    yield


@fault("results locked", area=AREA, extra=POOL)
def locked(stage: Stage) -> Iterator[None]:
    """An exclusive lock on the table of results for 12 s; in the short form, 6 s."""
    yield from _locked(stage, 6 if stage.short else 12)


@fault("results locked for 30 s", area=AREA, extra=POOL, long=True)
def locked_long(stage: Stage) -> Iterator[None]:
    """An exclusive lock on the table of results for longer than any timeout."""
    yield from _locked(stage, 30)


def _locked(stage: Stage, seconds: float) -> Iterator[None]:
    stage.start_draining(24)
    with stage.postgresql.connect(stage.database) as connection, connection.transaction():
        connection.execute("LOCK TABLE taskadmin_task_result IN ACCESS EXCLUSIVE MODE")
        stage.sleep(seconds)
    yield


@fault("database read-only for a while", area=AREA, extra=POOL)
def read_only(stage: Stage) -> Iterator[None]:
    """All writes are refused for 5 s, as after a failover to a replica."""
    stage.start_draining(24)
    stage.alter_database("SET default_transaction_read_only = on")
    stage.terminate_backends()
    stage.sleep(5)
    stage.alter_database("SET default_transaction_read_only = off")
    stage.terminate_backends()
    yield


def _take_connections(stage: Stage, taken: contextlib.ExitStack) -> None:
    """Open connections until the server refuses them."""
    with contextlib.suppress(psycopg.OperationalError):
        for _ in range(MAX_CONNECTIONS):
            connection = stage.postgresql.connect("postgres", user=ROLE)
            taken.enter_context(contextlib.closing(connection))


@fault("connections exhausted", area=AREA, extra=POOL)
def exhausted(stage: Stage) -> Iterator[None]:
    """Another client takes all available connections for 5 s."""
    stage.start_draining(24)
    with contextlib.ExitStack() as taken:
        for _ in range(3):  # takes freed connections in the next round
            _take_connections(stage, taken)
            stage.terminate_backends()
        _take_connections(stage, taken)
        stage.sleep(5)
    yield


@fault("migration mid-drain", area=AREA, extra=POOL)
def migration(stage: Stage) -> Iterator[None]:
    """A column is added and dropped while workers execute runs."""
    stage.start_draining(24)
    stage.sql("ALTER TABLE taskadmin_task_result ADD COLUMN faults_column text DEFAULT 'x'")
    stage.sleep(1)
    stage.sql("ALTER TABLE taskadmin_task_result DROP COLUMN faults_column")
    yield


@fault("rows locked by somebody else", area=AREA, extra=POOL)
def rows_locked(stage: Stage) -> Iterator[None]:
    """Ten runs are locked in a transaction that stays open for 4 s."""
    stage.load(24)
    stage.start_all()
    stage.wait_runs()
    with stage.postgresql.connect(stage.database) as connection, connection.transaction():
        connection.execute(
            "SELECT id FROM taskadmin_task_result WHERE finished_at IS NULL"
            " ORDER BY id DESC LIMIT 10 FOR UPDATE"
        )
        stage.sleep(4)
    yield


@fault("VACUUM FULL again and again", area=AREA, extra=POOL, settings={"TASKADMIN_PAGE_SIZE": 50})
def vacuumed(stage: Stage) -> Iterator[None]:
    """All taskadmin tables are rewritten under exclusive locks for 6 s, also during a launch."""
    stage.add_tasks(300, "quick")
    stage.load(16)
    stage.start_all()
    stage.wait_launch_under_way(50)
    tables = stage.sql("SELECT tablename FROM pg_tables WHERE tablename LIKE 'taskadmin%%'")
    over = time.monotonic() + 6
    while time.monotonic() < over:
        for (table,) in tables:
            stage.sql(f"VACUUM FULL ANALYZE {table}")
        stage.sleep(0.1)
    yield
