"""The same values can be stored by forms, command line, files and functions of the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask, MakeUser
from services.browser import sign_in
from services.pages import field_errors
from taskadmin.cli import taskadmin_cli
from taskadmin.errors import Unstorable
from taskadmin.jobs import all_jobs, job, registry
from taskadmin.models import AuditEntry, Task, TaskPause, TaskResult
from taskadmin.store.launches.manual import launch_manually
from taskadmin.store.people.audit import Actor
from taskadmin.store.tasks import pauses, tasks
from taskadmin.values.storable import check_value, escaped_text, is_deeper, read_json

ODD = "This text contains a character that can't be stored."
DEEP = "This value is nested more than 100 levels deep."


def nested(levels: int) -> Any:
    """Return nested lists."""
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


#: Values with the reason for refusal; the last item is the form's own message for JSON.
REFUSED = {
    "NUL": ("a\0b", ODD, "This JSON contains a character that can't be stored."),
    "NUL inside": ({"a": ["\0"]}, ODD, "This JSON contains a character that can't be stored."),
    "NUL in a name": ({"\0": 1}, ODD, "This JSON contains a character that can't be stored."),
    "too deep": (nested(101), DEEP, "This JSON is nested too deeply."),
}


@pytest.fixture(autouse=True)
def takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that takes anything, of this test alone."""
    monkeypatch.setattr(registry, "_jobs", dict(registry._jobs))

    @job(name="takes")
    def takes(number: int = 0, anything: Any = None) -> None:
        """Do nothing."""


@pytest.fixture
def task(make_task: MakeTask) -> Task:
    """A task of that job."""
    return make_task(name="Old", job="takes", params={"number": 1})


@pytest.fixture
def superuser(app: Flask, make_user: MakeUser) -> FlaskClient:
    """A superuser's browser."""
    return sign_in(app.test_client(), make_user("chief", is_superuser=True))


@pytest.fixture
def run(app: Flask) -> Callable[..., Result]:
    """Run a command."""

    def invoke(*arguments: str, text: str | None = None) -> Result:
        return app.test_cli_runner().invoke(taskadmin_cli, list(arguments), input=text)

    return invoke


def rows(session: Session) -> list[Any]:
    """Return all rows that the inputs could have changed."""
    session.expire_all()
    counts = [session.scalar(select(func.count()).select_from(one)) for one in (TaskResult, Task)]
    return [*counts, session.scalars(select(Task)).one().params]


@pytest.mark.parametrize("name", REFUSED)
def test_every_way_in_refuses_the_same(
    session: Session,
    superuser: FlaskClient,
    run: Callable[..., Result],
    task: Task,
    name: str,
) -> None:
    """With a message, and nothing is changed."""
    value, why, in_form = REFUSED[name]
    typed = json.dumps(value)
    before = rows(session)

    form = superuser.post(
        f"/taskadmin/tasks/edit/?id={task.id}",
        data={"name": "x", "job": "takes", "version": "1", "arg-anything": typed},
    )
    assert (form.status_code, field_errors(form.text)) == (422, [("arg-anything", in_form)])
    session.add(task)
    made = launch_manually(session, [task.id], **by_hand())
    session.commit()
    before[0] += 1
    again = superuser.post(
        f"/taskadmin/runs/again/?id={made.launch_id}", data={"arg-anything": typed}
    )
    assert (again.status_code, field_errors(again.text)) == (422, [("arg-anything", in_form)])
    other = run("tasks", "run", str(task.id), "--arg", f"anything={typed}")
    assert (other.exit_code, other.output) == (1, f"Error: {in_form}\n")
    arguments = json.dumps({"anything": value})
    file = f"tasks:\n- {{name: Old, job: takes, arguments: {arguments}}}\n"
    imported = run("tasks", "import", "-", text=file)
    assert imported.exit_code == 1
    assert f"line 2, Old: arguments: anything: {why}" in imported.output
    with pytest.raises(Unstorable, match=why.rstrip(".")):
        tasks.create_task(
            session, author_id=task.created_by, job="takes", arguments={"anything": value}
        )
    with pytest.raises(Unstorable, match=why.rstrip(".")):
        launch_manually(session, [task.id], arguments={"anything": value}, **by_hand())
    with pytest.raises(Unstorable, match=why.rstrip(".")):
        session.get_one(Task, task.id).params = {"anything": value}
    session.rollback()
    assert rows(session) == before


def by_hand() -> dict[str, Any]:
    """Arguments of all manual launches."""
    ids = {"request_key": uuid4(), "owner": uuid4()}
    return {"requested_by": None, "jobs": all_jobs(), **ids}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (".nan", "Expected a finite number."),
        ("[.inf]", "Expected a finite number."),
        ("{a: -.inf}", "Expected a finite number."),
        ("1e999", "Expected a finite number."),
        ('"\\0"', ODD),
        ("[" * 99 + "]" * 99, None),
        ("[" * 100 + "]" * 100, DEEP),
        ("2026-01-01", None),
        ("9" * 400, None),
    ],
)
def test_values_of_files(
    session: Session, run: Callable[..., Result], task: Task, written: str, why: str | None
) -> None:
    """They are stored unchanged, or refused with the line."""
    done = run(
        *("tasks", "import", "-"),
        text=f"tasks:\n- name: Old\n  job: takes\n  arguments:\n    anything: {written}\n",
    )
    session.expire_all()
    if why is not None:
        assert f"line 5, Old: arguments: anything: {why}" in done.output
        assert (done.exit_code, task.params) == (1, {"number": 1})
        return
    assert done.exit_code == 0, done.output
    exported = run("tasks", "export").output
    assert "1 unchanged" in run("tasks", "import", "-", text=exported).output
    assert task.params["anything"] in ("2026-01-01", int("9" * 400), nested(99))


@pytest.mark.parametrize("name", ["a\0b", "\udcff"])
def test_names_are_refused(session: Session, task: Task, name: str) -> None:
    """Also by the store's functions."""
    with pytest.raises(Unstorable, match="contains a character"):
        tasks.create_task(session, author_id=task.created_by, job="takes", arguments={}, name=name)
    with pytest.raises(Unstorable, match="contains a character"):
        task.name = name


@pytest.mark.parametrize(("note", "stored"), [("a\0b", r"a\x00b"), ("\udcff", r"\udcff")])
def test_notes_and_the_trail_are_spelt_out(
    session: Session, task: Task, note: str, stored: str
) -> None:
    """Free text is never refused; characters are escaped."""
    pauses.pause_tasks(session, [task.id], actor=Actor(None, note, note), note=note)
    assert session.scalars(select(TaskPause.note)).one() == stored
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None
    assert (entry.actor, entry.source) == (stored, stored)
    assert entry.after is not None and entry.after["note"] == stored


def test_a_note_of_a_file_is_the_same_the_next_time(
    session: Session, run: Callable[..., Result], task: Task
) -> None:
    """It is escaped before it is compared."""
    file = (
        'tasks:\n- name: Old\n  job: takes\n  paused: {note: "a\\0b"}\n  arguments: {number: 1}\n'
    )
    assert "1 changed" in run("tasks", "import", "-", text=file).output
    assert "1 unchanged" in run("tasks", "import", "-", text=file).output
    assert session.scalars(select(TaskPause.note)).one() == r"a\x00b"


def test_values_stored_earlier_keep_working(
    session: Session, superuser: FlaskClient, task: Task
) -> None:
    """Values stored earlier are run, edited and kept, but not copied."""
    session.execute(
        Task.__table__.update().values(params={"number": 1, "anything": "a\0b"})  # type: ignore[attr-defined]
    )
    session.commit()
    assert launch_manually(session, [task.id], **by_hand()).runs == 1
    action = {"action": "clone", "rowid": str(task.id)}
    answer = superuser.post("/taskadmin/tasks/action/", data=action, follow_redirects=True)
    assert f"Old: {ODD}".replace("'", "&#39;") in answer.text
    session.expire_all()
    tasks.update_task(session, task, version=1, arguments=task.arguments, name="New", enabled=True)
    assert (task.name, task.params["anything"]) == ("New", "a\0b")


@pytest.mark.parametrize("levels", [100, 20_000])
def test_depth_is_counted_without_recursion(levels: int) -> None:
    """Also of recursive values, and of a list referenced twice on many levels."""
    assert not is_deeper(nested(levels), levels)
    assert is_deeper(nested(levels), levels - 1)
    doubled: list[Any] = []
    for _ in range(60):
        doubled = [doubled, doubled]
    assert not is_deeper(doubled, 61)
    doubled.append(doubled)
    assert is_deeper(doubled, 1_000)


@pytest.mark.parametrize("text", [r"\u0000", "\\", "ü😀", '"', "\x01", "\x7f", r"\\u0000 \ud800"])
def test_written_out_escapes_are_stored(text: str) -> None:
    """A written-out escape is ordinary text."""
    check_value({text: [text]})
    assert read_json(json.dumps({text: [text]})) == {text: [text]}
    escaped = {"\x01": r"\x01", "\x7f": r"\x7f"}
    assert escaped_text(text) == escaped.get(text, text)
