"""API tokens: their form, how long they last, and what is stored of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeUser
from taskadmin.errors import InvalidToken
from taskadmin.models import ApiToken, User
from taskadmin.store.database.clock import now
from taskadmin.store.people import audit, tokens
from taskadmin.store.people.audit import Actor, Filter
from taskadmin.store.people.tokens import NewToken, Scope

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ADA = Actor(None, "ada", "192.0.2.1")


def add_token(session: Session, user: User, name: str = "CI", *scopes: Scope) -> NewToken:
    """Create a token for a day."""
    wanted = scopes or (Scope.READ,)
    return tokens.create_token(session, user, name=name, scopes=wanted, lasts=DAY, actor=ADA)


def set_back(session: Session, age: timedelta) -> None:
    """Let all tokens have expired for this long."""
    session.execute(update(ApiToken).values(expires_at=now(session) - age))
    session.commit()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], []),
        (["run"], ["read", "run"]),
        (["manage"], ["read", "run", "manage"]),
        (["read", "everything", ""], ["read"]),
        (["everything"], []),
    ],
)
def test_scopes_include_others(given: list[str], found: list[str]) -> None:
    """An unknown word gives nothing."""
    assert tokens.including(given) == set(found)


def test_secrets_have_a_form_that_scanners_find() -> None:
    """A beginning, 47 random characters and a checksum; each differs."""
    made = {tokens.new_secret() for _ in range(100)}

    assert len(made) == 100
    assert all(tokens.is_secret(secret) and len(secret) == 63 for secret in made)
    # CRC-32 of "AAAA…" by zlib, in base 62 with a = 0, Z = 51 and 9 = 61.
    assert tokens.is_secret(f"taskadmin_{'A' * 47}{tokens._checksum('A' * 47)}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: secret[:-1],
        lambda secret: secret + "a",
        lambda secret: f"{secret}\n",
        lambda secret: secret.replace("taskadmin_", "Taskadmin_"),
        lambda secret: secret[:20] + ("b" if secret[20] == "a" else "a") + secret[21:],
        lambda secret: secret[:20] + "é" + secret[21:],
        lambda secret: "",
    ],
    ids=["short", "long", "line", "case", "typing error", "letter", "empty"],
)
def test_other_texts_are_no_secrets(spoil: object) -> None:
    """The checksum finds typing errors without the database."""
    assert not tokens.is_secret(spoil(tokens.new_secret()))  # type: ignore[operator]


def test_a_token_is_found_by_its_secret_with_one_query(
    session: Session, make_user: MakeUser, count_queries: CountQueries
) -> None:
    """Nothing that is stored contains the secret."""
    ada = make_user("ada")
    token, secret = add_token(session, ada, "CI", Scope.RUN)

    with count_queries() as statements:
        found = tokens.find_token(session, secret)

    assert found is not None and found.user is ada
    assert found.id == token.id and found.scopes == {Scope.READ, Scope.RUN}
    assert (found.is_expired, found.since_used) == (False, None)
    assert len(statements) == 1
    assert tokens.find_token(session, tokens.new_secret()) is None
    stored = str(session.execute(text("SELECT * FROM taskadmin_api_token")).all())
    assert secret[:14] in stored and secret[14:] not in stored


def test_tokens_are_listed_newest_first(session: Session, make_user: MakeUser) -> None:
    """Only the user's own."""
    ada, bob = make_user("ada"), make_user("bob")
    first, second = add_token(session, ada, "first"), add_token(session, ada, "second")
    add_token(session, bob)

    assert tokens.tokens_of(session, ada.id) == [second.token, first.token]


def test_a_token_expires(session: Session, make_user: MakeUser) -> None:
    """It stays listed for a month, until the user creates another."""
    ada, bob = make_user("ada"), make_user("bob")
    old, others = add_token(session, ada), add_token(session, bob)

    set_back(session, SECOND)
    add_token(session, ada)
    found = tokens.find_token(session, old.secret)
    assert found is not None and found.is_expired
    assert [one.is_expired for one in tokens.tokens_of(session, ada.id)] == [False, True]

    set_back(session, 31 * DAY)
    add_token(session, ada)
    assert [one.is_expired for one in tokens.tokens_of(session, ada.id)] == [False]
    assert [one.id for one in tokens.tokens_of(session, bob.id)] == [others.token.id]


def test_a_request_is_recorded_once_a_minute(session: Session, make_user: MakeUser) -> None:
    """Even if several arrive at once."""
    ada = make_user("ada")
    token, secret = add_token(session, ada)
    add_token(session, ada)

    tokens.note_used(session, token.id)
    (first,) = [one for one in tokens.tokens_of(session, ada.id) if one.id == token.id]
    assert first.last_used_at is not None
    tokens.note_used(session, token.id)

    assert [one.last_used_at for one in tokens.tokens_of(session, ada.id)] == [
        None,
        first.last_used_at,
    ]
    session.execute(update(ApiToken).values(last_used_at=first.last_used_at - 60 * SECOND))
    session.commit()
    found = tokens.find_token(session, secret)
    assert found is not None and found.since_used is not None
    assert found.since_used >= tokens.USED_EVERY
    tokens.note_used(session, token.id)
    used_at = select(ApiToken.last_used_at).where(ApiToken.id == token.id)
    assert session.scalars(used_at).one() > first.last_used_at  # type: ignore[operator]


def test_only_the_owner_revokes_a_token(session: Session, make_user: MakeUser) -> None:
    """Once."""
    ada, bob = make_user("ada"), make_user("bob")
    token, secret = add_token(session, ada)

    revoked = [tokens.revoke_token(session, user, token.id, actor=ADA) for user in (bob, ada, ada)]

    assert revoked == [False, True, False]
    assert tokens.find_token(session, secret) is None


def test_changes_are_in_the_audit_trail(session: Session, make_user: MakeUser) -> None:
    """With the beginning of the token, without its secret."""
    token, secret = add_token(session, ada := make_user("ada"), "CI", Scope.RUN)
    tokens.revoke_token(session, ada, token.id, actor=ADA)

    revoked, created = audit.page(session, Filter(), limit=9)
    name = f"CI ({secret[:14]}…)"
    values = {"token": name, "scopes": "read run", "expires_at": token.expires_at.isoformat()}
    assert (created.actor, created.action, created.subject) == ("ada", "changed", "ada")
    assert (created.before, created.after) == (dict.fromkeys(values), values)
    assert (revoked.before, revoked.after) == ({"token": name}, {"token": None})


def test_nobody_has_too_many_tokens(
    session: Session,
    engine: Engine,
    make_user: MakeUser,
    at_once: AtOnce,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Expired ones don't count; concurrent requests don't exceed the maximum."""
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
    ada, bob = make_user("ada"), make_user("bob")
    add_token(session, ada)
    set_back(session, SECOND)
    add_token(session, ada)
    ada_id = ada.id
    session.commit()

    def add() -> str:
        with Session(engine) as own:
            try:
                add_token(own, own.get_one(User, ada_id))
            except InvalidToken as error:
                return str(error)
        return "added"

    assert sorted(at_once(add, add)) == ["A user can have 2 tokens. Revoke one first.", "added"]
    add_token(session, bob)
