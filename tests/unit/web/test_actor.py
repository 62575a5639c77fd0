"""Actors of requests."""

from __future__ import annotations

import pytest
from flask import Flask, g

from taskadmin.models import User
from taskadmin.state import get_state
from taskadmin.store.people.audit import Actor
from taskadmin.web.actor import current_actor, visitor

pytestmark = pytest.mark.databases("sqlite")


@pytest.mark.parametrize(
    ("headers", "environ", "expected"),
    [
        (
            {"User-Agent": "Browser/1"},
            {"REMOTE_ADDR": "192.0.2.7"},
            Actor(None, "anonymous", "192.0.2.7", user_agent="Browser/1"),
        ),
        # With a Unix socket, WSGI servers have no address.
        ({"User-Agent": ""}, {"REMOTE_ADDR": ""}, Actor(None, "anonymous", "unknown")),
        (
            # Anyone can send it; only the host's ProxyFix may trust it.
            {"User-Agent": "", "X-Forwarded-For": "6.6.6.6"},
            {"REMOTE_ADDR": "192.0.2.7"},
            Actor(None, "anonymous", "192.0.2.7"),
        ),
    ],
)
def test_a_visitor_has_an_address_and_a_browser(
    app: Flask, headers: dict[str, str], environ: dict[str, str], expected: Actor
) -> None:
    """But no user."""
    with app.test_request_context(headers=headers, environ_overrides=environ):
        assert visitor() == expected


def test_a_user_is_an_actor_with_the_requests_id(app: Flask, chief: User) -> None:
    """The host's log has the same id."""
    get_state(app).current_user = lambda: chief
    with app.test_request_context(
        headers={"User-Agent": "x"}, environ_overrides={"REMOTE_ADDR": "192.0.2.7"}
    ):
        g.request_id = "r-1"
        assert current_actor() == Actor(
            chief.id, "chief", "192.0.2.7", user_agent="x", request_id="r-1"
        )
