"""Create, find, check and revoke personal API tokens."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy.exc import DBAPIError

from ..errors import InvalidToken, TooManyAttempts
from ..models.people.token import TOKEN_NAME_MAX_LENGTH
from ..state import get_state
from ..store.database.outage import first_line
from ..store.people import throttle, tokens
from ..store.people.audit import Actor, Subject, subject_of
from ..store.people.tokens import Bearer, NewToken, Scope, TokenLine
from ..translation.texts import gettext
from ..values.ids import can_be_id
from ..values.storable import is_storable
from .people import existing_user, find_user
from .tasks import actor_or_application
from .traces import log_trace, note_wait, trace

#: Tokens end by themselves, so that a forgotten one can't be misused for ever.
DEFAULT_LIFE, MAX_LIFE = timedelta(days=90), timedelta(days=366)

log = logging.getLogger("taskadmin.service")


def create_token(
    user: int | str,
    *,
    name: str,
    scopes: Collection[Scope],
    lasts: timedelta = DEFAULT_LIFE,
    actor: Actor | None = None,
) -> NewToken:
    """Create a token, and return it with its secret, which can't be read again.

    A token may do what its scopes and its user's roles at the time of the request allow.

    Args:
        name: What the user calls it; 1 to 100 characters.
        scopes: ``RUN`` includes ``READ``, and ``MANAGE`` includes both.
        lasts: Until it expires; more than 0, at most 366 days.

    Raises:
        InvalidToken: If an argument can't be used, or the user has too many tokens.
        UnknownUser: If there is no such user.
    """
    by, whose = actor_or_application(actor), existing_user(user)
    if not get_state().has_tokens:
        raise InvalidToken(
            "Users of this application can't have tokens: pass identity_of to taskadmin, a function"
            " that returns the Identity of a username."
        )
    name = name.strip()
    if not 0 < len(name) <= TOKEN_NAME_MAX_LENGTH or not is_storable(name):
        longest = TOKEN_NAME_MAX_LENGTH
        raise InvalidToken(
            gettext("Enter a name of at most %(number)s characters.", number=longest)
        )
    if not tokens.including(scopes):
        raise InvalidToken(gettext("Choose what the token may be used for."))
    if not timedelta(0) < lasts <= MAX_LIFE:
        raise InvalidToken(
            gettext("A token can last %(number)s days at most.", number=MAX_LIFE.days)
        )
    created = tokens.create_token(
        get_state().session, whose, name=name, scopes=scopes, lasts=lasts, actor=by
    )
    log_trace(by, "changed", subject_of(whose), {"token": name, "scopes": created.token.scopes})
    return created


def find_tokens(user: int | str) -> Sequence[TokenLine]:
    """Return a user's tokens, newest first; never their secrets."""
    whose = find_user(user)
    return [] if whose is None else tokens.tokens_of(get_state().session, whose.id)


def revoke_token(user: int | str, token_id: int, *, actor: Actor | None = None) -> bool:
    """Delete one of a user's tokens; return whether it existed.

    Raises:
        UnknownUser: If there is no such user.
    """
    by, whose = actor_or_application(actor), existing_user(user)
    session = get_state().session
    was_there = can_be_id(token_id) and tokens.revoke_token(session, whose, token_id, actor=by)
    if was_there:
        log_trace(by, "changed", subject_of(whose), {"token": None})
    return was_there


def authenticate(secret: str, *, visitor: Actor | None = None) -> Bearer | None:
    """Return who shows this token, and what it may be used for; None if it isn't valid.

    Expired and revoked tokens aren't, nor those of deactivated users. The use is recorded, once a
    minute.

    Args:
        visitor: Whose address counts unknown tokens; None counts none.

    Raises:
        TooManyAttempts: After too many unknown tokens from the address. Those that exist are never
            refused, so that nobody can lock out others who share the address: they can't be
            guessed.
    """
    if not tokens.is_secret(secret):
        return None
    session, state = get_state().session, get_state()
    found = tokens.find_token(session, secret)
    if found is None:
        if visitor is not None:
            _count_unknown(visitor, f"{tokens.prefix_of(secret)}…")
        return None
    user = state.token_user(found.user) if not found.is_expired and found.user.is_active else None
    if user is None:
        return None
    if found.since_used is None or found.since_used >= tokens.USED_EVERY:
        try:
            tokens.note_used(session, found.id)
        except DBAPIError as error:  # the database is full or read-only
            log.warning("Can't record the use of a token: %s", first_line(error))
    return Bearer(user, found.scopes, found.id)


def _count_unknown(visitor: Actor, name: str) -> None:
    counter = throttle.of_address("token", visitor.source)
    try:
        attempts = throttle.count_attempt(get_state().session, [counter])
    except TooManyAttempts as error:
        note_wait(visitor, name, counter.kind, error)
        raise
    trace(visitor, "failed_log_in", Subject("user", 0, name), after={"attempts": attempts})
