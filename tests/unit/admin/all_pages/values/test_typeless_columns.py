"""SQLite stores any value in any column, and none breaks a page or an export."""

from __future__ import annotations

import csv
import io
import json
from typing import NamedTuple

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from taskadmin.cli import taskadmin_cli
from taskadmin.models import Base

pytestmark = pytest.mark.databases("sqlite")

#: Values that other programs may store in a column, as SQL.
ODD = {
    "text": "'abc'",
    "no UTF-8": "CAST(x'61ff00' AS TEXT)",
    "bytes": "x'fffe00'",
    "large": "9223372036854775807",
    "infinite": "9e999",
}
AT = "'2026-01-01 00:00:00.000000'"
LIMITS = """'{"lower_limit": 1, "upper_limit": 2}'"""
#: A row of each table; ``{n}`` is its id, and the id of rows that it refers to.
ROWS: dict[str, dict[str, str]] = {
    "user": {"id": "{n}", "username": "'u{n}'", "username_key": "'u{n}'", "created_at": AT}
    | {"session_nonce": "'n'", "language": "'de'", "zone": "'UTC'"},
    "task": {"id": "{n}", "name": "'T{n}'", "created_by": "{n}", "created_at": AT}
    | {"updated_at": AT, "lower_limit": "1", "upper_limit": "2"},
    "launch": {"id": "{n}", "kind": "'manual'", "state": "'closed'", "interval_s": "60"}
    | {"requested_by": "{n}", "opened_at": AT, "closed_at": AT},
    "task_result": {"id": "{n}", "task_id": "{n}", "launch_id": "{n}", "due_at": AT, "queue": "'q'"}
    | {"job": "'generate_random_number'", "task_params": LIMITS, "state": "'succeeded'"}
    | {"result": "1.5", "queued_at": AT, "started_at": AT, "finished_at": AT, "attempts": "1"},
    "run_progress": {"result_id": "{n}", "progress": "0.5", "updated_at": AT},
    "schedule": {"task_id": "{n}", "kind": "'interval'", "every_s": "60", "next_due": AT},
    "pause": {"task_id": "{n}", "paused_at": AT, "paused_by": "{n}", "note": "'n'"},
    "audit": {"id": "{n}", "at": AT, "actor_id": "{n}", "actor": "'ana'", "source": "'s'"}
    | {"action": "'changed'", "subject_kind": "'task'", "subject_id": "{n}", "subject": "'T'"},
    "process": {
        "id": "printf('%032d', {n})",
        "kind": "'worker'",
        "name": "'w'",
        "host": "'h'",
        "pid": "7",
    }
    | {"started_at": AT, "seen_at": AT, "queues": "'q'"},
    "minute_count": {"minute": "datetime({n} * 60, 'unixepoch') || '.000000'"},
    "run_total": {"minute": AT, "job": "'j{n}'", "queue": "'q'", "state": "'failed'", "runs": "1"}
    | {"seconds": "1", "ran": "'[1]'", "waited_seconds": "1", "waited": "'[1]'", "last_minute": AT},
    "job_duration": {"job": "'j{n}'", "runs": "1", "seconds": "1", "squares": "1", "noted_at": AT},
    "session": {"id": "{n}", "user_id": "{n}", "key_hash": "'k{n}'", "nonce": "'n'"}
    | {"begun_at": AT, "seen_at": AT, "confirmed_at": AT, "address": "'a'", "user_agent": "'b'"},
    "second_factor": {"user_id": "{n}", "secret": "'s'", "last_step": "1", "created_at": AT},
    "recovery_code": {"user_id": "{n}", "code_hash": "'c'"},
    "api_request": {"user_id": "{n}", "key_hash": "'k{n}'", "request_hash": "'r'", "begun_at": AT}
    | {"body": "'b'", "headers": "'h'"},
    "api_token": {"id": "{n}", "user_id": "{n}", "name": "'n'", "scopes": "'read'"}
    | {"prefix": "'p'", "token_hash": "'h{n}'", "created_at": AT, "expires_at": AT},
    "channel": {"id": "{n}", "name": "'c{n}'", "kind": "'webhook'", "address": "'a'"}
    | {"read_upto": AT, "task_id": "{n}", "created_by": "{n}"},
    "rule": {"id": "{n}", "channel_id": "{n}", "event": "'failed'"},
    "notice": {"id": "{n}", "channel_id": "{n}", "event": "'failed'", "key": "'k{n}'"}
    | {"noted_at": AT},
    "throttle": {"counter": "'account'", "key": "'k{n}'", "attempts": "1", "blocked_until": AT},
    "state": {},
}
#: Other columns that must be set for a column to have a value.
TOGETHER = {
    "taskadmin_channel.quiet_from": {"quiet_until": "'07:00'"},
    "taskadmin_channel.quiet_until": {"quiet_from": "'22:00'"},
    "taskadmin_schedule.cron": {"kind": "'cron'", "every_s": "NULL"},
    "taskadmin_schedule.once_at": {"kind": "'once'", "every_s": "NULL"},
    "taskadmin_launch.slot": {"kind": "'slot'"},
    "taskadmin_process.gone_at": {"ending": "'lost'"},
    "taskadmin_task_result.process_id": {"state": "'running'", "finished_at": "NULL", "token": "1"},
    "taskadmin_task_result.token": {"state": "'queued'", "finished_at": "NULL"},
}
#: Columns with constraints, and keys, whose type SQLite enforces.
GUARDED = {
    *("taskadmin_channel.kind", "taskadmin_channel.gather_seconds", "taskadmin_rule.number"),
    *("taskadmin_process.kind", "taskadmin_process.ending", "taskadmin_run_progress.progress"),
    *("taskadmin_launch.kind", "taskadmin_launch.state", "taskadmin_schedule.kind"),
    *("taskadmin_task.job", "taskadmin_task.lower_limit", "taskadmin_task.upper_limit"),
    *("taskadmin_schedule.missed_runs", "taskadmin_schedule.overlap"),
    *(
        "taskadmin_task_result.state",
        "taskadmin_schedule.max_runs",
        "taskadmin_schedule.every_s",
    ),
    *("taskadmin_schedule.ends_at", "taskadmin_schedule.pause_after"),
}
#: With the id of a row.
PAGES = {
    "user": ("users/edit/?id={n}", "review/tasks/?user={n}"),
    "task": ("tasks/details/?id={n}", "tasks/edit/?id={n}", "runs/?task={n}", "runs/again/?id={n}"),
    "task_result": ("runs/details/?id={n}", "tasks/details/?id={n}"),
    "run_progress": ("runs/details/?id={n}",),
    "launch": ("launches/details/?id={n}", "runs/details/?id={n}"),
    "schedule": ("tasks/details/?id={n}", "tasks/edit/?id={n}", "runs/again/?id={n}"),
    "pause": ("tasks/details/?id={n}", "tasks/edit/?id={n}"),
    "audit": ("audit/?kind=task&id={n}", "tasks/details/?id={n}"),
}
#: Columns that mark a task, or a run's task, as deleted.
NO_PAGE = {"taskadmin_task.deleted_at", "taskadmin_task_result.task_id"}
LISTS = (
    *("dashboard/", "dashboard/?table=1", "failures/", "workers/", "tasks/?state=active"),
    *("runs/?search=arg.lower_limit:1", "tasks/?search=x", "launches/?missed=yes", "review/"),
)
#: Beginnings of paged lists' addresses.
BY_ID = ("runs/?before={n}", "launches/?before={n}", "audit/?before={n}")
BY_PAGE = ("tasks/?page={n}", "users/?page={n}", "review/?page={n}", "tasks/?state=paused&page={n}")


class Odd(NamedTuple):
    """A row with an odd value."""

    column: str
    table: str
    n: int


@pytest.fixture(params=list(ODD))
def odd(request: pytest.FixtureRequest, session: Session, superuser: FlaskClient) -> list[Odd]:
    """For each column, a row with the odd value, and rows that it refers to."""
    value = ODD[request.param]
    dialect, execute = session.get_bind().dialect, session.connection().exec_driver_sql
    assert execute("PRAGMA foreign_keys").scalar() == 0  # as in SQLite's shell
    rows: list[Odd] = []
    guarded = set()
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if column.primary_key and column.type.compile(dialect) == "INTEGER":
                continue  # SQLite accepts nothing else here
            row = Odd(str(column), table.name.removeprefix("taskadmin_"), len(rows) + 2)
            try:
                if row.table == "state":
                    done = execute(f"UPDATE {table.name} SET {column.name} = {value}")
                else:
                    more = TOGETHER.get(row.column, {}) | {column.name: value}
                    done = execute(_insert(row.table, row.n, more))
            except IntegrityError:
                guarded.add(row.column)
                continue
            assert done.rowcount == 1
            rows.append(row)
            for other in ("user", "task", "launch", "task_result"):
                if other != row.table:
                    paused = {"enabled": "false"} if (other, row.table) == ("task", "pause") else {}
                    execute(_insert(other, row.n, paused))
    session.commit()
    assert guarded <= GUARDED
    assert len(rows) > 100
    return rows


def _insert(table: str, n: int, more: dict[str, str]) -> str:
    given = {name: sql.replace("{n}", str(n)) for name, sql in (ROWS[table] | more).items()}
    return (
        f"INSERT INTO taskadmin_{table} ({', '.join(given)}) VALUES ({', '.join(given.values())})"
    )


def test_no_value_takes_a_page_down(odd: list[Odd], superuser: FlaskClient) -> None:
    """All pages of lists, and each row's own pages."""
    last = odd[-1].n
    paths = [*LISTS]
    paths += [path.format(n=n) for path in BY_ID for n in range(last + 1, 0, -25)]
    paths += [path.format(n=n) for path in BY_PAGE for n in range(last // 50 + 1)]
    paths += [
        path.format(n=row.n)
        for row in odd
        for path in PAGES.get(row.table, ())
        if row.column not in NO_PAGE
    ]

    def opened(path: str) -> int:
        return superuser.get(f"/taskadmin/{path}", follow_redirects=True).status_code

    found = {path: opened(path) for path in paths}
    assert {path: status for path, status in found.items() if status != 200} == {}


def test_exports_are_complete(odd: list[Odd], superuser: FlaskClient, session: Session) -> None:
    """One line per row that doesn't count as deleted."""
    wanted = {
        "tasks": "task WHERE deleted_at IS NULL",
        "runs": "task_result WHERE task_id IN (SELECT id FROM taskadmin_task WHERE"
        " deleted_at IS NULL)",
        "audit": "audit",
    }
    for kind, rows in wanted.items():
        ids = set(session.scalars(text(f"SELECT id FROM taskadmin_{rows}")))
        answer = superuser.get(f"/taskadmin/{kind}/export/json/")
        # After them, the audit trail has an entry per export.
        assert ids <= {row["id"] for row in json.loads(answer.text)}
        answer = superuser.get(f"/taskadmin/{kind}/export/csv/")
        assert ids <= {int(row["id"]) for row in csv.DictReader(io.StringIO(answer.text))}


def test_the_command_line_shows_all_of_them(app: Flask, odd: list[Odd]) -> None:
    """Tables, objects, the audit trail and YAML."""

    def run(*arguments: str) -> str:
        done = app.test_cli_runner().invoke(taskadmin_cli, list(arguments))
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        return done.output

    tasks = [row.n for row in odd if row.column not in NO_PAGE]
    assert len(json.loads(run("tasks", "list", "--json"))) >= len(tasks)
    run("tasks", "list")
    for row in odd:
        if row.table in ("task", "schedule", "pause") and row.column not in NO_PAGE:
            run("tasks", "show", str(row.n), "--json")
            run("tasks", "show", str(row.n))
    assert len(yaml.safe_load(run("tasks", "export"))["tasks"]) >= len(tasks)
    run("audit", "export")
    run("audit", "export", "--csv")
    run("jobs", "list")
