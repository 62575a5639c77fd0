"""Live parts are rendered once a second for all users who may see them."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeUser, SignIn
from services.pages import live_parts
from taskadmin.admin.flask_admin import fragment_cache
from taskadmin.admin.flask_admin.fragment_cache import (
    FRESH_SECONDS,
    MAX_STALE_SECONDS,
    FragmentCache,
)
from taskadmin.models import TaskResult
from taskadmin.state import get_state
from taskadmin.store.people import users
from taskadmin.web.page_requests import LIVE_HEADER

POLL = {LIVE_HEADER: "1"}
SHARED = ("dashboard/", "launches/", "workers/", "review/")
POLLED = (*SHARED, "tasks/", "runs/", "failures/", "tasks/details/?id={task}")


class Clock:
    """A clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    """The cache's clock."""
    return Clock()


@pytest.fixture
def fragments(app: Flask, clock: Clock) -> FragmentCache:
    """The application's cache, with the test's clock."""
    fragments = FragmentCache(now=clock)
    get_state(app).fragment_cache = fragments
    return fragments


@pytest.fixture
def second(sign_in: SignIn, make_user: MakeUser) -> FlaskClient:
    """Another superuser's browser."""
    return sign_in(make_user("sam", is_superuser=True))


@pytest.mark.parametrize("path", POLLED)
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_a_poll_gets_each_live_part_and_no_frame(
    superuser: FlaskClient, runs: list[TaskResult], path: str
) -> None:
    """Neither the menu nor messages, which the next page shows."""
    path = f"/taskadmin/{path.format(task=runs[0].task_id)}"
    with superuser.session_transaction() as cookie:
        cookie["_flashes"] = [("success", "Something was done.")]

    poll = superuser.get(path, headers=POLL)
    page = superuser.get(path)

    assert live_parts("<main" + poll.text) == {"beat": False, **live_parts(page.text)}
    assert '<nav id="menu"' not in poll.text
    assert "Something was done." not in poll.text
    assert "Something was done." in page.text


@pytest.mark.parametrize("path", SHARED)
@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_two_people_get_the_same(
    superuser: FlaskClient,
    second: FlaskClient,
    runs: list[TaskResult],
    fragments: FragmentCache,
    clock: Clock,
    count_queries: CountQueries,
    path: str,
) -> None:
    """A cached part costs only the check of access; after a second, it is rendered again."""
    first = superuser.get(f"/taskadmin/{path}", headers=POLL)
    with count_queries() as statements:
        again = second.get(f"/taskadmin/{path}", headers=POLL)

    assert again.text == first.text
    assert all("taskadmin_user" in one or "set_config" in one for one in statements)
    assert "csrf" not in first.text
    clock.seconds += FRESH_SECONDS
    with count_queries() as statements:
        second.get(f"/taskadmin/{path}", headers=POLL)
    assert not all("taskadmin_user" in one or "set_config" in one for one in statements)


def test_users_without_access_get_no_cached_part(
    superuser: FlaskClient, reviewer: FlaskClient, plain: FlaskClient, fragments: FragmentCache
) -> None:
    """Access is checked on each request."""
    superuser.get("/taskadmin/dashboard/", headers=POLL)

    assert reviewer.get("/taskadmin/dashboard/", headers=POLL).status_code == 403
    assert plain.get("/taskadmin/dashboard/", headers=POLL).status_code == 403


def test_access_ends_with_the_next_poll(
    superuser: FlaskClient, second: FlaskClient, session: Session, fragments: FragmentCache
) -> None:
    """From the next poll on."""
    assert second.get("/taskadmin/dashboard/", headers=POLL).status_code == 200
    person = users.find_user(session, "sam")
    assert person is not None
    person.is_superuser = False
    session.commit()

    assert second.get("/taskadmin/dashboard/", headers=POLL).status_code == 403


def test_the_cache_distinguishes_all_that_pages_depend_on(
    superuser: FlaskClient,
    second: FlaskClient,
    reviewer: FlaskClient,
    runs: list[TaskResult],
    session: Session,
    fragments: FragmentCache,
) -> None:
    """Roles, language, time zone, filter and prefix."""
    person = users.find_user(session, "sam")
    assert person is not None
    asked = {"review": superuser.get("/taskadmin/review/", headers=POLL).text}

    def differs(client: FlaskClient, path: str = "/taskadmin/review/", **options: str) -> bool:
        text = client.get(path, headers=POLL, **options).text
        known = text in asked.values()
        asked[str(len(asked))] = text
        return not known and "data-live" in text

    users.set_preferences(session, person, language="de", zone=None)
    assert differs(second)
    assert differs(superuser, "/taskadmin/review/?sort=tasks")
    text = superuser.get(
        "/taskadmin/review/", headers=POLL, environ_overrides={"SCRIPT_NAME": "/ops"}
    ).text
    assert 'href="/ops/taskadmin/review/tasks/' in text
    # The zone changes the rows' times; the reviewer's page has another text.
    users.set_preferences(session, person, language=None, zone="Pacific/Auckland")
    second.get("/taskadmin/launches/", headers=POLL)
    reviewer.get("/taskadmin/review/", headers=POLL)
    assert len(fragments._fragments) == 6


def test_failures_are_not_cached(
    superuser: FlaskClient, fragments: FragmentCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next request renders again."""

    def fail(*_: object, **__: object) -> None:
        raise LookupError("nobody expected this")

    with monkeypatch.context() as patch:
        patch.setattr("taskadmin.admin.launches.views.page_of_launches", fail)
        with pytest.raises(LookupError):
            superuser.get("/taskadmin/launches/", headers=POLL)

    assert superuser.get("/taskadmin/launches/", headers=POLL).status_code == 200


def test_older_parts_are_served_while_newer_ones_are_rendered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a few seconds; then each request renders for itself."""
    monkeypatch.setattr(fragment_cache, "_MAX_KEPT", 2)
    clock = Clock()
    fragments = FragmentCache(now=clock)
    assert fragments.find("a") is None
    fragments.keep("a", "first")
    assert fragments.find("a") == "first"
    clock.seconds += FRESH_SECONDS
    assert fragments.find("a") is None  # this one renders it
    assert fragments.find("a") == "first"
    clock.seconds += MAX_STALE_SECONDS
    assert fragments.find("a") is None
    fragments.keep("a", None)
    assert fragments.find("a") is None
    for key in ("b", "c"):
        fragments.keep(key, key)
    assert [fragments.find(key) for key in ("a", "b", "c")] == [None, "b", "c"]
