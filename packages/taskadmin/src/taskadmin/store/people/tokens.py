"""Personal API tokens: create, find, revoke."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from ...errors import InvalidToken
from ...models import ApiToken, User
from ...translation.texts import gettext
from ...values.showable import showable
from ..database.clock import database_now, now
from ..database.transaction import changed_rows, ledger_transaction
from .audit import Actor, record, subject_of

#: Precision of ``last_used_at``: otherwise, every request would write.
USED_EVERY = timedelta(minutes=1)
#: Maximum tokens of a user that haven't expired.
MAX_TOKENS = 50
#: Expired tokens are listed this long, so that people see why a program is refused.
LISTED_AFTER_EXPIRY = timedelta(days=30)

_ALPHABET = string.ascii_letters + string.digits
#: Secret scanners find tokens by this and the checksum, as with GitHub's.
_BEGINNING = "taskadmin_"
#: Lists show the first 4; the other 43 hold 256 bits.
_RANDOM_CHARACTERS, _SHOWN_CHARACTERS, _CHECKSUM_CHARACTERS = 47, 4, 6
_FORM = re.compile(
    f"{_BEGINNING}([A-Za-z0-9]{{{_RANDOM_CHARACTERS}}})([A-Za-z0-9]{{{_CHECKSUM_CHARACTERS}}})"
)


class Scope(StrEnum):
    """What a token may be used for, within what its user may do. Each includes the ones before."""

    READ = "read"
    #: Start, retry and cancel runs.
    RUN = "run"
    #: Create, edit, pause and delete tasks, and all else.
    MANAGE = "manage"


class TokenLine(NamedTuple):
    """A token as plain values, for lists; never its secret."""

    id: int
    name: str
    scopes: str
    prefix: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    is_expired: bool = False


class NewToken(NamedTuple):
    """A token that was created, with its secret, of which only a hash is stored."""

    token: TokenLine
    secret: str


class FoundToken(NamedTuple):
    """A token with its user, found by its secret."""

    user: User
    id: int
    scopes: frozenset[Scope]
    is_expired: bool
    #: Since the last recorded request; None before the first.
    since_used: timedelta | None


class Bearer(NamedTuple):
    """Who sends an API request, and what it may do within the user's roles of this moment."""

    user: User
    #: With those that they include: ask whether ``Scope.RUN`` is in them.
    scopes: frozenset[Scope]
    #: None for a request that the host's own rule has identified.
    token_id: int | None = None


def including(scopes: Collection[str]) -> frozenset[Scope]:
    """Return the scopes with those that they include; unknown words give none."""
    order = list(Scope)
    known = [order.index(Scope(word)) for word in scopes if word in order]
    return frozenset(order[: max(known, default=-1) + 1])


def new_secret() -> str:
    """Return a random token with its checksum."""
    characters = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_CHARACTERS))
    return f"{_BEGINNING}{characters}{_checksum(characters)}"


def is_secret(text: str) -> bool:
    """Return whether *text* has a token's form and the right checksum."""
    form = _FORM.fullmatch(text)
    return form is not None and _checksum(form[1]) == form[2]


def prefix_of(secret: str) -> str:
    """Return the beginning of a token, by which lists and the audit trail call it."""
    return secret[: len(_BEGINNING) + _SHOWN_CHARACTERS]


def create_token(
    session: Session,
    user: User,
    *,
    name: str,
    scopes: Collection[Scope],
    lasts: timedelta,
    actor: Actor,
) -> NewToken:
    """Add a token, and delete those that expired long ago.

    Raises:
        InvalidToken: If the user has too many.
    """
    secret, mine = new_secret(), ApiToken.user_id == user.id
    with ledger_transaction(session):
        # Lock the user, so that concurrent requests can't add more than the maximum.
        session.execute(select(User.id).where(User.id == user.id).with_for_update())
        moment = now(session)
        changed_rows(
            session,
            delete(ApiToken).where(mine, ApiToken.expires_at < moment - LISTED_AFTER_EXPIRY),
        )
        valid = select(func.count()).where(mine, ApiToken.expires_at > moment)
        if session.scalars(valid).one() >= MAX_TOKENS:
            raise InvalidToken(
                gettext("A user can have %(number)s tokens. Revoke one first.", number=MAX_TOKENS)
            )
        token = TokenLine(
            id=0,  # until it is inserted
            name=name,
            scopes=" ".join(scope for scope in Scope if scope in including(scopes)),
            prefix=prefix_of(secret),
            created_at=moment,
            expires_at=moment + lasts,
            last_used_at=None,
        )
        values = token._asdict() | {"user_id": user.id, "token_hash": _hash(secret)}
        del values["id"], values["is_expired"]
        token_id = session.scalars(insert(ApiToken).values(values).returning(ApiToken.id)).one()
        after = {
            "token": _described(name, token.prefix),
            "scopes": token.scopes,
            "expires_at": token.expires_at,
        }
        before = dict.fromkeys(after)
        record(session, actor, "changed", subject_of(user), before=before, after=after)
    return NewToken(token._replace(id=token_id), secret)


def tokens_of(session: Session, user_id: int) -> Sequence[TokenLine]:
    """Return a user's tokens by one query, newest first."""
    columns = [getattr(ApiToken, name) for name in TokenLine._fields[:-1]]
    rows = session.execute(
        select(database_now(), *columns)
        .where(ApiToken.user_id == user_id)
        .order_by(ApiToken.id.desc())
    )
    lines = [(moment, TokenLine(*map(showable, row))) for moment, *row in rows]
    return [line._replace(is_expired=line.expires_at <= moment) for moment, line in lines]


def find_token(session: Session, secret: str) -> FoundToken | None:
    """Return the token with this secret, by one query; also an expired or inactive user's."""
    row = session.execute(
        select(
            *(User, ApiToken.id, ApiToken.scopes),
            *(ApiToken.expires_at, ApiToken.last_used_at, database_now()),
        )
        .join_from(ApiToken, User, ApiToken.user_id == User.id)
        .where(ApiToken.token_hash == _hash(secret))
    ).one_or_none()
    if row is None:
        return None
    user, token_id, scopes, expires_at, used_at, moment = row
    since_used = None if used_at is None else moment - used_at
    return FoundToken(user, token_id, including(scopes.split()), expires_at <= moment, since_used)


def note_used(session: Session, token_id: int) -> None:
    """Record a request, unless a concurrent one has just been recorded."""
    with ledger_transaction(session):
        long_ago = ApiToken.last_used_at <= now(session) - USED_EVERY
        changed_rows(
            session,
            update(ApiToken)
            .where(ApiToken.id == token_id, or_(ApiToken.last_used_at.is_(None), long_ago))
            .values(last_used_at=database_now()),
        )


def revoke_token(session: Session, user: User, token_id: int, *, actor: Actor) -> bool:
    """Delete one of a user's tokens; return whether it existed."""
    which = (ApiToken.id == token_id, ApiToken.user_id == user.id)
    with ledger_transaction(session):
        token = session.execute(select(ApiToken.name, ApiToken.prefix).where(*which)).one_or_none()
        if token is None or not changed_rows(session, delete(ApiToken).where(*which)):
            return False
        before = {"token": _described(token.name, token.prefix)}
        record(session, actor, "changed", subject_of(user), before=before, after={"token": None})
    return True


def _described(name: str, prefix: str) -> str:
    return f"{name} ({prefix}…)"


def _hash(secret: str) -> str:
    # A slow hash is for passwords, which people choose: 256 random bits can't be guessed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _checksum(characters: str) -> str:
    """Return the CRC-32 in base 62."""
    number, digits = zlib.crc32(characters.encode()), ""
    for _ in range(_CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
