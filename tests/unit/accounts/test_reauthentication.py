"""Changes that require the password again."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from fixture_types import MakeTask, MakeUser, SignIn
from services.pages import field_errors, next_messages
from taskadmin.models import Task, User, UserSession
from taskadmin.store.database.clock import now
from taskadmin.store.people.passwords import verify_password

ASKS = "<h1>Confirm it&#39;s you</h1>"
USERS = "/taskadmin/users"
#: Forms of addresses that require it; {ana} and {task} are ids.
GUARDED = {
    f"{USERS}/edit/?id={{ana}}": {"is_active": "y", "can_review_tasks": "y"},
    f"{USERS}/password/?id={{ana}}": {"password": "a chosen password"},
    "/taskadmin/tasks/delete/": {"id": "{task}"},
    "/taskadmin/tasks/action/": {"action": "delete", "rowid": "{task}", "confirmed": "yes"},
    "/taskadmin/sessions/end": {"id": "1"},
    "/taskadmin/sessions/end-all": {},
}
#: Forms that can't continue, because they contain a password.
SENT_BACK = {f"{USERS}/password/?id={{ana}}"}


class _Fields(HTMLParser):
    """Hidden fields, with repeated names."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden" and given.get("name"):
            self.fields.setdefault(given["name"] or "", []).append(given.get("value") or "")


def hidden(page: str) -> dict[str, list[str]]:
    """Return the hidden fields of the password form."""
    parser = _Fields()
    parser.feed(page[page.index(ASKS) :])
    return parser.fields


def answer(client: FlaskClient, path: str, page: str, password: str) -> TestResponse:
    """Submit the password form."""
    return client.post(path, data={**hidden(page), "confirm_password": password})


@pytest.fixture
def boss(make_user: MakeUser, password: str) -> User:
    """A superuser with a password."""
    return make_user("boss", password, is_superuser=True)


@pytest.fixture
def late(session: Session, sign_in: SignIn, boss: User) -> FlaskClient:
    """The superuser's browser, 16 minutes after log in."""
    client = sign_in(boss)
    moment = now(session) - timedelta(minutes=16)
    session.execute(update(UserSession).values(confirmed_at=moment))
    session.commit()
    return client


@pytest.fixture
def ids(ana: User, make_task: MakeTask) -> dict[str, int]:
    """Ids for the addresses."""
    return {"ana": ana.id, "task": make_task(ana, name="Dice").id}


def filled(fields: dict[str, str], ids: dict[str, int]) -> dict[str, str]:
    """Return the fields with ids inserted."""
    return {name: value.format(**ids) for name, value in fields.items()}


def state_of(session: Session, ids: dict[str, int]) -> list[object]:
    """Return the data that the forms could change."""
    session.expire_all()
    ana = session.get_one(User, ids["ana"])
    tasks = session.scalar(select(func.count(Task.id)).where(Task.deleted_at.is_(None)))
    return [ana.can_review_tasks, ana.password_hash, tasks]


@pytest.mark.parametrize("path", GUARDED)
def test_a_late_form_changes_nothing_before_the_password_is_entered(
    session: Session, late: FlaskClient, ids: dict[str, int], password: str, path: str
) -> None:
    """Wrong passwords get a message; after the right one, the form is processed."""
    before, at = state_of(session, ids), path.format(**ids)
    data = filled(GUARDED[path], ids)

    asked = late.post(at, data=data)
    refused = answer(late, at, asked.text, "wrong password")

    assert (asked.status_code, ASKS in asked.text) == (200, True)
    assert refused.status_code == 422
    assert field_errors(refused.text) == [("confirm_password", "Wrong password.")]
    assert state_of(session, ids) == before
    kept = {name: [value] for name, value in data.items() if name != "password"}
    for page in (asked.text, refused.text):
        assert "a chosen password" not in page
        assert {**kept, "confirm_next": ["post"]}.items() <= hidden(page).items()

    done = answer(late, at, refused.text, password)

    assert done.status_code == 302
    if path in SENT_BACK:
        assert state_of(session, ids) == before
        assert done.location == f"{USERS}/edit/?id={ids['ana']}"
        assert next_messages(late) == ["Nothing has changed yet: send the form again."]
        assert late.post(at, data=data).status_code == 200
        assert verify_password(state_of(session, ids)[1], "a chosen password")  # type: ignore[arg-type]
    elif not path.startswith("/taskadmin/sessions"):
        assert state_of(session, ids) != before


@pytest.mark.parametrize("path", GUARDED)
def test_the_password_is_asked_once_within_a_quarter_of_an_hour(
    session: Session, sign_in: SignIn, boss: User, ids: dict[str, int], path: str
) -> None:
    """Logging in counts."""
    answer_ = sign_in(boss).post(path.format(**ids), data=filled(GUARDED[path], ids))

    assert ASKS not in answer_.text
    assert answer_.status_code in (200, 302)


def test_the_question_comes_before_the_form(
    session: Session, late: FlaskClient, ids: dict[str, int], password: str
) -> None:
    """It leads to the form, without submitting an empty one."""
    path = f"{USERS}/edit/?id={ids['ana']}"
    before = state_of(session, ids)
    asked = late.get(path)

    refused = answer(late, path, asked.text, "wrong password")
    done = answer(late, path, refused.text, password)

    assert (asked.status_code, refused.status_code, done.location) == (200, 422, path)
    assert state_of(session, ids) == before
    assert "<h1>Ana</h1>" in late.get(path).text


def test_confirming_the_password_replaces_the_cookie(
    session: Session, late: FlaskClient, ids: dict[str, int], password: str, app: object
) -> None:
    """Copies of the old one become invalid."""
    path = f"{USERS}/edit/?id={ids['ana']}"
    old = late.get_cookie("session")
    assert old is not None

    answer(late, path, late.get(path).text, password)

    assert late.get(path).status_code == 200
    late.set_cookie("session", old.value)
    assert late.get(path).location.startswith("/taskadmin/login")


def test_several_fields_of_one_name_are_kept(
    session: Session, late: FlaskClient, make_task: MakeTask, password: str
) -> None:
    """As for selected tasks, whose confirmation comes next."""
    numbers = [str(make_task().id) for _ in range(3)]
    path = "/taskadmin/tasks/action/"

    asked = late.post(path, data={"action": "delete", "rowid": numbers})
    next_ = answer(late, path, asked.text, password)

    assert hidden(asked.text)["rowid"] == numbers
    assert "<h1>Delete 3 tasks?</h1>" in next_.text


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_the_question_needs_its_token(
    session: Session, late: FlaskClient, ids: dict[str, int], password: str
) -> None:
    """So does the form that continues."""
    path = f"{USERS}/edit/?id={ids['ana']}"
    page = late.get(path).text

    refused = late.post(path, data={"confirm_password": password, "confirm_next": "post"})
    assert refused.status_code == 422
    assert "This form has expired" in refused.text

    assert answer(late, path, page, password).status_code == 302
