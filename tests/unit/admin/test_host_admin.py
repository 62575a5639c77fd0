"""The views in a host's own Flask-Admin, and without the parts they can do without."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask_admin import Admin, BaseView, expose
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, select
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask, MakeUser
from services.databases import dispose_engines
from services.pages import next_messages
from taskadmin import Accounts, AdminViews, Identity, Models, RegistrationError, TaskAdmin
from taskadmin.models import Launch, LaunchState, RunState, TaskResult

MakeHost = Callable[[], tuple[Flask, SQLAlchemy]]
PAGES = ("tasks/", "tasks/new/", "runs/", "review/", "users/")


class Orders(BaseView):  # type: ignore[misc]  # Flask-Admin has no types
    """A page of the host's."""

    @expose("/")  # type: ignore[untyped-decorator]
    def index(self) -> str:
        return "the host's orders"


@pytest.fixture
def make_host(database_url: URL) -> Iterator[MakeHost]:
    """Hosts on the test's database, without taskadmin."""
    made: list[Flask] = []

    def make() -> tuple[Flask, SQLAlchemy]:
        app = Flask("shop")
        app.config.update(
            TESTING=True,
            SECRET_KEY="only for tests",
            SQLALCHEMY_DATABASE_URI=database_url,
            WTF_CSRF_ENABLED=False,
            CELERY={"broker_url": "memory://localhost/", "result_backend": "disabled://"},
        )
        made.append(app)
        return app, SQLAlchemy(app)

    yield make
    for app in made:
        dispose_engines(app)


def superuser() -> Identity:
    """Who is signed in to the host."""
    return Identity("ana", is_superuser=True)


@pytest.mark.databases("sqlite")
def test_the_pages_live_in_the_hosts_flask_admin(make_host: MakeHost, make_task: MakeTask) -> None:
    """Within the host's frame and menu; the host's own pages stay what they were."""
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
    """403 for a reviewer, and no entry of the menu leads there."""
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


@pytest.mark.databases("sqlite")
def test_a_host_with_a_task_view_of_its_own_keeps_it(make_host: MakeHost) -> None:
    """Names of endpoints and addresses don't clash with a host's view called tasks."""
    app, db = make_host()
    admin = Admin(app)
    admin.add_view(Orders(name="Tasks", endpoint="tasks", url="/tasks"))
    TaskAdmin().init_app(app, db=db, admin=admin, identity=superuser)
    client = app.test_client()

    assert client.get("/tasks/").text == "the host's orders"
    assert client.get("/taskadmin/tasks/").status_code == 200


@pytest.mark.databases("sqlite")
def test_a_flask_admin_of_another_application_is_refused(make_host: MakeHost) -> None:
    """With the line that comes before."""
    app, db = make_host()

    with pytest.raises(RegistrationError) as refused:
        TaskAdmin().init_app(app, db=db, admin=Admin(), identity=superuser)

    assert str(refused.value) == (
        "admin isn't initialised on 'shop': call admin.init_app(app) before taskadmin's init_app."
    )


@pytest.mark.databases("sqlite")
def test_another_prefix_moves_every_page(make_host: MakeHost) -> None:
    """Log in, pages and static files are below it, and nothing is below the usual one."""
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
    """The pages alone: the sentence says that somebody else sends."""
    app, db = make_host()
    Models().init_app(app, db=db)
    Accounts().init_app(app, identity=superuser)
    AdminViews().init_app(app)
    client = app.test_client()

    client.post(
        "/taskadmin/tasks/action/", data={"action": "run_now", "rowid": str(make_task().id)}
    )

    assert next_messages(client) == [
        "1 run is queued. This application sends nothing itself: a launcher does."
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
    """The start of the pages too, which leads them nowhere."""
    app, db = make_host()
    TaskAdmin().init_app(app, db=db, identity=lambda: person)
    caplog.set_level(logging.INFO, "taskadmin")

    assert app.test_client().get(f"/taskadmin/{path}").status_code == 403

    who = "boris" if person else "somebody who isn't logged in"
    assert [record.getMessage() for record in caplog.records] == [
        f"Refused /taskadmin/{path} to {who}"
    ]


@pytest.mark.databases("sqlite")
def test_pages_without_accounts_are_refused() -> None:
    """Somebody has to say who is signed in."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://")
    Models().init_app(app, db=SQLAlchemy(app))

    with pytest.raises(RegistrationError, match="AdminViews needs Accounts"):
        AdminViews().init_app(app)


@pytest.mark.databases("sqlite")
def test_two_applications_do_not_share_who_is_signed_in(
    make_app: MakeApp, make_user: MakeUser
) -> None:
    """A cookie of one application is nothing to another with another key."""
    chief = make_user("chief", is_superuser=True)
    first, second = make_app(), make_app(SECRET_KEY="another one")
    client = first.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = chief.get_id()
    value = client.get_cookie("session")
    assert value is not None
    other = second.test_client()
    other.set_cookie("session", value.value)

    assert client.get("/taskadmin/tasks/").status_code == 200
    assert other.get("/taskadmin/tasks/").status_code == 302
