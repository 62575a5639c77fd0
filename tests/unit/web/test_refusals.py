"""Visitors of a host that logs users in itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Blueprint, Flask, url_for
from flask.testing import FlaskClient
from flask_admin import Admin
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.middleware.proxy_fix import ProxyFix

from fixture_types import MakeHost
from taskadmin import Identity, TaskAdmin
from taskadmin.accounts import HostUrl
from taskadmin.models import User

pytestmark = pytest.mark.databases("sqlite")
PAGES = ("", "dashboard/", "tasks/?search=a%20b", "review/", "preferences")


class Host:
    """A host with a log in page, and whoever is logged in."""

    def __init__(self, make_host: MakeHost) -> None:
        self.app, self.db = make_host()
        self.person: Identity | None = None
        auth = Blueprint("auth", __name__)
        auth.add_url_rule("/sign-in", "login", lambda: "Sign in")
        self.app.register_blueprint(auth)

    def serve(self, **options: object) -> FlaskClient:
        """Initialize taskadmin with *options*, and return a browser."""
        arguments: dict[str, object] = {"identity": lambda: self.person, **options}
        TaskAdmin().init_app(self.app, db=self.db, **arguments)  # type: ignore[arg-type]
        return self.app.test_client()


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    """A host without taskadmin."""
    return Host(make_host)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("login_url", "address"),
    [
        ("/sign-in", "/sign-in?next="),
        ("auth.login", "/sign-in?next="),
        (lambda: "auth.login", "/sign-in?next="),
        (lambda: "/sign-in?tenant=a#form", "/sign-in?tenant=a&next="),
        ("https://sso.example.org/login?app=shop", "https://sso.example.org/login?app=shop&next="),
    ],
)
def test_visitors_are_sent_to_the_hosts_login_page(
    host: Host, login_url: HostUrl, address: str, page: str
) -> None:
    """With the page to return to; only the host's own word leads to another site."""
    client = host.serve(login_url=login_url)

    answer = client.get(f"/taskadmin/{page}")

    assert answer.status_code == 302
    fragment = "#form" if "tenant" in address else ""
    asked = f"/taskadmin/{page}".replace("?", "%3F").replace("=", "%3D").replace("%20", "%2520")
    assert answer.location == f"{address}{asked}{fragment}"


def test_a_form_is_not_returned_to(host: Host) -> None:
    """It can't be repeated after logging in."""
    client = host.serve(login_url="auth.login")

    answer = client.post("/taskadmin/tasks/action/", data={"action": "run_now"})

    assert answer.location == "/sign-in?next=/taskadmin/"


def test_an_expired_form_asks_to_log_in_without_a_login_url(host: Host) -> None:
    """The host's CSRFProtect refuses the form before the access check."""
    host.app.config["WTF_CSRF_ENABLED"] = True
    CSRFProtect(host.app)
    client = host.serve()
    form = "http://localhost/taskadmin/preferences"

    answer = client.post("/taskadmin/preferences", headers={"Referer": form}, follow_redirects=True)

    assert answer.status_code == 403
    assert "<h1>Log in first</h1>" in answer.text


def test_behind_a_prefix_an_endpoint_has_it(host: Host) -> None:
    """So has the page to return to, and the link back."""
    host.app.wsgi_app = ProxyFix(host.app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    client = host.serve(login_url="auth.login")
    headers = {"X-Forwarded-Prefix": "/shop"}

    answer = client.get("/taskadmin/tasks/", headers=headers)
    host.person = Identity("boris")
    refused = client.get("/taskadmin/tasks/", headers=headers)

    assert answer.location == "/shop/sign-in?next=/shop/taskadmin/tasks/"
    assert 'href="/shop/">Back to the application</a>' in refused.text


@pytest.mark.parametrize("make_admin", [lambda _: None, Admin])
@pytest.mark.parametrize("page", PAGES)
def test_without_a_login_url_a_page_asks_visitors_to_log_in(
    host: Host, make_admin: Callable[[Flask], Admin | None], page: str
) -> None:
    """On a page with a link back to the host, and none that would return to it."""
    client = host.serve(admin=make_admin(host.app))

    answer = client.get(f"/taskadmin/{page}")

    assert answer.status_code == 403
    assert "<h1>Log in first</h1>" in answer.text
    assert "Log in to the application, then open this page again." in answer.text
    assert 'href="/">Back to the application</a>' in answer.text
    assert "Go to the home page" not in answer.text
    assert "Log out" not in answer.text


@pytest.mark.parametrize("login_url", [None, "auth.login"])
def test_live_updates_are_answered_without_a_redirect(host: Host, login_url: str | None) -> None:
    """The script on the open page says that the user is logged out."""
    client = host.serve(login_url=login_url)

    answer = client.get("/taskadmin/dashboard/", headers={"Taskadmin-Live": "1"})

    assert answer.status_code == 401


@pytest.mark.parametrize("page", ["", "dashboard/", "tasks/"])
def test_users_without_access_can_go_back_and_log_out(host: Host, page: str) -> None:
    """They aren't redirected to the login page, which would send them back."""
    client = host.serve(login_url="auth.login", logout_url="/sign-out")
    host.person = Identity("boris")

    answer = client.get(f"/taskadmin/{page}")

    assert answer.status_code == 403
    assert "<h1>Not allowed</h1>" in answer.text
    assert 'href="/">Back to the application</a>' in answer.text
    assert "Go to the home page" not in answer.text
    assert '<a href="/sign-out">Log out</a>' in answer.text


def test_users_with_another_page_can_go_there_too(host: Host) -> None:
    """A reviewer has one."""
    client = host.serve()
    host.person = Identity("rita", can_review_tasks=True)

    answer = client.get("/taskadmin/tasks/")

    assert 'href="/taskadmin/">Go to the home page</a>' in answer.text
    assert 'href="/">Back to the application</a>' in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_a_user_deactivated_here_is_not_redirected_in_a_loop(
    host: Host, session: Session, page: str
) -> None:
    """The host's login page redirects users who are logged in."""
    client = host.serve(login_url="auth.login")
    host.person = Identity("ana", is_superuser=True)
    client.get("/taskadmin/dashboard/")
    session.scalars(select(User)).one().is_active = False
    session.commit()

    answer = client.get(f"/taskadmin/{page}")

    assert answer.status_code == 403
    assert "<h1>Not allowed</h1>" in answer.text
    assert ">Log in</a>" not in answer.text


def test_error_pages_link_to_the_hosts_login_page(host: Host) -> None:
    """As the page of an unknown address."""
    client = host.serve(login_url="auth.login")

    answer = client.get("/taskadmin/no/such/page")

    assert '<a class="btn" href="/sign-in">Log in</a>' in answer.text


def test_pages_at_the_root_have_no_link_back_to_themselves(host: Host) -> None:
    """There, the host has no other start page."""
    client = host.serve(url_prefix="/")

    answer = client.get("/tasks/")

    assert "<h1>Log in first</h1>" in answer.text
    assert "Back to the application" not in answer.text


def fail_to_build() -> str:
    """A host's function with a misspelt endpoint."""
    return url_for("auth.sign_in")


@pytest.mark.parametrize("person", [None, Identity("ana", is_superuser=True)])
@pytest.mark.parametrize("name", ["login_url", "logout_url"])
@pytest.mark.parametrize("endpoint", ["auth.logn", "sign-in", "auth.user"])
def test_an_unknown_endpoint_is_named_on_every_page(
    host: Host, caplog: pytest.LogCaptureFixture, name: str, endpoint: str, person: Identity | None
) -> None:
    """At the first request, since the host may register its pages after init_app."""
    host.app.add_url_rule("/user/<name>", "auth.user", lambda name: name)
    client = host.serve(**{name: endpoint})
    host.person = person

    for page in PAGES:
        answer = client.get(f"/taskadmin/{page}")
        assert answer.status_code == 503, page
        assert f"<h1>{name} can&#39;t be used</h1>" in answer.text
        assert f"no endpoint “{endpoint}” without arguments" in answer.text
        assert "flask routes</code>" in answer.text
    assert f"{name} is '{endpoint}', but the application has no endpoint" in caplog.text
    assert client.get("/taskadmin/healthz").status_code == 200
    assert client.get("/sign-in").status_code == 200


@pytest.mark.parametrize(
    ("name", "person"), [("login_url", None), ("logout_url", Identity("ana", is_superuser=True))]
)
@pytest.mark.parametrize(
    ("function", "endpoint"),
    [(lambda: "auth.logn", "auth.logn"), (fail_to_build, "auth.sign_in"), (lambda: None, "None")],
)
def test_an_unknown_endpoint_of_a_function_is_named_when_it_is_called(
    host: Host, name: str, person: Identity | None, function: Callable[[], str], endpoint: str
) -> None:
    """Not before, because it may need a user."""
    client = host.serve(**{name: function})
    host.person = person

    answer = client.get("/taskadmin/dashboard/")

    assert answer.status_code == 503
    assert f"<h1>{name} can&#39;t be used</h1>" in answer.text
    assert f"“{endpoint}”" in answer.text


def test_an_endpoint_that_is_registered_later(host: Host) -> None:
    """Such as of a blueprint that needs taskadmin itself."""
    client = host.serve(login_url="late")
    host.app.add_url_rule("/late", "late", lambda: "Sign in")

    assert client.get("/taskadmin/").location == "/late?next=/taskadmin/"
