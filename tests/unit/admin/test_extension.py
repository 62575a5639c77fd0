"""The views in a host's own Flask-Admin, and without optional parts."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Flask, Response
from flask_admin import Admin, BaseView, expose
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, select, text
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeHost, MakeTask, MakeUser
from services.browser import sign_in
from services.hosts import host_app
from services.pages import next_messages
from services.servers.databases import dispose_engines
from taskadmin import Accounts, AdminViews, Identity, Models, RegistrationError, TaskAdmin
from taskadmin.models import Launch, LaunchState, RunState, TaskResult
from taskadmin.store.people import users
from taskadmin.store.people.passwords import hash_password

PASSWORD = "correct horse battery"
PAGES = ("tasks/", "tasks/new/", "runs/", "review/", "users/")


class Orders(BaseView):  # type: ignore[misc]  # Flask-Admin has no types
    """A page of the host."""

    @expose("/")  # type: ignore[untyped-decorator]
    def index(self) -> str:
        return "the host's orders"


def superuser() -> Identity:
    """The host's logged-in user."""
    return Identity("ana", is_superuser=True)


@pytest.mark.databases("sqlite")
def test_the_pages_live_in_the_hosts_flask_admin(make_host: MakeHost, make_task: MakeTask) -> None:
    """With the host's layout and menu; its own pages are unchanged."""
    make_task(name="Dice")
    app, db = make_host()
    admin = Admin(app, name="Shop")
    admin.add_view(Orders(name="Orders", endpoint="orders"))
    TaskAdmin().init_app(app, db=db, admin=admin, identity=superuser)
    client = app.test_client()

    pages = {path: client.get(f"/taskadmin/{path}") for path in PAGES}

    for path, page in pages.items():
        assert page.status_code == 200, path
        assert 'class="ta embedded"' in page.text, path
        assert 'href="/admin/orders/"' in page.text, "the host's menu"
        assert "taskadmin.css" in page.text
    assert "Dice" in pages["tasks/"].text
    assert client.get("/admin/orders/").text == "the host's orders"
    assert "taskadmin.css" not in client.get("/admin/").text


@pytest.mark.databases("sqlite")
def test_in_the_hosts_flask_admin_rights_are_the_same(make_host: MakeHost) -> None:
    """A reviewer gets 403, and has no such menu entries."""
    app, db = make_host()
    admin = Admin(app, name="Shop")
    TaskAdmin().init_app(
        app, db=db, admin=admin, identity=lambda: Identity("rita", can_review_tasks=True)
    )
    client = app.test_client()

    statuses = {path: client.get(f"/taskadmin/{path}").status_code for path in PAGES}

    assert statuses == dict.fromkeys(PAGES, 403) | {"review/": 200}
    menu = client.get("/admin/").text
    assert "/taskadmin/review/" in menu
    assert "/taskadmin/tasks/" not in menu


@pytest.mark.parametrize("person", [None, Identity("boris"), superuser()])
def test_pages_of_the_host_do_not_need_taskadmins_tables(
    empty_database_url: URL, caplog: pytest.LogCaptureFixture, person: Identity | None
) -> None:
    """Their menu leaves taskadmin's pages out, and the host's next query works."""
    app, db = host_app(empty_database_url)
    admin = Admin(app, name="Shop")
    seen: list[int] = []

    @app.after_request
    def query(response: Response) -> Response:
        seen.append(db.session.scalar(text("SELECT 1")))
        return response

    TaskAdmin().init_app(app, db=db, admin=admin, identity=lambda: person)

    page = app.test_client().get("/admin/")

    assert page.status_code == 200
    assert "/taskadmin/" not in page.text
    assert seen == [1]
    missing = [line for line in caplog.messages if "The menu has no pages of taskadmin" in line]
    assert len(missing) == (person is not None)
    dispose_engines(app)


@pytest.mark.databases("sqlite")
def test_a_host_with_a_task_view_of_its_own_keeps_it(make_host: MakeHost) -> None:
    """Endpoints and addresses don't clash with a host's view named tasks."""
    app, db = make_host()
    admin = Admin(app)
    admin.add_view(Orders(name="Tasks", endpoint="tasks", url="/tasks"))
    TaskAdmin().init_app(app, db=db, admin=admin, identity=superuser)
    client = app.test_client()

    assert client.get("/tasks/").text == "the host's orders"
    assert client.get("/taskadmin/tasks/").status_code == 200


@pytest.mark.parametrize("admin", [Admin(), Admin, "/admin"])
@pytest.mark.databases("sqlite")
def test_a_flask_admin_of_another_application_is_refused(make_host: MakeHost, admin: Any) -> None:
    """The error shows the line that must come first."""
    app, db = make_host()

    with pytest.raises(RegistrationError) as refused:
        TaskAdmin().init_app(app, db=db, admin=admin, identity=superuser)

    assert str(refused.value) == (
        "admin isn't initialised on 'shop': call admin.init_app(app) before taskadmin's init_app."
    )


@pytest.mark.databases("sqlite")
def test_another_prefix_moves_every_page(make_host: MakeHost) -> None:
    """Log in, pages and static files; the default prefix is unused."""
    app, db = make_host()
    TaskAdmin().init_app(app, db=db, url_prefix="/jobs")
    client = app.test_client()

    assert client.get("/jobs/tasks/").location == "/jobs/login?next=/jobs/tasks/"
    assert client.get("/jobs/login").status_code == 200
    with client.get("/jobs/static/taskadmin.css") as answer:
        assert answer.status_code == 200
    assert "/taskadmin/" not in " ".join(rule.rule for rule in app.url_map.iter_rules())


def test_without_a_task_queue_runs_are_queued_for_a_launcher(
    session: Session, make_host: MakeHost, make_task: MakeTask
) -> None:
    """The message says that a launcher sends them."""
    app, db = make_host()
    Models().init_app(app, db=db)
    Accounts().init_app(app, identity=superuser)
    AdminViews().init_app(app)
    client = app.test_client()

    client.post(
        "/taskadmin/tasks/action/", data={"action": "run_now", "rowid": str(make_task().id)}
    )

    assert next_messages(client) == [
        "1 run queued; a launcher has to send it, because this application has no task queue."
    ]
    launch = session.scalars(select(Launch)).one()
    assert (launch.state, launch.owner) == (LaunchState.OPENING, None)
    assert session.scalars(select(TaskResult.state)).all() == [RunState.QUEUED]


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize("person", [None, Identity("boris")])
@pytest.mark.parametrize("path", ["", "tasks/", "review/"])
def test_every_refusal_of_the_hosts_people_is_one_line(
    make_host: MakeHost, caplog: pytest.LogCaptureFixture, person: Identity | None, path: str
) -> None:
    """Also of the start page."""
    app, db = make_host()
    TaskAdmin().init_app(app, db=db, identity=lambda: person)
    caplog.set_level(logging.INFO, "taskadmin")

    assert app.test_client().get(f"/taskadmin/{path}").status_code == 403

    who = "boris" if person else "anonymous"
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith(
        f"refused: page '/taskadmin/{path}' by '{who}' from 127.0.0.1 with 'Werkzeug/"
    )


@pytest.mark.databases("sqlite")
def test_pages_without_accounts_are_refused() -> None:
    """The pages need to know the current user."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://")
    Models().init_app(app, db=SQLAlchemy(app))

    with pytest.raises(RegistrationError, match="AdminViews needs Accounts"):
        AdminViews().init_app(app)


@pytest.mark.databases("sqlite")
def test_two_applications_do_not_share_sessions(make_app: MakeApp, make_user: MakeUser) -> None:
    """One application's cookie is invalid for another with a different key."""
    chief = make_user("chief", is_superuser=True)
    first, second = make_app(), make_app(SECRET_KEY="another one")
    client = sign_in(first.test_client(), chief)
    value = client.get_cookie("session")
    assert value is not None
    other = second.test_client()
    other.set_cookie("session", value.value)

    assert client.get("/taskadmin/tasks/").status_code == 200
    assert other.get("/taskadmin/tasks/").status_code == 302


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
    """The host's start page doesn't mention taskadmin, so users are redirected."""
    app = Flask("host")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url, WTF_CSRF_ENABLED=False)
    TaskAdmin().init_app(app, db=SQLAlchemy(app), admin=Admin(app))
    users.create_user(session, "ana", password_hash=hash_password(PASSWORD), **roles)

    answer = app.test_client().post(
        "/taskadmin/login", data={"username": "ana", "password": PASSWORD}
    )

    assert answer.location == page
    dispose_engines(app)
