"""Addresses and requests that no page of ours makes."""

from __future__ import annotations

import io
import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.pages import next_messages
from taskadmin.models import Task, TaskResult, User

AWAY = [
    *("//evil.example", "https://evil.example", "javascript:alert(1)", "/\\evil.example"),
    *("\\\\evil.example", "///evil.example", "http:evil.example", "/\t/evil.example"),
    *("/%2f%2fevil.example", "/%5cevil.example", " //evil.example", "/\r\nX-Evil: 1"),
    *("//evil.example@localhost", "http://localhost@evil.example", "http:///evil.example"),
]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("target", AWAY)
def test_no_address_redirects_to_another_site(
    superuser: FlaskClient, make_task: MakeTask, target: str
) -> None:
    """Flask-Admin's ``url`` argument too, in the query and in forms."""
    task_id = str(make_task().id)

    answers = [
        superuser.get(f"/taskadmin/{path}", query_string={"url": target, "id": task_id})
        for path in (
            *("tasks/export/nonsense/", "users/export/csv/", "users/new/", "users/details/"),
            *("tasks/edit/", "tasks/details/", "tasks/new/", "profile"),
        )
    ]
    answers += [
        superuser.post("/taskadmin/tasks/action/", data={"url": target, **data})
        for data in (
            {"action": "pause", "rowid": task_id},
            {"action": "run_now", "rowid": task_id},
            {"action": "nonsense"},
            {},
        )
    ]
    answers.append(superuser.get("/taskadmin/login", query_string={"next": target}))
    answers.append(superuser.get("/taskadmin/register", query_string={"next": target}))

    for answer in answers:
        assert answer.status_code < 500, answer.request.path
        if answer.location is not None:
            assert answer.location.startswith("/taskadmin/"), answer.request.path


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", path) for path in ("tasks/delete/", "tasks/action/", "tasks/ajax/update/")),
        *(("GET", path) for path in ("users/delete/", "users/action/", "users/ajax/update/")),
        *((method, "tasks/?id=1") for method in ("POST", "PUT", "PATCH", "DELETE")),
        *((method, "tasks/details/?id=1") for method in ("PUT", "DELETE")),
        *((method, "tasks/edit/?id=1") for method in ("PUT", "DELETE")),
        *((method, "users/edit/?id=1") for method in ("PUT", "DELETE")),
        *((method, "login") for method in ("PUT", "DELETE")),
    ],
)
def test_a_wrong_method_changes_nothing(
    session: Session, superuser: FlaskClient, make_task: MakeTask, method: str, path: str
) -> None:
    """405; a link or a picture does nothing."""
    make_task()

    assert superuser.open(f"/taskadmin/{path}", method=method).status_code == 405
    assert session.scalar(select(func.count()).select_from(Task)) == 1


@pytest.mark.parametrize("action", ["run_now", "resume", "pause", "delete"])
@pytest.mark.settings(MAX_FORM_MEMORY_SIZE=None)
def test_a_selection_larger_than_any_page_is_no_error_of_the_server(
    session: Session, superuser: FlaskClient, make_task: MakeTask, action: str
) -> None:
    """More ids than a statement of PostgreSQL (65,535) or SQLite (32,766) has parameters."""
    make_task()
    body = f"action={action}&" + "&".join(f"rowid={number}" for number in range(1, 70_001))

    answer = superuser.post(
        "/taskadmin/tasks/action/",
        data=body,
        content_type="application/x-www-form-urlencoded",
    )

    assert answer.location == "/taskadmin/tasks/"
    assert next_messages(superuser) == ["Nothing was done: select at most 1,000 tasks."]
    assert session.scalar(select(func.count()).select_from(Task)) == 1
    assert session.scalar(select(func.count()).select_from(TaskResult)) == 0


def test_a_thousand_tasks_are_run_and_deleted_at_once(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """The largest selection, with its results."""
    session.add_all(
        Task(lower_limit=0, upper_limit=1, params={}, created_by=chief.id) for _ in range(1000)
    )
    session.commit()
    ids = [str(id_) for id_ in session.scalars(select(Task.id))]

    for action in ({"action": "run_now"}, {"action": "delete", "confirmed": "yes"}):
        superuser.post("/taskadmin/tasks/action/", data={"rowid": ids, **action})

    assert next_messages(superuser) == [
        "1,000 runs are queued and sent to the workers.",
        "1,000 tasks and 1,000 results deleted.",
    ]
    assert session.scalar(select(func.count()).where(Task.deleted_at.is_(None))) == 0
    open_runs = select(func.count()).where(TaskResult.finished_at.is_(None))
    assert session.scalar(open_runs) == 0


@pytest.mark.databases("sqlite")
def test_a_huge_field_is_an_error_at_the_field(session: Session, superuser: FlaskClient) -> None:
    """A host may have no limit for bodies."""
    data = {"name": "x" * 1_000_000, "lower_limit": "0" * 1_000_000, "upper_limit": "1"}

    answer = superuser.post("/taskadmin/tasks/new/", data=data)

    assert answer.status_code == 422
    assert "A name has at most 200 characters." in answer.text
    assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.databases("sqlite")
def test_a_thousand_and_one_fields_are_no_error_of_the_server(
    session: Session, superuser: FlaskClient
) -> None:
    """In either encoding of a form."""
    data = {f"field{number}": "1" for number in range(1001)}

    for kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        answer = superuser.post("/taskadmin/tasks/new/", data=data, content_type=kind)
        assert answer.status_code in (413, 422)
    assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "nonsense", "", "multipart/form-data"]
)
@pytest.mark.parametrize("path", ["tasks/new/", "tasks/action/", "profile"])
def test_a_body_of_another_kind_is_an_empty_form(
    session: Session, superuser: FlaskClient, path: str, kind: str
) -> None:
    """A form error; nothing is saved."""
    body = b'{"lower_limit": 0, "upper_limit": 1, "current": 1, "action": ["run_now"]}'

    answer = superuser.post(f"/taskadmin/{path}", data=body, content_type=kind)

    assert answer.status_code in (302, 404, 422)
    assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.databases("sqlite")
def test_files_are_no_text(session: Session, superuser: FlaskClient, chief: User) -> None:
    """A file under a field's name is an empty field."""

    def file() -> tuple[io.BytesIO, str]:
        return io.BytesIO(b"1"), "one.txt"

    created = superuser.post(
        "/taskadmin/tasks/new/",
        data={"name": file(), "lower_limit": file(), "upper_limit": file(), "version": file()},
    )
    changed = superuser.post("/taskadmin/profile", data={"current": file(), "password": file()})
    superuser.post("/taskadmin/tasks/action/", data={"action": file(), "rowid": file()})

    assert (created.status_code, changed.status_code) == (422, 422)
    assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("host", ["evil.example", "a b", "[::1", "localhost:99999999", "%00"])
def test_a_forged_host_header_leads_nowhere(client: FlaskClient, host: str) -> None:
    """Redirects are paths, whatever the browser says it asked for."""
    answer = client.get("/taskadmin/tasks/", headers={"Host": host})

    assert answer.status_code in (302, 400)
    if answer.location is not None:
        assert answer.location == "/taskadmin/login?next=/taskadmin/tasks/"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["tasks/export/a%0Achief logged in/", "tasks/export/%1B[2J/"])
def test_a_refusal_is_one_line_whatever_the_address_holds(
    plain: FlaskClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Line breaks and control characters of an address don't reach the log."""
    caplog.set_level(logging.INFO, "taskadmin")

    assert plain.get(f"/taskadmin/{path}").status_code == 403

    (line,) = [record.getMessage() for record in caplog.records]
    assert line.isprintable()
    assert line.endswith(" to boris")


@pytest.mark.databases("sqlite")
def test_text_of_people_is_text_on_every_page(
    superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """HTML and template syntax in names and searches is shown, not interpreted."""
    evil = "<img src=x onerror=alert(1)>{{7*7}}' OR 1=1 --"
    task_id = make_task(name=evil).id
    superuser.post("/taskadmin/tasks/action/", data={"action": "run_now", "rowid": str(task_id)})
    superuser.post(
        f"/taskadmin/tasks/edit/?id={task_id}",
        data={"name": evil, "lower_limit": "0", "upper_limit": "1", "version": "1"},
    )

    for path in (
        *("tasks/", f"tasks/details/?id={task_id}", f"tasks/edit/?id={task_id}"),
        *("runs/", "runs/details/?id=1", f"runs/?task={task_id}"),
        *("tasks/?search=%3Cimg%20src=x%3E", "users/?search=%3Cimg%20src=x%3E"),
    ):
        page = superuser.get(f"/taskadmin/{path}").text
        assert "<img" not in page, path
        assert "{{7*7}}" in page or "search" in path, path
        assert "&lt;img" in page, path


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["nowhere", "nowhere/at/all/", "tasks/nowhere/"])
def test_addresses_that_nobody_knows_are_said_so(superuser: FlaskClient, path: str) -> None:
    """In the frame, with the menu."""
    answer = superuser.get(f"/taskadmin/{path}")

    assert answer.status_code == 404
    assert "<h1>Not found</h1>" in answer.text
    assert 'href="/taskadmin/tasks/"' in answer.text


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["logout", "tasks/action/", "runs/action/"])
def test_addresses_of_forms_are_no_pages(superuser: FlaskClient, path: str) -> None:
    """Typed into a browser they answer in words, and with the methods that there are."""
    answer = superuser.get(f"/taskadmin/{path}")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert "<h1>Not found</h1>" in answer.text


@pytest.mark.databases("sqlite")
@pytest.mark.settings(MAX_CONTENT_LENGTH=1_000_000)
def test_forms_larger_than_the_host_takes_are_refused_in_words(superuser: FlaskClient) -> None:
    """By the host's own limit."""
    answer = superuser.post("/taskadmin/tasks/new/", data={"name": "x" * 1_100_000})

    assert answer.status_code == 413
    assert "<h1>Too large</h1>" in answer.text


@pytest.mark.databases("sqlite")
def test_other_addresses_are_the_hosts(superuser: FlaskClient) -> None:
    """Nothing is added outside of our prefix."""
    answer = superuser.get("/nowhere")

    assert answer.status_code == 404
    assert "taskadmin" not in answer.text


@pytest.mark.databases("sqlite")
def test_a_hosts_own_error_pages_stay(app: Flask, superuser: FlaskClient) -> None:
    """It wants its errors to look the same everywhere."""
    app.register_error_handler(404, lambda _: ("The host says so.", 404))

    assert superuser.get("/taskadmin/nowhere").text == "The host says so."


@pytest.mark.databases("sqlite")
def test_pages_that_ask_for_themselves_are_told_of_the_log_out(client: FlaskClient) -> None:
    """A redirect to the log in page would look to them like a page without their parts."""
    answer = client.get("/taskadmin/runs/", headers={"Taskadmin-Live": "1"})

    assert answer.status_code == 401
    assert "<h1>You are logged out</h1>" in answer.text
    assert client.get("/taskadmin/runs/").status_code == 302
