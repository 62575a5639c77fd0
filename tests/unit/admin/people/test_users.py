"""Users: roles, the active switch, new passwords."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from fixture_types import AtOnce, CountQueries, MakeUser, SignIn
from services.accounts import guess, log_in
from services.browser import hidden_fields
from services.pages import cells, field_errors
from taskadmin.models import AuditEntry, Throttle, User
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Filter
from taskadmin.store.people.passwords import hash_password, verify_password

PASSWORD = "correct horse battery"


def test_roles_are_changed_by_the_form(
    session: Session, superuser: FlaskClient, make_user: MakeUser
) -> None:
    """All three switches are stored."""
    user = make_user("ana")

    superuser.post(
        f"/taskadmin/users/edit/?id={user.id}", data={"is_active": "y", "can_review_tasks": "y"}
    )

    session.expire_all()
    assert (user.is_active, user.is_superuser, user.can_review_tasks) == (True, False, True)


def test_the_last_superuser_cannot_be_demoted(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Nor deactivated; the message is at the switch."""
    for data in ({"is_active": "y"}, {"is_superuser": "y"}, {"submit": "Save"}):
        answer = superuser.post(f"/taskadmin/users/edit/?id={chief.id}", data=data)

        assert answer.status_code == 422
        assert (
            "chief is the last active superuser. Make another user a superuser first."
            in answer.text
        )
    session.expire_all()
    assert chief.may_manage


def test_users_are_neither_created_nor_deleted_here(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Flask-Admin's addresses for that are disabled."""
    superuser.post("/taskadmin/users/new/", data={"username": "x", "is_superuser": "y"})
    superuser.post("/taskadmin/users/delete/", data={"id": str(chief.id)})
    superuser.post("/taskadmin/users/action/", data={"action": "delete", "rowid": [str(chief.id)]})
    superuser.post("/taskadmin/users/ajax/update/", data={"list_form_pk": "1", "username": "x"})

    assert [user.username for user in session.scalars(select(User))] == ["chief"]


def test_no_page_shows_a_password_hash(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Not even for superusers."""
    chief.password_hash = hash_password("correct horse")
    session.commit()

    for path in ("users/", f"users/edit/?id={chief.id}", "profile", "review/"):
        assert "argon2" not in superuser.get(f"/taskadmin/{path}").text
    assert superuser.get("/taskadmin/users/export/csv/").status_code == 302


def test_two_superusers_who_demote_each_other_at_once_leave_one(
    session: Session,
    superuser: FlaskClient,
    chief: User,
    make_user: MakeUser,
    sign_in: SignIn,
    at_once: AtOnce,
) -> None:
    """One change is saved; the other user reads the reason or has lost access."""
    other = make_user("other", is_superuser=True)
    others = sign_in(other)

    def demote(client: FlaskClient, user_id: int) -> TestResponse:
        return client.post(f"/taskadmin/users/edit/?id={user_id}", data={"is_active": "y"})

    ids = (chief.id, other.id)
    answers = at_once(lambda: demote(superuser, ids[1]), lambda: demote(others, ids[0]))

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 302
    assert statuses[1] in (403, 422)
    session.expire_all()
    assert len([user for user in session.scalars(select(User)) if user.may_manage]) == 1


@pytest.mark.databases("sqlite")
def test_users_are_listed_by_role(
    superuser: FlaskClient, make_user: MakeUser, count_queries: CountQueries
) -> None:
    """In tabs with counts; a search stays within its tab."""
    make_user("rita", can_review_tasks=True)
    make_user("boris")
    make_user("bea")
    make_user("gone", is_active=False, is_superuser=True)

    def names(query: str) -> list[str]:
        page = superuser.get(f"/taskadmin/users/?{query}").text
        return [row[0].split()[0] for row in cells(page)]

    assert names("") == ["bea", "boris", "chief", "gone", "rita"]
    assert names("show=superusers") == ["chief"]
    assert names("show=reviewers") == ["rita"]
    assert names("show=deactivated") == ["gone"]
    assert names("show=none") == ["bea", "boris"]
    assert names("show=none&search=BO") == ["boris"]
    assert names("show=none&sort=0&desc=1") == ["boris", "bea"]
    assert superuser.get("/taskadmin/users/?show=x").status_code == 404
    with count_queries() as statements:
        page = superuser.get("/taskadmin/users/?show=none").text
    assert re.findall(r'class="count">(\d+)', page) == ["5", "1", "1", "2", "1"]
    assert 'aria-current="page">No role' in page
    assert len(statements) <= 7


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("show=deactivated", "Deactivated users can&#39;t log in; their tasks stay."),
        ("show=reviewers", "To make a user a reviewer"),
        ("search=%3Cb%3E", "No user matches “&lt;b&gt;”"),
    ],
)
def test_an_empty_list_says_why(superuser: FlaskClient, query: str, sentence: str) -> None:
    """With a link to all users."""
    page = superuser.get(f"/taskadmin/users/?{query}").text

    assert sentence in page.replace("can't", "can&#39;t")
    assert "Show all users" in page


def reset(client: FlaskClient, user_id: int, password: str = "") -> TestResponse:
    """Reset a user's password."""
    return client.post(f"/taskadmin/users/password/?id={user_id}", data={"password": password})


def shown_password(answer: TestResponse) -> str:
    """Return the password on the page."""
    [found] = re.findall(r'<p class="secret mono">(.*?)</p>', answer.text)
    return str(found)


def test_a_password_is_made_at_random_and_shown_once(
    session: Session, superuser: FlaskClient, make_user: MakeUser, sign_in: SignIn
) -> None:
    """The user's sessions end; the audit trail has the actor, but no password."""
    ana = make_user("ana", PASSWORD)
    anas = sign_in(ana)
    assert anas.get("/taskadmin/profile").status_code == 200

    answer = reset(superuser, ana.id)

    password = shown_password(answer)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"[a-z2-9]{5}(-[a-z2-9]{5}){3}", password)
    session.expire_all()
    assert verify_password(ana.password_hash, password)
    assert anas.get("/taskadmin/profile").status_code == 302
    [entry] = audit.page(session, Filter(), limit=9)
    assert (entry.actor, entry.action, entry.subject) == ("chief", "changed", "ana")
    assert entry.before == entry.after == {"password": "••••••"}
    for path in ("users/", f"users/edit/?id={ana.id}", "audit/"):
        assert password not in superuser.get(f"/taskadmin/{path}").text
    assert shown_password(reset(superuser, ana.id)) != password


@pytest.mark.databases("sqlite")
def test_a_superuser_can_set_a_users_password(
    session: Session, superuser: FlaskClient, make_user: MakeUser
) -> None:
    """A refused one has a message at the field, and roles stay."""
    ana = make_user("ana", PASSWORD, can_review_tasks=True)

    refused = reset(superuser, ana.id, "short")
    assert refused.status_code == 422
    assert field_errors(refused.text) == [
        ("password", "A password must have at least 10 characters.")
    ]
    assert re.search(r'<input[^>]* checked[^>]* name="can_review_tasks"', refused.text)
    session.expire_all()
    assert verify_password(ana.password_hash, PASSWORD)

    assert shown_password(reset(superuser, ana.id, "a typed <password>")) == (
        "a typed &lt;password&gt;"
    )
    session.expire_all()
    assert verify_password(ana.password_hash, "a typed <password>")
    assert ana.may_review


@pytest.mark.databases("sqlite")
def test_ones_own_password_is_changed_in_the_profile(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """With the current password, so that an open browser isn't enough."""
    page = superuser.get(f"/taskadmin/users/edit/?id={chief.id}").text

    assert "Change your own password on your profile page." in page
    assert reset(superuser, chief.id).status_code == 404
    assert reset(superuser, 99).status_code == 404
    session.expire_all()
    assert chief.password_hash is None


@pytest.mark.databases("sqlite")
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_a_password_is_reset_with_a_token_only(
    session: Session, superuser: FlaskClient, make_user: MakeUser
) -> None:
    """Without it, the response is 400; the page's form has it."""
    ana = make_user("ana", PASSWORD)

    assert reset(superuser, ana.id).status_code == 400
    session.expire_all()
    assert verify_password(ana.password_hash, PASSWORD)

    token = hidden_fields(superuser.get(f"/taskadmin/users/edit/?id={ana.id}").text)["csrf_token"]
    answer = superuser.post(
        f"/taskadmin/users/password/?id={ana.id}", data={"password": "", "csrf_token": token}
    )
    assert answer.status_code == 200


@pytest.mark.databases("sqlite")
def test_a_reset_is_one_line_of_the_log_without_the_password(
    superuser: FlaskClient, make_user: MakeUser, caplog: pytest.LogCaptureFixture
) -> None:
    """With both users."""
    ana = make_user("ana", PASSWORD)
    caplog.set_level(logging.INFO, "taskadmin")

    password = shown_password(reset(superuser, ana.id))

    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("changed: user 'ana' by 'chief' from 127.0.0.1 with ")
    assert not [record for record in caplog.records if password in str(vars(record))]


def test_superusers_see_and_unblock_waiting_users(
    app: Flask,
    session: Session,
    client: FlaskClient,
    superuser: FlaskClient,
    ana: User,
    password: str,
) -> None:
    """Accounts and addresses, under Users; the audit trail has the actor."""
    guess(app)
    for row in session.scalars(select(Throttle)):
        row.blocked_until += timedelta(minutes=5) * (row.counter == "account")
    session.commit()

    page = superuser.get("/taskadmin/users/").text

    assert "log in blocked" in page
    [wait] = [row for row in cells(page) if row[1] == "account"]
    assert (wait[0], wait[2]) == ("ana", "5")
    fields = {"kind": "account", "key": "ana", **hidden_fields(page)}
    assert superuser.post("/taskadmin/users/unblock/", data=fields).status_code == 302
    assert log_in(client, "Ana", password).status_code == 302
    assert "log in blocked" not in superuser.get("/taskadmin/users/").text
    assert superuser.post("/taskadmin/users/unblock/", data=fields).status_code == 404
    unblocked = select(AuditEntry.actor, AuditEntry.subject).where(AuditEntry.action == "unblocked")
    assert session.execute(unblocked).all() == [("chief", "ana")]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("fields", [{}, {"kind": "x", "key": "ana"}, {"kind": "account"}])
def test_only_waiting_entries_are_unblocked(superuser: FlaskClient, fields: dict[str, str]) -> None:
    """A handmade form changes nothing."""
    assert superuser.post("/taskadmin/users/unblock/", data=fields).status_code == 404
