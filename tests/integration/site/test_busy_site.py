"""The site with gunicorn while the database is busy: pages give up, health checks respond."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import URL, Engine, text
from sqlalchemy.orm import Session

from e2e.running_site import RunningSite, environment
from services.browser import hidden_fields
from taskadmin.store.people import users
from taskadmin.store.people.passwords import hash_password
from taskadmin.web.page_requests import LIVE_HEADER

pytestmark = pytest.mark.databases("postgresql")

PASSWORD = "a password for a busy site"
#: gunicorn's threads, as in ``running_site``, and those for pages.
THREADS, PAGES = 8, 6


class Answer(NamedTuple):
    """A response."""

    status: int
    text: str
    retry_after: str | None


class Visitor:
    """A browser with a cookie, on the log in page."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._fields = hidden_fields(self.get("/taskadmin/login").text)

    def log_in(self, password: str) -> Answer:
        """Submit the form."""
        fields = {**self._fields, "username": "chief", "password": password}
        return self._ask("/taskadmin/login", urllib.parse.urlencode(fields).encode(), {})

    def get(self, path: str, **headers: str) -> Answer:
        """Request *path*, without a timeout."""
        return self._ask(path, None, headers)

    def _ask(self, path: str, form: bytes | None, headers: dict[str, str]) -> Answer:
        request = urllib.request.Request(self.address + path, form, headers)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.read().decode(), None)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), error.headers["Retry-After"])


@pytest.fixture
def visitor(
    tmp_path: Path, database_url: URL, broker_url: str, session: Session
) -> Iterator[Visitor]:
    """A logged-in user of a site with only its web process."""
    users.create_user(session, "chief", password_hash=hash_password(PASSWORD), is_superuser=True)
    variables = environment(database_url, broker_url, interval_seconds=86_400)
    site = RunningSite(tmp_path, {**variables, "TASKADMIN_PAGES_AT_ONCE": str(PAGES)})
    site.start_one("web")
    try:
        site.wait_until_it_answers()
        superuser = Visitor(site.address)
        assert superuser.log_in(PASSWORD).status == 200
        yield superuser
    finally:
        site.stop()


def test_pages_give_up_and_health_is_answered_while_a_table_is_locked(
    visitor: Visitor, engine: Engine
) -> None:
    """More users and polls than threads all get responses before the lock is released."""
    with engine.connect() as connection, ThreadPoolExecutor(4 * THREADS) as people:
        connection.execute(text("LOCK TABLE taskadmin_task_result"))
        pages = [people.submit(visitor.get, "/taskadmin/runs/") for _ in range(2 * THREADS)]
        polls = [
            people.submit(visitor.get, "/taskadmin/dashboard/", **{LIVE_HEADER: "1"})
            for _ in range(2 * THREADS)
        ]
        healthy = []
        while not all(one.done() for one in (*pages, *polls)):
            healthy.append(visitor.get("/healthz").status)
        answers = [one.result() for one in pages]
        refused = [one.result() for one in polls]
        # The lock is held until this rollback.

    assert set(healthy) == {200}
    assert {answer.status for answer in (*answers, *refused)} == {503}
    assert all(answer.retry_after for answer in (*answers, *refused))
    titles = ("<h1>The database is busy</h1>", "<h1>This site is busy</h1>")
    assert all(any(title in answer.text for title in titles) for answer in answers)
    assert any(titles[0] in answer.text for answer in answers)
    assert visitor.get("/taskadmin/runs/").status == 200


def test_concurrent_polls_are_answered_or_refused_with_a_wait(visitor: Visitor) -> None:
    """Many more polls than threads, and a user who opens a page meanwhile."""
    with ThreadPoolExecutor(50) as people:
        polls = [
            people.submit(visitor.get, "/taskadmin/dashboard/", **{LIVE_HEADER: "1"})
            for _ in range(200)
        ]
        person = visitor.get("/taskadmin/tasks/")
        answers = [one.result() for one in polls]

    assert person.status == 200
    assert {(answer.status, answer.retry_after) for answer in answers} <= {(200, None), (503, "10")}
    assert any(answer.status == 200 for answer in answers)


def test_guesses_at_once_are_few_and_leave_threads_to_health(visitor: Visitor) -> None:
    """Of many concurrent guesses, five are checked; logged-in users aren't affected."""
    strangers = [Visitor(visitor.address) for _ in range(2 * THREADS)]
    with ThreadPoolExecutor(len(strangers)) as people:
        guesses = [people.submit(one.log_in, f"guess {n}") for n, one in enumerate(strangers)]
        healthy = [visitor.get("/healthz").status]
        while not all(one.done() for one in guesses):
            healthy.append(visitor.get("/healthz").status)
        answers = [one.result() for one in guesses]

    assert set(healthy) == {200}
    statuses = [answer.status for answer in answers]
    # 503: more pages than threads. Some requests may come after the first wait of 1 s.
    assert set(statuses) <= {422, 429, 503}
    assert 1 <= statuses.count(422) <= 6
    assert all(answer.retry_after for answer in answers if answer.status != 422)
    assert visitor.get("/taskadmin/runs/").status == 200
