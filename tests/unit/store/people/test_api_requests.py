"""Requests of the API that may be repeated."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from taskadmin.models import ApiRequest, User
from taskadmin.store.database import clock
from taskadmin.store.people.api_requests import (
    REPLAYED_FOR,
    EarlierRequest,
    begin_request,
    end_request,
    forget_request,
    prune_requests,
)


def test_a_key_is_claimed_once(session: Session, ana: User) -> None:
    """Until it is forgotten; others see what its request did."""
    assert begin_request(session, ana.id, "k", "r") is None
    assert begin_request(session, ana.id, "k", "other") == EarlierRequest("r", None, None)
    end_request(session, ana.id, "k", body="{}", headers="[]")
    assert begin_request(session, ana.id, "k", "r") == EarlierRequest("r", "{}", "[]")
    forget_request(session, ana.id, "k")
    assert begin_request(session, ana.id, "k", "r") is None


def test_old_requests_are_forgotten(session: Session, ana: User) -> None:
    """By launchers, and at the key's next use."""
    for key in ("a", "b", "c"):
        begin_request(session, ana.id, key, "r")
    old = clock.now(session) - REPLAYED_FOR - timedelta(minutes=1)
    session.execute(update(ApiRequest).values(begun_at=old))
    session.commit()

    assert begin_request(session, ana.id, "a", "r") is None
    assert prune_requests(session, batch=1) == 1
    assert prune_requests(session, batch=9) == 1
    assert prune_requests(session, batch=9) == 0
