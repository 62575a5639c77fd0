"""Tables of any revision, and rows in them, by plain SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, inspect, text

from taskadmin.migrations import VERSION_TABLE

#: Tables added after the first four revisions.
LATER = {
    "taskadmin_api_request",
    "taskadmin_api_token",
    "taskadmin_channel",
    "taskadmin_notice",
    "taskadmin_rule",
    "taskadmin_recovery_code",
    "taskadmin_second_factor",
    "taskadmin_session",
    "taskadmin_job_duration",
    "taskadmin_minute_count",
    "taskadmin_audit",
    "taskadmin_pause",
    "taskadmin_process",
    "taskadmin_run_progress",
    "taskadmin_run_total",
    "taskadmin_schedule",
    "taskadmin_state",
    "taskadmin_throttle",
}


TABLES = {
    *LATER,
    "taskadmin_launch",
    "taskadmin_task",
    "taskadmin_task_result",
    "taskadmin_user",
    VERSION_TABLE,
}


MOMENT = "2026-01-01 00:00:00"


def run(sql: Engine, statement: str, **values: Any) -> None:
    with sql.begin() as connection:
        connection.execute(text(statement), values)


def rows(sql: Engine, statement: str) -> list[tuple[Any, ...]]:
    with sql.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def add_user(sql: Engine, name: str) -> None:
    run(
        sql,
        "INSERT INTO taskadmin_user (username, username_key, session_nonce, created_at)"
        " VALUES (:name, :name, 'x', :moment)",
        name=name,
        moment=MOMENT,
    )


def tables(sql: Engine) -> set[str]:
    return set(inspect(sql).get_table_names())
