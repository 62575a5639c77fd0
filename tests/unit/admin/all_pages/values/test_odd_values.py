"""Rows with values that taskadmin wouldn't store don't break pages or exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.cli import taskadmin_cli
from taskadmin.jobs import job, registry
from taskadmin.models import Base, Process, ProcessKind, TaskPause, TaskSchedule, User, UtcDateTime

#: JSON texts, by their oddity.
ODD = {
    "half of a pair": r'"\udcff.txt"',
    "other half": r'["\ud83d"]',
    "half in a name": r'{"\udcff": 1}',
    "NUL": r'{"a": "x\u0000y"}',
    "NUL in a name": r'{"a\u0000": 1}',
    "pair": r'"\ud83d\ude00"',
    "escaped escape": r'"\\u0000 \\\\ud800"',
    "150 levels": "[" * 150 + "]" * 150,
    "900 levels": "[" * 900 + "]" * 900,
    "3,000 levels": "[" * 3_000 + "]" * 3_000,
    "3,000 mappings": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "12,000 levels": "[" * 12_000 + "]" * 12_000,
    "20 digits": "9" * 20,
    "5,000 digits": "[" + "9" * 5_000 + "]",
    "infinite": "[1e999, -1e999]",
    "null": "null",
    "true": "true",
    "number": "5",
    "text": '"a"',
    "odd names": '{"": 1, "1": 2, "<b>": "<b>", "1": 3}',
    "long": json.dumps(["ü" * 1000] * 15),
}
#: Texts that SQLite also accepts as JSON.
ODD_ON_SQLITE = {"nan": "NaN", "infinity": '{"a": -Infinity}', "no JSON": "{", "empty": ""}


@pytest.fixture(autouse=True)
def takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that takes anything, of this test alone."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="takes")
    def takes(number: int = 0, anything: Any = None, text: str = "") -> object:
        """Return what it is given."""
        return anything


#: Columns that consist of the value alone, without a mapping.
WHOLE = ("half of a pair", "3,000 levels", "null", "number")


@pytest.fixture
def odd(session: Session, make_task: MakeTask, chief: User, database: str) -> list[int]:
    """Tasks with a run and audit entries: one row per odd value."""
    values = ODD if database == "postgresql" else ODD | ODD_ON_SQLITE
    wanted = [(f'{{"anything": {value}, "number": 7}}', value) for value in values.values()]
    wanted += [(values[name], values[name]) for name in WHOLE]
    ids: list[int] = []
    for whole, value in wanted:
        task = make_task(chief, name=f"Task {len(ids)}", job="takes", params={"number": 7})
        ids.append(task.id)
        _put(session, task.id, whole, value)
    session.commit()
    return ids


def _put(session: Session, id_: int, whole: str, value: str) -> None:
    """Add rows with or about this id: *whole* in place of a mapping, *value* in place of others."""
    json_ = "json" if session.get_bind().dialect.name == "postgresql" else "text"

    def execute(statement: str, **given: Any) -> None:
        session.execute(text(statement), given)

    def insert(table: str, **columns: Any) -> None:
        values = (f"CAST(:{name} AS {json_})" if name in JSON else f":{name}" for name in columns)
        names = ", ".join(columns)
        execute(f"INSERT INTO taskadmin_{table} ({names}) VALUES ({', '.join(values)})", **columns)

    log = f'[{{"attempt": {value}, "started_at": {value}, "worker": {value}, "error": {value}}}]'
    lines = f'[{value}, ["2026-01-01T00:00:00Z", 1, {value}]]'
    execute(
        f"UPDATE taskadmin_task SET params = CAST(:whole AS {json_}) WHERE id = :id",
        id=id_,
        whole=whole,
    )
    insert("launch", id=id_, kind="manual", state="published", opened_at=AT, requested_by=1)
    insert(
        "task_result",
        id=id_,
        task_id=id_,
        launch_id=id_,
        job="takes",
        queue="q",
        state="succeeded",
        attempts=1,
        **dict.fromkeys(("due_at", "queued_at", "started_at", "finished_at"), AT),
        task_params=whole,
        output=value,
        attempt_log=log if whole != value else value,
    )
    insert("run_progress", result_id=id_, updated_at=AT, lines=lines if whole != value else value)
    trail = {"at": AT, "actor": "ana", "source": "s", "subject_id": id_, "subject": "Task"}
    insert("audit", action="changed", subject_kind="task", before=whole, after=value, **trail)
    insert("audit", action="retried", subject_kind="run", after=whole, **trail)


AT = "2026-01-01 00:00:00.000000"
JSON = ("task_params", "output", "attempt_log", "lines", "before", "after")
LISTS = (
    *("tasks/", "runs/", "launches/", "audit/", "dashboard/", "workers/", "review/", "users/"),
    *("failures/", "review/tasks/?user=1", "dashboard/?table=1", "tasks/?state=active"),
)
#: With the id of a task, which is also its run's and its launch's.
PAGES = (
    *("tasks/details/?id=", "tasks/edit/?id=", "runs/details/?id=", "runs/again/?id="),
    *("launches/details/?id=", "runs/?task=", "audit/?kind=task&id=", "audit/?kind=run&id="),
)


@pytest.fixture
def answers_200(superuser: FlaskClient) -> Callable[[str], str]:
    """Open a page, check its status, and return its text."""

    def get(path: str) -> str:
        answer = superuser.get(f"/taskadmin/{path}")
        assert answer.status_code == 200, path
        return answer.text

    return get


def test_no_value_takes_a_page_down(odd: list[int], answers_200: Callable[[str], str]) -> None:
    """Lists of all rows, and each row's own pages."""
    for path in LISTS:
        answers_200(path)
    for id_ in odd:
        for path in PAGES:
            answers_200(f"{path}{id_}")


def test_exports_are_complete(
    odd: list[int], answers_200: Callable[[str], str], session: Session
) -> None:
    """One line per row, readable by other programs."""
    for kind in ("tasks", "runs", "audit"):
        ids = session.scalars(text(f"SELECT id FROM taskadmin_{TABLES[kind]} ORDER BY id")).all()
        rows = json.loads(answers_200(f"{kind}/export/json/"), parse_constant=_no_constant)
        assert sorted(row["id"] for row in rows)[: len(ids)] == list(ids)
        lines = list(csv.DictReader(io.StringIO(answers_200(f"{kind}/export/csv/"))))
        # The audit trail now has an entry per export.
        assert sorted(int(line["id"]) for line in lines)[: len(ids)] == list(ids)


#: The audit trail can't be changed, and a session without a time ends.
UNCHANGED = {"taskadmin_audit", "taskadmin_session"}
TABLES = {"tasks": "task", "runs": "task_result", "audit": "audit"}


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def test_the_command_line_shows_all_of_them(
    app: Flask, odd: list[int], session: Session, database: str
) -> None:
    """Tables, objects, the audit trail and YAML, whose import changes nothing."""

    def run(*arguments: str, text: str | None = None) -> str:
        done = app.test_cli_runner().invoke(taskadmin_cli, list(arguments), input=text)
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        done.output.encode()
        return done.output

    entries = session.scalar(text("SELECT count(*) FROM taskadmin_audit"))
    # Each export begins with its own entry.
    assert len(run("audit", "export").splitlines()) == entries + 1
    rows = csv.reader(io.StringIO(run("audit", "export", "--csv")))
    assert len(list(rows)) == 1 + entries + 2  # with the header
    assert len(json.loads(run("tasks", "list", "--json"))) == len(odd)
    assert len(run("tasks", "list").splitlines()) == 1 + len(odd)
    for id_ in odd:
        assert json.loads(run("tasks", "show", str(id_), "--json"))["id"] == id_
        run("tasks", "show", str(id_))
    exported = run("tasks", "export")
    assert len(yaml.safe_load(exported)["tasks"]) == len(odd)
    before = session.scalars(text("SELECT CAST(params AS text) FROM taskadmin_task ORDER BY id"))
    kept = list(before)
    said = run("tasks", "import", "-", text=exported)
    assert f"0 created, 0 changed, {len(odd)} unchanged." in said
    session.rollback()
    now = session.scalars(text("SELECT CAST(params AS text) FROM taskadmin_task ORDER BY id"))
    assert list(now) == kept


@pytest.mark.parametrize("where", ["tasks/", "runs/"])
def test_a_search_never_fails_for_a_row(
    odd: list[int], answers_200: Callable[[str], str], database: str, where: str
) -> None:
    """The row's other values are found, unless it is nested too deeply for the database."""
    unsearchable = {"12,000 levels"}
    if database == "sqlite":
        unsearchable |= {"3,000 levels", "3,000 mappings", *ODD_ON_SQLITE}
    values = ODD if database == "postgresql" else ODD | ODD_ON_SQLITE
    found = answers_200(f"{where}?search=arg.number:7")
    for place, name in enumerate(values):
        assert (f">Task {place}<" in found) == (name not in unsearchable), name
    for search in ("arg.anything:x", "arg.nothing:1", "arg.anything:5", "arg.number:7+arg.a:1"):
        answers_200(f"{where}?search={search}")
    assert f">Task {list(values).index('number')}<" in answers_200(f"{where}?search=arg.anything:5")


@pytest.mark.parametrize("bad", ["%00", "a%00b", "%ED%A0%80", "%FF", "arg.a:%00", "arg.%00:1"])
def test_searches_accept_any_characters(answers_200: Callable[[str], str], bad: str) -> None:
    """PostgreSQL accepts neither NUL nor invalid UTF-8."""
    for path in ("tasks/", "runs/", "launches/", "users/", "audit/", "review/"):
        answers_200(f"{path}?search={bad}&text={bad}")
    for name in ("job", "error", "author", "worker", "queue"):
        answers_200(f"runs/?search={name}:{bad}")


@pytest.mark.databases("sqlite")
def test_texts_with_a_nul_are_shown(
    session: Session, odd: list[int], answers_200: Callable[[str], str]
) -> None:
    """SQLite stores them in any text column."""
    for table, columns in {
        "task": ("name",),
        "task_result": ("reason", "error", "error_type", "worker", "queue"),
        "launch": ("reason",),
    }.items():
        for column in columns:
            session.execute(text(f"UPDATE taskadmin_{table} SET {column} = 'a' || char(0) || 'b'"))
    session.commit()
    for path in (*LISTS, *(f"{page}{odd[0]}" for page in PAGES)):
        answers_200(path)
    for kind in TABLES:
        assert len(json.loads(answers_200(f"{kind}/export/json/"))) >= len(odd)
        assert len(list(csv.DictReader(io.StringIO(answers_200(f"{kind}/export/csv/"))))) >= len(
            odd
        )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1.7e308", "1e-320"])
def test_results_that_are_no_number_are_shown(
    session: Session,
    odd: list[int],
    answers_200: Callable[[str], str],
    database: str,
    number: str,
) -> None:
    """PostgreSQL stores all of them, SQLite infinity."""
    value = f"CAST('{number}' AS double precision)"
    if database == "sqlite":
        value = {"NaN": "NULL", "Infinity": "9e999", "-Infinity": "-9e999"}.get(number, number)
    session.execute(text(f"UPDATE taskadmin_task_result SET output = NULL, result = {value}"))
    session.commit()
    for path in (*LISTS, *(f"{page}{odd[0]}" for page in PAGES)):
        answers_200(path)
    rows = json.loads(answers_200("runs/export/json/"), parse_constant=_no_constant)
    assert len(rows) == len(odd)
    answers_200("runs/export/csv/")


ODD_TIMES = {
    "postgresql": (
        *("infinity", "-infinity", "0044-03-15 00:00:00+00 BC", "12026-01-01 00:00:00+00"),
        *("0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00"),
    ),
    "sqlite": (
        *("", "soon", "-4711-01-01 00:00:00.000000", "12026-01-01 00:00:00.000000"),
        *("0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"),
    ),
}
#: Columns that can be set in any row.
FREE = ("published_at", "not_before", "ticked_at", "watched_from", "slots_upto", "counted_upto")


@pytest.mark.parametrize("place", range(6))
def test_times_out_of_range_are_shown(
    session: Session,
    odd: list[int],
    answers_200: Callable[[str], str],
    database: str,
    place: int,
) -> None:
    """In all columns of times, on all pages and in exports."""
    now = datetime.now(UTC)
    for kind in ProcessKind:
        session.add(
            Process(id=uuid4(), kind=kind, name=kind, host="h", pid=7, started_at=now, seen_at=now)
        )
    session.add(TaskPause(task_id=odd[0], paused_at=now, resume_at=now))
    session.add(
        TaskSchedule(task_id=odd[0], kind="interval", every_seconds=60, starts_at=now, next_due=now)
    )
    session.execute(text(f"UPDATE taskadmin_task SET enabled = false WHERE id = {odd[0]}"))
    session.flush()
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if not isinstance(column.type, UtcDateTime) or table.name in UNCHANGED:
                continue
            where = "true" if column.name in FREE else f"{column.name} IS NOT NULL"
            session.execute(
                text(f"UPDATE {table.name} SET {column.name} = :value WHERE {where}"),
                {"value": ODD_TIMES[database][place]},
            )
    session.execute(
        text(
            "INSERT INTO taskadmin_audit (at, actor, source, action, subject_kind, subject_id,"
            " subject) VALUES (:value, 'ana', 's', 'changed', 'task', :id, 'Task')"
        ),
        {"value": ODD_TIMES[database][place], "id": odd[0]},
    )
    session.commit()
    for path in (*LISTS, *(f"{page}{odd[0]}" for page in PAGES)):
        answers_200(path)
    for list_ in TABLES:
        assert len(json.loads(answers_200(f"{list_}/export/json/"))) >= len(odd)
        answers_200(f"{list_}/export/csv/")


@pytest.mark.parametrize("number", ["123456789012345678", "-1e300", "1e300"])
def test_launches_with_slots_of_any_length_are_shown(
    session: Session, odd: list[int], answers_200: Callable[[str], str], number: str
) -> None:
    """Also if longer than Python's durations."""
    session.execute(text(f"UPDATE taskadmin_launch SET interval_s = {number}"))
    session.commit()
    answers_200("launches/")
    answers_200(f"launches/details/?id={odd[0]}")
