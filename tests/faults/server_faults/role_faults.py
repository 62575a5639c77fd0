"""Database roles with timeouts, and roles without some privilege."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..catalogue import fault
from ..stages.servers import ROLE
from ..stages.stage import Stage

AREA = "role"
POOL = 2
SLOTS = {"TASKADMIN_LAUNCH_INTERVAL_SECONDS": 4, "TASKADMIN_PAGE_SIZE": 20}
RESULTS = "taskadmin_task_result"


def _set(stage: Stage, setting: str) -> None:
    """Change the role's setting for new sessions, as an administrator does."""
    with stage.postgresql.connect("postgres") as connection:
        connection.execute(f'ALTER ROLE {ROLE} IN DATABASE "{stage.database}" SET {setting}')


def _locked_for_a_while(stage: Stage, setting: str) -> Iterator[None]:
    """Lock each table three times for longer than the timeout."""
    _set(stage, setting)
    stage.add_tasks(40, "quick")
    stage.load(12)
    stage.start_all()
    stage.wait_slots(1)
    for table in (RESULTS, "taskadmin_launch", "taskadmin_process"):
        with stage.postgresql.connect(stage.database) as connection, connection.transaction():
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            stage.sleep(1.5)
        stage.sleep(0.5)
    stage.ended()
    stage.wait_slots(1)
    yield


@fault("role with a statement time-out", area=AREA, extra=3 * POOL, settings=SLOTS)
def statement_timeout(stage: Stage) -> Iterator[None]:
    """ALTER ROLE … SET statement_timeout of 0.5 s; tables are locked for longer, in turn."""
    yield from _locked_for_a_while(stage, "statement_timeout = '500ms'")


@fault("role with a lock time-out", area=AREA, extra=3 * POOL, settings=SLOTS)
def lock_timeout(stage: Stage) -> Iterator[None]:
    """ALTER ROLE … SET lock_timeout of 0.1 s; tables are locked for longer, in turn."""
    yield from _locked_for_a_while(stage, "lock_timeout = '100ms'")


@fault("role with a time-out of idle transactions", area=AREA, extra=3 * POOL, settings=SLOTS)
def idle_timeout(stage: Stage) -> Iterator[None]:
    """ALTER ROLE … SET idle_in_transaction_session_timeout of 0.1 s, over a slower connection."""
    _set(stage, "idle_in_transaction_session_timeout = '100ms'")
    stage.load(8)
    proxy = stage.proxy_database()
    stage.start_all()
    stage.wait_slots(1)
    proxy.slow(0.08)
    stage.sleep(6)
    proxy.slow(0)
    stage.ended()
    stage.wait_slots(1)
    yield


#: Privileges that the role loses for a while, by the fault's name.
RIGHTS = {
    "write outcomes": f"UPDATE ON {RESULTS}",
    "read runs": f"SELECT ON {RESULTS}",
    "write runs": f"INSERT ON {RESULTS}",
    "open launches": "INSERT ON taskadmin_launch",
    "write launches": "UPDATE ON taskadmin_launch",
    "read tasks": "SELECT ON taskadmin_task",
    "write processes": "INSERT, UPDATE ON taskadmin_process",
    "write the ledger's state": "INSERT, UPDATE ON taskadmin_state",
}


def _without(stage: Stage, right: str) -> Iterator[None]:
    stage.load(8)
    everyone = stage.start_all()
    stage.wait_slots(1)
    before = _executed_unclaimed(stage)
    stage.sql(f"REVOKE {right} FROM {ROLE}")
    # Longer than a slot and the lease.
    stage.sleep(6)
    stage.sql(f"GRANT {right} TO {ROLE}")
    stage.extra += _executed_unclaimed(stage) - before
    stage.ended()
    stage.wait_slots(1)
    yield
    for role in everyone:
        stage.expect(role.alive(), f"{role.name} ended with {role.process.poll()}")


def _executed_unclaimed(stage: Stage) -> int:
    """Return how many executions find out only afterwards that the outcome can't be recorded."""
    return sum(job == "quick" for _, job, _ in stage.executions())


def _add(what: str, right: str) -> None:
    def without(stage: Stage) -> Iterator[None]:
        yield from _without(stage, right)

    without.__doc__ = f"REVOKE {right} while runs are executed, and GRANT it again after 6 s."
    fault(f"role that may not {what}", area=AREA, extra=POOL, settings=SLOTS)(without)


for _what, _right in RIGHTS.items():
    _add(_what, _right)


@fault("worker whose role lacks a right", area=AREA, extra=POOL)
def worker_without(stage: Stage) -> Iterator[None]:
    """The worker's own role may not change runs; it gets the privilege 5 s later."""
    stage.load(8, seconds=0.1)
    name = f"worker_{stage.database}"
    stage.on_close(lambda: _drop(stage, name))
    stage.sql(f"CREATE ROLE {name} LOGIN")
    stage.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    stage.sql(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}")
    stage.sql(f"REVOKE UPDATE ON {RESULTS} FROM {name}")
    config = stage.config()
    config["SQLALCHEMY_DATABASE_URI"] = config["SQLALCHEMY_DATABASE_URI"].replace(
        f"//{ROLE}@", f"//{name}@"
    )
    worker = stage.worker(FAULTS_HOST_CONFIG=json.dumps(config))
    stage.wait_ready(worker, stage.launcher())
    stage.beat()
    stage.wait_runs(45)
    stage.sleep(5)
    stage.expect(not stage.finished(), "runs were finished without the privilege")
    stage.extra += _executed_unclaimed(stage)
    stage.sql(f"GRANT UPDATE ON {RESULTS} TO {name}")
    yield
    stage.expect(worker.alive(), f"the worker ended with {worker.process.poll()}")


def _drop(stage: Stage, name: str) -> None:
    stage.postgresql.drop(stage.database)
    with stage.postgresql.connect("postgres") as connection:
        connection.execute(f"DROP ROLE IF EXISTS {name}")
