"""Where people land after logging in, in a host's own Flask-Admin."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_admin import Admin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL
from sqlalchemy.orm import Session

from services.databases import dispose_engines
from taskadmin import TaskAdmin
from taskadmin.accounts.passwords import hash_password
from taskadmin.store import users

PASSWORD = "correct horse battery"


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("roles", "page"),
    [
        ({"is_superuser": True}, "/taskadmin/dashboard/"),
        ({"can_review_tasks": True}, "/taskadmin/review/"),
        ({}, "/taskadmin/profile"),
    ],
)
def test_people_land_on_the_first_page_they_may_open(
    database_url: URL, session: Session, roles: dict[str, Any], page: str
) -> None:
    """The host's start page says nothing of taskadmin."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url, WTF_CSRF_ENABLED=False)
    TaskAdmin().init_app(app, db=SQLAlchemy(app), admin=Admin(app))
    users.create_user(session, "ana", password_hash=hash_password(PASSWORD), **roles)

    answer = app.test_client().post(
        "/taskadmin/login", data={"username": "ana", "password": PASSWORD}
    )

    assert answer.location == page
    dispose_engines(app)
