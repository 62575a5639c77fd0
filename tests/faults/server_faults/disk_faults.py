"""Full disks of the broker, of the database and of its log."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator

import psycopg

from ..catalogue import fault
from ..devices.small_disk import SmallDisk
from ..devices.sqlite_ledger import SqliteLedger
from ..stages.roles import Role
from ..stages.servers import RabbitmqOfOurOwn
from ..stages.stage import Stage
from .broker_faults import blocked_before_launch, blocked_mid_publish

AREA = "disk"
POOL = 2
PAGES = {"TASKADMIN_PAGE_SIZE": 50}
SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 8}


@fault("disk alarm of the broker", area=AREA, extra=POOL, broker="rabbitmq")
def alarm(stage: Stage) -> Iterator[None]:
    """The broker's disk is full, and it blocks publishers from before the launch for 5 s."""
    broker = stage.broker
    assert isinstance(broker, RabbitmqOfOurOwn)
    yield from blocked_before_launch(stage, broker.disk_alarm, broker.end_disk_alarm)


@fault(
    "disk alarm of the broker mid-publish",
    area=AREA,
    extra=POOL,
    settings=PAGES,
    broker="rabbitmq",
)
def alarm_mid_publish(stage: Stage) -> Iterator[None]:
    """The broker's disk is full, and it blocks the launcher for 5 s while it sends messages."""
    broker = stage.broker
    assert isinstance(broker, RabbitmqOfOurOwn)
    yield from blocked_mid_publish(stage, broker.disk_alarm, broker.end_disk_alarm, tasks=500)


def _tables_on_small_disk(stage: Stage) -> SmallDisk:
    """Move taskadmin's tables and indexes, but not the log, to a small disk."""
    disk = SmallDisk(stage.postgresql.home / "small", 24)
    name = f"small_{stage.database}"

    def undo() -> None:
        disk.empty()
        stage.postgresql.drop(stage.database)
        with stage.postgresql.connect("postgres") as connection:
            connection.execute(f"DROP TABLESPACE IF EXISTS {name}")
        disk.close()

    stage.on_close(undo)
    stage.sql(f"CREATE TABLESPACE {name} LOCATION '{disk.folder}'")
    for (move,) in stage.sql(
        "SELECT format('ALTER TABLE %I SET TABLESPACE', tablename) FROM pg_tables"
        " WHERE tablename LIKE 'taskadmin%' UNION ALL"
        " SELECT format('ALTER INDEX %I SET TABLESPACE', indexname) FROM pg_indexes"
        " WHERE tablename LIKE 'taskadmin%'"
    ):
        stage.sql(f"{move} {name}")
    return disk


def _fill(stage: Stage, disk: SmallDisk) -> None:
    """Fill the tables' disk, and check that the database notices."""
    disk.fill()
    try:
        stage.sql(
            f"CREATE TABLE too_much TABLESPACE small_{stage.database}"
            " AS SELECT generate_series(1, 99999)"
        )
    except psycopg.errors.DiskFull:
        return
    stage.expect(False, "the database still had space")


@fault(
    "database's disk full in a launch",
    area=AREA,
    extra=POOL,
    settings=PAGES,
    deadline_seconds=120,
)
def full_in_a_launch(stage: Stage) -> Iterator[None]:
    """Tables and indexes can't grow for 5 s while pages are written."""
    disk = _tables_on_small_disk(stage)
    stage.add_tasks(500, "quick")
    stage.start_all()
    stage.wait_launch_under_way(100)
    _fill(stage, disk)
    stage.sleep(5)
    stage.expect_launch_open()
    disk.empty()
    yield


@fault("database's disk full mid-drain", area=AREA, extra=POOL)
def full_mid_drain(stage: Stage) -> Iterator[None]:
    """Tables and indexes can't grow for 5 s while outcomes are recorded."""
    disk = _tables_on_small_disk(stage)
    # Outcomes that don't fit into the row's page.
    stage.add_tasks(16, "wordy", seconds=0.25)
    stage.start_draining(8)
    _fill(stage, disk)
    stage.sleep(5)
    disk.empty()
    yield


@fault("disk of the database's log full", area=AREA, extra=POOL)
def log_full(stage: Stage) -> Iterator[None]:
    """PostgreSQL exits when it can't write its log, and is started when there is space again."""
    postgresql = stage.postgresql
    log = postgresql.home / "data" / "pg_wal"
    postgresql.stop(signal.SIGINT)
    size = sum(file.stat().st_size for file in log.rglob("*")) >> 20
    # Space for two of the log's files of 16 MB.
    disk = SmallDisk(postgresql.home / "small", size + 40)

    def undo() -> None:
        disk.empty()
        postgresql.stop(signal.SIGINT)
        if log.is_symlink():
            log.unlink()
            shutil.copytree(disk.folder / "log", log)
            postgresql.own(log)
        disk.close()
        postgresql.start()

    stage.on_close(undo)
    shutil.copytree(log, disk.folder / "log")
    postgresql.own(disk.folder / "log")
    shutil.rmtree(log)
    log.symlink_to(disk.folder / "log")
    postgresql.start()
    stage.start_draining(24)
    disk.fill()
    stage.wait(lambda: _next_file(stage), "the database to exit", seconds=30)
    said = (postgresql.home / "log").read_text(errors="replace")
    stage.expect("PANIC" in said, f"the database didn't exit: {said[-500:]}")
    stage.sleep(4)
    disk.empty()
    postgresql.stop(signal.SIGQUIT)
    postgresql.start()
    yield


def _next_file(stage: Stage) -> bool:
    """Let the database begin another log file; return True once it no longer responds."""
    try:
        stage.sql("SELECT pg_switch_wal(), txid_current()")
    except psycopg.OperationalError:
        return True
    return False


def _sqlite(stage: Stage) -> tuple[SqliteLedger, SmallDisk, Role]:
    """Start a single-process host with its file on a small disk; return during its work."""
    disk = SmallDisk(stage.folder / "small", 16)
    stage.on_close(disk.close)
    stage.add_tasks(8, "quick", seconds=0.1)
    stage.add_tasks(6, "steady", seconds=0.1)
    stage.add_tasks(3, "wordy")
    ledger = SqliteLedger(stage, disk.folder / "ledger.sqlite")
    host = ledger.start()
    stage.wait(lambda: ledger.finished() > 5, "some finished runs", seconds=60)
    disk.fill()
    return ledger, disk, host


def _to_the_end(stage: Stage, ledger: SqliteLedger, disk: SmallDisk, host: Role) -> Iterator[None]:
    """Free the space, wait for two more slots, end the host and judge it."""
    disk.empty()
    stage.ended()
    before = ledger.last_launch()
    stage.wait(lambda: ledger.last_launch() >= before + 2, "the next slots", seconds=60)
    last = ledger.last_launch()
    stage.wait(lambda: ledger.over(last), "the end of every run", seconds=90)
    stage.expect(host.alive(), f"the host ended with {host.process.poll()}")
    host.send(signal.SIGTERM)
    stage.expect(host.wait(60) is not None, "the host didn't end")
    ledger.hand_over(last)
    yield


@fault("SQLite's disk full", area=AREA, extra=1, settings=SLOTS)
def sqlite_full(stage: Stage) -> Iterator[None]:
    """A single-process host can't write for 10 s while slots pass."""
    ledger, disk, host = _sqlite(stage)
    stage.sleep(10)
    yield from _to_the_end(stage, ledger, disk, host)


@fault("SQLite's disk full, its host killed", area=AREA, extra=1, settings=SLOTS)
def sqlite_killed(stage: Stage) -> Iterator[None]:
    """Kill -9 while the disk is full, and a start; then there is space again."""
    ledger, disk, host = _sqlite(stage)
    stage.sleep(2)
    host.send_group(signal.SIGKILL)
    host.start()
    stage.sleep(6)
    yield from _to_the_end(stage, ledger, disk, host)
