"""Pages below a proxy's or dispatcher's prefix keep it in all addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask_admin import Admin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL
from sqlalchemy.orm import Session
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client, TestResponse

from fixture_types import MakeApp, MakeTask, MakeUser
from services.browser import sign_in
from services.servers.databases import dispose_engines
from taskadmin import Identity, TaskAdmin
from taskadmin.models import RunState, TaskResult, User

pytestmark = pytest.mark.databases("sqlite")

PREFIX = "/ops"
PASSWORD = "correct horse battery"
#: Attributes with addresses.
ADDRESSES = {"action", "cite", "data", "formaction", "href", "poster", "src"}
#: Logs out, which would end the crawl.
LAST = "/taskadmin/logout"


@dataclass
class Form:
    """What a browser sends for a form, for each of its buttons."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str | None, str, str]] = field(default_factory=list)


class Reader(HTMLParser):
    """Addresses and forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record addresses and fields."""
        given = {name: value or "" for name, value in attrs}
        self.addresses += [
            value
            for key, value in given.items()
            if key in ADDRESSES or (key.startswith("data-") and value.startswith("/"))
        ]
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        elif self.forms:
            form, name = self.forms[-1], given.get("name")
            if tag == "button" and given.get("type") == "submit":
                form.buttons.append((name, given.get("value", ""), given.get("formaction", "")))
            elif name and tag in ("input", "select", "textarea"):
                form.values.setdefault(name, given.get("value", ""))


@dataclass
class Visitor:
    """A user below the prefix, who records addresses outside of it."""

    client: Client
    #: Proxies remove the prefix, and send it in a header.
    strip: bool
    outside: list[str] = field(default_factory=list)

    def open(self, path: str, **options: object) -> TestResponse:
        """Request an external path, and check the response."""
        asked, headers = path, {}
        if self.strip:
            asked, headers = path.removeprefix(PREFIX), {"X-Forwarded-Prefix": PREFIX}
        answer = self.client.open(asked, headers=headers, buffered=True, **options)  # type: ignore[arg-type]
        if answer.location is not None:
            self.look_at(path, answer.location)
        return answer

    def look_at(self, page: str, address: str) -> str | None:
        """Return the path of an address on *page*, if it belongs to this site."""
        parts = urlsplit(urljoin(page, address))
        if parts.scheme in ("data", "http", "https", "javascript"):
            return None
        if not parts.path.startswith(f"{PREFIX}/"):
            self.outside.append(f"{page}: {address}")
            return None
        return parts.path + (f"?{parts.query}" if parts.query else "")

    def crawl(self, start: str, most: int = 400) -> tuple[dict[str, int], dict[str, Form]]:
        """Follow all links; return the status codes, and the forms by their fields."""
        seen: dict[str, int] = {}
        forms: dict[str, Form] = {}
        waiting = [start]
        while waiting and len(seen) < most:
            path = waiting.pop(0)
            if path in seen:
                continue
            answer = self.open(path)
            seen[path] = answer.status_code
            found = Reader()
            if answer.mimetype == "text/html":
                found.feed(answer.text)
            leading = [answer.location] if answer.location else []
            for address in (*found.addresses, *leading):
                target = self.look_at(path, address)
                if target is not None and _is_new(target, seen):
                    waiting.append(target)
            for form in found.forms:
                if form.method == "post":
                    form.action = urljoin(path, form.action) if form.action else path
                    names = " ".join(f"{name}={value}" for name, value, _ in form.buttons)
                    forms.setdefault(f"{urlsplit(form.action).path} {names}", form)
        return seen, forms

    def send(self, form: Form) -> Iterator[TestResponse]:
        """Press each button of a form, with its first rows selected."""
        for name, value, action in form.buttons or [(None, "", "")]:
            data = {**form.values, **({name: value} if name else {})}
            target = self.look_at(form.action, action or form.action)
            assert target is not None
            yield self.open(target, method="POST", data=data)


def _is_new(path: str, seen: dict[str, int]) -> bool:
    """Return whether to request an address: a few per page, with any filters."""
    alike = [one for one in seen if urlsplit(one).path == urlsplit(path).path]
    return path not in seen and len(alike) < 12


def behind_a_proxy(app: Flask) -> Client:
    """As nginx does with ``proxy_pass`` and a path."""
    return Client(ProxyFix(app.wsgi_app, x_prefix=1))


def in_a_dispatcher(app: Flask) -> Client:
    """Beside another application in the same process."""
    return Client(DispatcherMiddleware(Flask("outer"), {PREFIX: app}))


MOUNTS = pytest.mark.parametrize("mount", [behind_a_proxy, in_a_dispatcher])


def give_cookie(app: Flask, client: Client, user: User) -> None:
    """Give a client a logged-in user's cookie."""
    inner = sign_in(app.test_client(), user)
    cookie_ = inner.get_cookie("session")
    assert cookie_ is not None
    client.set_cookie("session", cookie_.value)


@pytest.fixture
def rows(session: Session, runs: list[TaskResult]) -> None:
    """Failed, running and waiting runs."""
    runs[0].state, runs[0].error_type, runs[0].error = RunState.FAILED, "ValueError", "no"
    runs[0].started_at = runs[0].finished_at = runs[0].queued_at
    session.commit()


@MOUNTS
@pytest.mark.usefixtures("rows")
def test_no_address_of_any_page_leaves_the_prefix(
    app: Flask, chief: User, mount: Callable[[Flask], Client]
) -> None:
    """Links, forms, files and redirects of all reachable pages and forms."""
    visitor = Visitor(mount(app), strip=mount is behind_a_proxy)
    give_cookie(app, visitor.client, chief)

    seen, forms = visitor.crawl(f"{PREFIX}/taskadmin/")
    sent = [
        answer.status_code
        for name, form in sorted(forms.items(), key=lambda item: LAST in item[0])
        for answer in visitor.send(form)
    ]

    assert visitor.outside == []
    # A form's address may accept POST only.
    assert {path: status for path, status in seen.items() if status >= 400 and status != 405} == {}
    reached = {urlsplit(path).path.removeprefix(f"{PREFIX}/taskadmin/") for path in seen}
    assert reached >= {
        *("dashboard/", "tasks/", "tasks/new/", "tasks/details/", "tasks/edit/", "runs/"),
        *("runs/details/", "launches/", "failures/", "workers/", "review/", "review/tasks/"),
        *("users/", "users/edit/", "audit/", "profile", "preferences", "tasks/export/csv/"),
    }
    assert len(sent) > 20
    assert 302 in sent
    assert max(sent) < 500


@MOUNTS
@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("", "dashboard/"),
        ("tasks/", None),
        ("runs/?state=failed&page=2", None),
        ("profile", None),
        ("preferences", None),
        ("login", "dashboard/"),
    ],
)
def test_logging_in_leads_back_below_the_prefix(
    app: Flask, make_user: MakeUser, mount: Callable[[Flask], Client], path: str, home: str | None
) -> None:
    """To the requested page, with its filter."""
    make_user("ana", PASSWORD, is_superuser=True)
    visitor = Visitor(mount(app), strip=mount is behind_a_proxy)
    wanted = f"{PREFIX}/taskadmin/{path}"

    led = visitor.open(wanted).location or wanted
    answer = visitor.open(led, method="POST", data={"username": "ana", "password": PASSWORD})
    passed, location = [], answer.location
    while location:
        passed.append(location)
        answer = visitor.open(location)
        location = answer.location

    assert answer.status_code == 200
    assert passed[-1] == (f"{PREFIX}/taskadmin/{home}" if home else wanted)
    assert visitor.outside == []


@MOUNTS
def test_a_host_admins_brand_keeps_the_prefix(
    database_url: URL, mount: Callable[[Flask], Client]
) -> None:
    """taskadmin's pages add the prefix that Flask-Admin's template omits."""
    app = Flask("shop")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url)
    TaskAdmin().init_app(
        app,
        db=SQLAlchemy(app),
        admin=Admin(app, name="Shop"),
        identity=lambda: Identity("ana", is_superuser=True),
    )
    visitor = Visitor(mount(app), strip=mount is behind_a_proxy)

    for name in ("dashboard/", "tasks/", "runs/", "workers/"):
        page = visitor.open(f"{PREFIX}/taskadmin/{name}")
        reader = Reader()
        reader.feed(page.text)
        assert f"{PREFIX}/admin" in [one.rstrip("/") for one in reader.addresses]
        for address in reader.addresses:
            visitor.look_at(f"{PREFIX}/taskadmin/{name}", address)
    dispose_engines(app)

    assert visitor.outside == []


@MOUNTS
def test_a_page_without_a_task_leads_back_below_the_prefix(
    app: Flask, make_task: MakeTask, chief: User, mount: Callable[[Flask], Client]
) -> None:
    """Lists past their end, and actions with a return address."""
    task = make_task()
    visitor = Visitor(mount(app), strip=mount is behind_a_proxy)
    give_cookie(app, visitor.client, chief)
    back = f"{PREFIX}/taskadmin/tasks/details/?id={task.id}"

    past = visitor.open(f"{PREFIX}/taskadmin/tasks/?page=99&search=x")
    acted = visitor.open(
        f"{PREFIX}/taskadmin/tasks/action/",
        method="POST",
        data={"action": "resume", "rowid": str(task.id), "confirmed": "yes", "url": back},
    )

    assert past.location == f"{PREFIX}/taskadmin/tasks/?search=x"
    assert acted.location == back


def test_the_application_at_the_root_is_as_before(make_app: MakeApp) -> None:
    """Without a prefix, addresses are unchanged."""
    answer = make_app().test_client().get("/taskadmin/runs/?state=failed")

    assert answer.location == "/taskadmin/login?next=/taskadmin/runs/?state%3Dfailed"
