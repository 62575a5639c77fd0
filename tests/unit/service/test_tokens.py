"""API tokens with ``taskadmin.service``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeUser
from taskadmin import service
from taskadmin.errors import InvalidToken, TooManyAttempts
from taskadmin.models import ApiToken, AuditEntry, Throttle, User
from taskadmin.service import Actor, Scope
from taskadmin.store.database.clock import now
from taskadmin.store.people.tokens import new_secret

VISITOR = Actor(None, "anonymous", "192.0.2.7")
DAY = timedelta(days=1)


@pytest.fixture
def secret(context: Flask, make_user: MakeUser) -> str:
    """A token of ada's."""
    make_user("ada")
    return service.create_token("ada", name="CI", scopes=[Scope.RUN]).secret


def test_a_token_says_who_shows_it(secret: str, make_user: MakeUser) -> None:
    """And what it may be used for; by default, it lasts 90 days."""
    (token,) = service.find_tokens("ADA")
    caller = service.authenticate(secret)

    assert caller is not None
    assert (caller.user.username, caller.token_id) == ("ada", token.id)
    assert caller.scopes == {Scope.READ, Scope.RUN}
    assert token.expires_at - token.created_at == 90 * DAY


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "  "}, "Enter a name of at most 100 characters."),
        ({"name": "n" * 101}, "Enter a name of at most 100 characters."),
        ({"name": "a\0b"}, "Enter a name of at most 100 characters."),
        ({"scopes": []}, "Choose what the token may be used for."),
        ({"scopes": ["everything"]}, "Choose what the token may be used for."),
        ({"lasts": timedelta(0)}, "A token can last 366 days at most."),
        ({"lasts": timedelta(days=367)}, "A token can last 366 days at most."),
    ],
)
def test_what_no_token_can_have(
    context: Flask, session: Session, make_user: MakeUser, given: dict[str, Any], message: str
) -> None:
    """Nothing is stored."""
    make_user("ada")

    with pytest.raises(InvalidToken, match=f"^{message}$"):
        service.create_token("ada", **{"name": "CI", "scopes": [Scope.READ], **given})

    assert session.scalars(select(ApiToken)).all() == []
    assert session.scalars(select(AuditEntry)).all() == []


@pytest.mark.parametrize(
    "end",
    [
        lambda token_id: service.revoke_token("ada", token_id),
        lambda _: service.edit_user("ada", is_active=False),
        lambda _: service.get_state().session.execute(
            update(ApiToken).values(expires_at=now(service.get_state().session))
        ),
    ],
    ids=["revoked", "deactivated", "expired"],
)
def test_what_ends_a_token(secret: str, end: Callable[[int], object]) -> None:
    """With the next request."""
    caller = service.authenticate(secret)
    assert caller is not None and caller.token_id is not None

    end(caller.token_id)

    assert service.authenticate(secret) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda: service.set_password("ada", "correct horse battery"),
        lambda: service.end_sessions("ada"),
    ],
    ids=["new password", "logged out everywhere"],
)
def test_what_keeps_a_token(secret: str, change: Callable[[], object]) -> None:
    """Programs go on, as with GitHub's tokens."""
    change()

    assert service.authenticate(secret) is not None


def test_a_token_has_the_roles_of_now(secret: str) -> None:
    """Not those of the user when it was created."""
    service.edit_user("ada", is_superuser=True)
    caller = service.authenticate(secret)
    assert caller is not None and caller.user.may_manage
    service.create_user("chief", is_superuser=True)
    service.edit_user("ada", is_superuser=False)

    caller = service.authenticate(secret)

    assert caller is not None and not caller.user.may_manage


def test_the_use_is_written_once_a_minute(
    secret: str, session: Session, count_queries: CountQueries
) -> None:
    """Other requests only read."""
    service.authenticate(secret)
    (first,) = service.find_tokens("ada")
    assert first.last_used_at is not None

    with count_queries() as statements:
        service.authenticate(secret)

    assert [statement for statement in statements if "UPDATE" in statement] == []
    session.execute(update(ApiToken).values(last_used_at=now(session) - timedelta(minutes=1)))
    session.commit()
    service.authenticate(secret)
    (later,) = service.find_tokens("ada")
    assert later.last_used_at is not None and later.last_used_at > first.last_used_at


def test_a_full_database_still_answers(
    secret: str, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that the use isn't recorded."""
    sql = (
        "CREATE TRIGGER full_ BEFORE UPDATE ON taskadmin_api_token"
        " BEGIN SELECT RAISE(ABORT, 'full'); END"
        if session.get_bind().dialect.name == "sqlite"
        else "ALTER TABLE taskadmin_api_token ADD CONSTRAINT full_ CHECK"
        " (last_used_at IS NULL) NOT VALID"
    )
    session.execute(text(sql))
    session.commit()

    with caplog.at_level(logging.WARNING, "taskadmin.service"):
        assert service.authenticate(secret) is not None

    assert "Can't record the use of a token: " in caplog.text


def test_unknown_tokens_are_counted_by_address(secret: str, session: Session) -> None:
    """Then they are refused; a token that exists never is."""
    unknown = new_secret()
    for _ in range(10):
        assert service.authenticate(unknown, visitor=VISITOR) is None

    with pytest.raises(TooManyAttempts):
        service.authenticate(unknown, visitor=VISITOR)

    assert service.authenticate(secret, visitor=VISITOR) is not None
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "failed_log_in")).all()
    assert len(entries) == 10
    assert (entries[-1].source, entries[-1].subject) == ("192.0.2.7", f"{unknown[:14]}…")
    assert entries[-1].after == {"attempts": 10}


@pytest.mark.parametrize("wrong", ["", "taskadmin_", "taskadmin_" + "a" * 53, "\ud800" * 63])
def test_a_text_that_is_no_token_costs_no_query(
    context: Flask, wrong: str, count_queries: CountQueries, session: Session
) -> None:
    """Nor is it counted: there is nothing to guess."""
    with count_queries() as statements:
        assert service.authenticate(wrong, visitor=VISITOR) is None

    assert statements == []
    assert session.scalars(select(Throttle)).all() == []


def test_superusers_revoke_tokens_of_others(secret: str, session: Session) -> None:
    """The audit trail says who."""
    (token,) = service.find_tokens("ada")

    assert service.revoke_token("ada", token.id, actor=Actor(None, "chief", "192.0.2.9"))
    assert not service.revoke_token("ada", token.id)
    assert not service.revoke_token("ada", 2**63)

    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None and (entry.actor, entry.subject) == ("chief", "ada")
    assert session.scalars(select(User.username)).one() == "ada"
