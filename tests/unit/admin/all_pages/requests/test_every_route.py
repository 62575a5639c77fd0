"""All addresses with all methods, for all roles, with input that no page sends.

Addresses come from the URL map and fields' names from the pages, so new pages are included. Only
superusers may open them, unless they are named here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from services.pages import form_values
from services.rows import many_rows
from taskadmin.models import Base

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MOVE")
WRITES = {"POST", "PUT", "PATCH", "DELETE"}
#: Addresses that end the session, and with it the test.
ENDS = {f"taskadmin_accounts.{name}" for name in ("logout", "end_session", "end_all_sessions")}
#: Pages without log in, the only ones whose forms anyone may send.
PUBLIC = {
    *("taskadmin.index", "taskadmin_accounts.login", "taskadmin_accounts.register"),
    *("taskadmin_health.healthz", "taskadmin_health.readyz"),
}
REVIEW = {f"taskadmin_review.{name}_view" for name in ("index", "tasks", "runs")}

HOSTILE = [
    *("", " ", "0", "-1", "1.5", "1e309", "nan", "٣", "99999999999999999999", "1" * 5000),
    *("\0", "a\0b", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "\x1b[31m"),
    *("\u202egnp.exe", "a" + "\u0301" * 3000, "\ufdfa" * 2000, "💥" * 500, "x" * 19_000),
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"),
    *("{{7*7}}", "${7*7}", "%s%n", "'; DROP TABLE taskadmin_task; --", "1 OR 1=1", "a' --"),
    *("../../etc/passwd", "//evil.example", "\r\nSet-Cookie: a=b", "[]", '{"$gt": ""}', "[" * 3000),
    *("state:failed state:x", "arg.x:", 'name:"', "id:" + "9" * 40, "%", "_", "\\"),
]


class Route(NamedTuple):
    """An address of the URL map."""

    path: str
    endpoint: str
    methods: frozenset[str]


class Site(NamedTuple):
    """An application with rows, and a browser for each role."""

    app: Flask
    routes: list[Route]
    people: dict[str, FlaskClient]


@pytest.fixture
def site(
    app: Flask,
    session: Session,
    client: FlaskClient,
    plain: FlaskClient,
    reviewer: FlaskClient,
    superuser: FlaskClient,
) -> Site:
    many_rows.fill(session, 12)
    adapter = app.url_map.bind("localhost")
    routes = [
        Route(
            adapter.build(rule.endpoint, dict.fromkeys(rule.arguments, "csv")),
            rule.endpoint,
            frozenset(rule.methods or ()),
        )
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("taskadmin") and not rule.endpoint.endswith(".static")
    ]
    assert len(routes) > 40
    people = {"anonymous": client, "plain": plain, "reviewer": reviewer, "superuser": superuser}
    return Site(app, routes, people)


def is_personal(endpoint: str) -> bool:
    """Return whether a page is for all logged-in users."""
    own = ("taskadmin_accounts.", "taskadmin_preferences.", "taskadmin_tokens.")
    return endpoint.startswith(own)


def may(person: str, endpoint: str) -> bool:
    """Return whether *person* may open a page."""
    return (
        person == "superuser"
        or endpoint in PUBLIC
        or (is_personal(endpoint) and person != "anonymous")
        or (endpoint in REVIEW and person == "reviewer")
    )


def rows(session: Session) -> dict[str, list[Any]]:
    """Return all rows, except those that record requests."""
    session.expire_all()
    notes = {"taskadmin_audit", "taskadmin_session", "taskadmin_throttle"}
    tables = [table for table in Base.metadata.sorted_tables if table.name not in notes]
    return {
        table.name: list(session.execute(select(table).order_by(*table.primary_key)))
        for table in tables
    }


def check(answer: TestResponse, where: object) -> None:
    """Check that nothing failed, leads elsewhere, or returns sent text as markup."""
    assert answer.status_code < 500, where
    # It may occur in a query: the log in page leads back to the requested address.
    assert "evil.example" not in (answer.location or "").partition("?")[0], where
    assert not answer.headers.getlist("Set-Cookie") or "a=b" not in str(answer.headers), where
    if answer.mimetype == "text/html":
        assert "<script>alert" not in answer.text, where
        assert "<img src=x" not in answer.text, where
        assert 'href="javascript:' not in answer.text, where
    assert "Traceback (most recent" not in answer.text, where


def test_every_route_refuses_people_without_access(site: Site, session: Session) -> None:
    """With every method, they are redirected to log in or get 403, and nothing changes."""
    before = rows(session)
    asked = 0

    for (person, client), route, method in product(site.people.items(), site.routes, METHODS):
        if method == "POST" and (person == "superuser" or is_personal(route.endpoint)):
            continue  # may do everything, such as log out; with bad input below
        answer = client.open(f"{route.path}?id=1", method=method)
        where = (person, method, route.path, answer.status)
        asked += 1
        check(answer, where)
        if method not in route.methods:
            assert answer.status_code == 405, where
        elif method != "OPTIONS" and not may(person, route.endpoint):
            if person == "anonymous":
                assert answer.status_code == 302 and "/taskadmin/login" in answer.location, where
            else:
                assert answer.status_code == 403, where

    assert asked > 1000
    assert rows(session) == before


def names_on(page: str) -> set[str]:
    """Return names of a page's fields and of its links' queries."""
    names = set(re.findall(r'<(?:input|select|textarea|button)[^>]*\bname="([^"]+)"', page))
    links = re.findall(r'(?:href|action|formaction|data-[\w-]+)="([^"]*\?[^"]*)"', page)
    return names | {name for link in links for name, _ in parse_qsl(urlsplit(link).query)}


def bad_requests(names: list[str], *, few: bool) -> Iterator[dict[str, str]]:
    """Yield each value in all fields at once, and each field with a few values; or only some."""
    chance = random.Random(19)  # noqa: S311 - the same ones each time
    for value in chance.sample(HOSTILE, 8) if few else HOSTILE:
        yield dict.fromkeys(names, value)
    for name in names:
        for value in chance.sample(HOSTILE, 0 if few else 2):
            yield {"id": "1", name: value}


@pytest.mark.parametrize("person", ["anonymous", "plain", "reviewer", "superuser"])
def test_bad_input_is_refused_in_words(
    site: Site, session: Session, database: str, person: str
) -> None:
    """On all pages and forms that a role may open, in all fields.

    All values only for superusers on PostgreSQL, which open every page and refuse more.
    """
    few = person != "superuser" or database != "postgresql"
    client = site.people[person]
    asked = 0

    for route in site.routes:
        if not may(person, route.endpoint) or route.endpoint in ENDS:
            continue
        page = client.get(f"{route.path}?id=1") if "GET" in route.methods else None
        text = page.text if page is not None and page.mimetype == "text/html" else ""
        fields = form_values(text)
        names = sorted(names_on(text) | {"id", "page", "sort", "search", "url", "next", "rowid"})
        for given in bad_requests(names, few=few):
            if "GET" in route.methods:
                check(client.get(route.path, query_string=given), (person, route.path, given))
                asked += 1
            if "POST" in route.methods:
                sent = {**fields, **given}
                check(client.post(route.path, data=sent), (person, route.path, sent))
                asked += 1

    assert asked > (30 if few else 2000)


@pytest.mark.settings(WTF_CSRF_ENABLED=True)
def test_nothing_is_written_without_a_token(site: Site, session: Session) -> None:
    """With any method, as a superuser."""
    client = site.people["superuser"]
    before = rows(session)

    for route in site.routes:
        for method in WRITES & route.methods:
            for body in ({}, {"csrf_token": "x"}):
                sent = {"id": "1", "rowid": "1", "action": "delete", "confirmed": "yes", **body}
                answer = client.open(f"{route.path}?id=1", method=method, data=sent)
                assert answer.status_code in {302, 400, 404, 422}, (method, route.path)

    assert rows(session) == before
