"""Addresses and requests that taskadmin's pages don't create."""

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
    """Flask-Admin's ``url`` argument neither, in the query or in forms."""
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
@pytest.mark.parametrize("path", ["tasks/action/", "runs/action/", "workers/action/"])
@pytest.mark.parametrize("harmless", ["query", "form"])
def test_the_address_that_is_checked_is_the_one_that_is_used(
    superuser: FlaskClient, make_task: MakeTask, path: str, harmless: str
) -> None:
    """With different ones in query and form, neither leads to another site."""
    own, other = "/taskadmin/tasks/", "//evil.example"
    form = {"action": "nonsense", "rowid": str(make_task().id)}
    actions = ("pause", "run_now", "resume", "cancel", "retry", "delete", "nonsense")

    for form["action"] in actions:
        form["url"], query = (other, own) if harmless == "query" else (own, other)
        answer = superuser.post(f"/taskadmin/{path}", query_string={"url": query}, data=form)

        assert answer.status_code in {302, 404}
        assert "evil" not in (answer.location or "") + answer.text


@pytest.mark.databases("sqlite")
def test_an_action_leads_back_to_a_search_for_anything(
    superuser: FlaskClient, make_task: MakeTask
) -> None:
    """Also with a backslash, which at the start of an address would lead away."""
    back = "/taskadmin/tasks/?search=a%5Cb%0A"
    data = {"action": "resume", "rowid": str(make_task().id), "url": back}

    assert superuser.post("/taskadmin/tasks/action/", data=data).location == back


@pytest.mark.parametrize("action", ["run_now", "resume", "pause", "delete"])
@pytest.mark.settings(MAX_FORM_MEMORY_SIZE=None)
def test_a_selection_larger_than_any_page_is_no_error_of_the_server(
    session: Session, superuser: FlaskClient, make_task: MakeTask, action: str
) -> None:
    """It has more ids than a statement of PostgreSQL (65,535) or SQLite (32,766) has parameters."""
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
        "1,000 runs queued and sent to the workers.",
        "1,000 tasks and 1,000 results deleted.",
    ]
    assert session.scalar(select(func.count()).where(Task.deleted_at.is_(None))) == 0
    open_runs = select(func.count()).where(TaskResult.finished_at.is_(None))
    assert session.scalar(open_runs) == 0


@pytest.mark.databases("sqlite")
def test_a_huge_field_is_an_error_at_the_field(session: Session, superuser: FlaskClient) -> None:
    """A host may have no limit on bodies."""
    data = {"name": "x" * 1_000_000, "lower_limit": "0" * 1_000_000, "upper_limit": "1"}

    answer = superuser.post("/taskadmin/tasks/new/", data=data)

    assert answer.status_code == 422
    assert "A name can have at most 200 characters." in answer.text
    assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.databases("sqlite")
def test_a_thousand_and_one_fields_are_no_error_of_the_server(
    session: Session, superuser: FlaskClient
) -> None:
    """In both encodings of a form."""
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
    """The form shows errors, and nothing is saved."""
    body = b'{"lower_limit": 0, "upper_limit": 1, "current": 1, "action": ["run_now"]}'

    answer = superuser.post(f"/taskadmin/{path}", data=body, content_type=kind)

    assert answer.status_code in (302, 404, 422)
    assert session.scalar(select(func.count()).select_from(Task)) == 0


@pytest.mark.databases("sqlite")
def test_files_are_no_text(session: Session, superuser: FlaskClient, chief: User) -> None:
    """A file with a field's name is an empty field."""

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
    """Redirects are paths, independent of the Host header."""
    answer = client.get("/taskadmin/tasks/", headers={"Host": host})

    assert answer.status_code in (302, 400)
    if answer.location is not None:
        assert answer.location == "/taskadmin/login?next=/taskadmin/tasks/"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("path", ["tasks/export/a%0Achief logged in/", "tasks/export/%1B[2J/"])
def test_a_refusal_is_one_line_whatever_the_address_holds(
    plain: FlaskClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Line breaks and control characters aren't logged."""
    caplog.set_level(logging.INFO, "taskadmin")

    assert plain.get(f"/taskadmin/{path}").status_code == 403

    (line,) = [record.getMessage() for record in caplog.records]
    assert line.isprintable()
    assert "' by 'boris' from " in line


@pytest.mark.databases("sqlite")
def test_text_of_people_is_text_on_every_page(
    superuser: FlaskClient, make_task: MakeTask, chief: User
) -> None:
    """HTML and template syntax in names and searches is escaped."""
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
@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((path, 404) for path in ("nowhere", "nowhere/at/all/", "tasks/nowhere/")),
        # Addresses of forms, opened in a browser.
        *((path, 405) for path in ("logout", "tasks/action/", "runs/action/")),
    ],
)
def test_unknown_urls_have_taskadmins_404_page(
    superuser: FlaskClient, path: str, status: int
) -> None:
    """In taskadmin's layout; other addresses of the host are unchanged."""
    answer = superuser.get(f"/taskadmin/{path}")

    assert (answer.status_code, "POST" in answer.headers.get("Allow", "")) == (
        status,
        status == 405,
    )
    assert "<h1>Not found</h1>" in answer.text
    assert 'href="/taskadmin/tasks/"' in answer.text
    assert "taskadmin" not in superuser.get(f"/{path}").text


@pytest.mark.databases("sqlite")
def test_a_hosts_own_error_pages_stay(app: Flask, superuser: FlaskClient) -> None:
    """Its handlers take precedence."""
    app.register_error_handler(404, lambda _: ("The host says so.", 404))

    assert superuser.get("/taskadmin/nowhere").text == "The host says so."


@pytest.mark.databases("sqlite")
def test_polls_get_401_after_logging_out(client: FlaskClient) -> None:
    """A redirect to the log in page would look like a page without live parts."""
    answer = client.get("/taskadmin/runs/", headers={"Taskadmin-Live": "1"})

    assert answer.status_code == 401
    assert "<h1>You are logged out</h1>" in answer.text
    assert client.get("/taskadmin/runs/").status_code == 302
