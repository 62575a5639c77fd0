"""Users: roles and the active switch."""

from __future__ import annotations

from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixture_types import MakeUser
from taskadmin.accounts.passwords import hash_password
from taskadmin.models import User


def test_roles_are_changed_by_the_form(
    session: Session, superuser: FlaskClient, make_user: MakeUser
) -> None:
    """All three switches are stored as they are in the form."""
    user = make_user("ana")

    superuser.post(
        f"/taskadmin/users/edit/?id={user.id}", data={"is_active": "y", "can_review_tasks": "y"}
    )

    session.expire_all()
    assert (user.is_active, user.is_superuser, user.can_review_tasks) == (True, False, True)


def test_the_last_superuser_cannot_be_demoted(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Not deactivated either; the message is at the switch."""
    for data in ({"is_active": "y"}, {"is_superuser": "y"}, {"submit": "Save"}):
        answer = superuser.post(f"/taskadmin/users/edit/?id={chief.id}", data=data)

        assert answer.status_code == 422
        assert "chief is the last active superuser: make another one first." in answer.text
    session.expire_all()
    assert chief.may_manage


def test_users_are_neither_created_nor_deleted_here(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """By no address that Flask-Admin has for it."""
    superuser.post("/taskadmin/users/new/", data={"username": "x", "is_superuser": "y"})
    superuser.post("/taskadmin/users/delete/", data={"id": str(chief.id)})
    superuser.post("/taskadmin/users/action/", data={"action": "delete", "rowid": [str(chief.id)]})
    superuser.post("/taskadmin/users/ajax/update/", data={"list_form_pk": "1", "username": "x"})

    assert [user.username for user in session.scalars(select(User))] == ["chief"]


def test_no_page_shows_a_password_hash(
    session: Session, superuser: FlaskClient, chief: User
) -> None:
    """Not even to superusers."""
    chief.password_hash = hash_password("correct horse")
    session.commit()

    for path in ("users/", f"users/edit/?id={chief.id}", "profile", "review/"):
        assert "argon2" not in superuser.get(f"/taskadmin/{path}").text
    assert superuser.get("/taskadmin/users/export/csv/").status_code == 302
