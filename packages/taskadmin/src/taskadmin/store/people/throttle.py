"""Limit guessing of passwords, with counters in the database that all processes share.

After too many failures, the next attempts have to wait, each twice as long, up to a limit. Attempts
during a wait don't extend it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from sqlalchemy import case, delete, select, tuple_, update
from sqlalchemy.orm import Session

from ...errors import InvalidUsername, TooManyAttempts
from ...models import Throttle
from ...values.storable import escaped_text
from ..database.clock import database_now, now
from ..database.dialect import insert_with_conflicts
from ..database.transaction import changed_rows, ledger_transaction
from .usernames import normalize_username

#: Counters start again from 0 this long after the last wait.
FORGET_AFTER = timedelta(days=1)
_KEY_LENGTH = 200
_COUNTER_KEY = (Throttle.counter, Throttle.key)


class ThrottleRule(NamedTuple):
    """Number of attempts without a wait, and the waits after them, in seconds."""

    free: int
    first_wait: int
    longest_wait: int

    def wait(self, attempts: int) -> timedelta:
        """Return the wait after this number of attempts."""
        if attempts < self.free:
            return timedelta()
        # 2**20 s is longer than any longest_wait.
        doubled = self.first_wait * 2 ** min(attempts - self.free, 20)
        return timedelta(seconds=min(doubled, self.longest_wait))


#: By kind of counter. Addresses have more free attempts because people share them.
THROTTLE_RULES = {
    "account": ThrottleRule(free=5, first_wait=1, longest_wait=900),
    "address": ThrottleRule(free=10, first_wait=1, longest_wait=900),
    # A browser in which the user has logged in before.
    "browser": ThrottleRule(free=5, first_wait=1, longest_wait=900),
    # Confirming the password while logged in.
    "password": ThrottleRule(free=5, first_wait=1, longest_wait=900),
    # Codes of the second factor, after the password.
    "code": ThrottleRule(free=5, first_wait=1, longest_wait=900),
    # API tokens that don't exist, by address. Tokens that do are never refused.
    "token": ThrottleRule(free=10, first_wait=1, longest_wait=900),
    # Registered and taken usernames, by address.
    "registration": ThrottleRule(free=10, first_wait=3600, longest_wait=3600),
}


class Counter(NamedTuple):
    """Identifies a counter of attempts."""

    #: A key of ``THROTTLE_RULES``.
    kind: str
    key: str


class Wait(NamedTuple):
    """A counter that refuses attempts until a time."""

    kind: str
    key: str
    attempts: int
    until: datetime


def account(username: str) -> Counter:
    """Return the counter of a username, whether or not the account exists."""
    try:
        key = normalize_username(username).key
    except InvalidUsername:
        key = username.strip()[:_KEY_LENGTH]
    return Counter("account", escaped_text(key)[:_KEY_LENGTH])


def of_address(kind: str, address: str) -> Counter:
    """Return the counter of an address; an IPv6 address counts as its /64 network."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return Counter(kind, escaped_text(address)[:_KEY_LENGTH])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    if isinstance(ip, ipaddress.IPv6Address):
        return Counter(kind, str(ipaddress.ip_network((int(ip), 64), strict=False)))
    return Counter(kind, str(ip))


def of_browsers(session: Session, key: str) -> list[Counter]:
    """Return the counters that a user's known browsers have, by the *key* of the username.

    The key of a browser is the user's and, after a space, the browser's.
    """
    mine = Throttle.key.startswith(f"{key} ", autoescape=True)
    rows = session.execute(
        select(*_COUNTER_KEY)
        .where(Throttle.counter.in_(["browser", "code"]), mine)
        .order_by(*_COUNTER_KEY)
    )
    return [Counter(*row) for row in rows]


def count_attempt(session: Session, counters: Sequence[Counter]) -> int:
    """Count an attempt before it is made, and commit; return the number of the last counter.

    Counting first limits concurrent attempts, too.

    Raises:
        TooManyAttempts: If one of the counters has to wait; then none is incremented.
    """
    with ledger_transaction(session):
        return [_count(session, counter) for counter in counters][-1]


def _count(session: Session, counter: Counter) -> int:
    moment = now(session)
    statement = insert_with_conflicts(session, Throttle).values(
        counter=counter.kind, key=counter.key, attempts=1, blocked_until=moment
    )
    is_forgotten = Throttle.blocked_until < moment - FORGET_AFTER
    attempts: int | None = session.scalar(
        statement.on_conflict_do_update(
            index_elements=[Throttle.counter, Throttle.key],
            set_={
                "attempts": case((is_forgotten, 1), else_=Throttle.attempts + 1),
                "blocked_until": moment,
            },
            # Not compared with *moment*: an attempt that this one waited for may have a later one.
            where=Throttle.blocked_until <= database_now(),
        ).returning(Throttle.attempts)
    )
    if attempts is None:
        until = session.scalar(select(Throttle.blocked_until).where(_is(counter)))
        raise TooManyAttempts(retry_after=_whole_seconds((until or moment) - moment))
    if wait := THROTTLE_RULES[counter.kind].wait(attempts):
        _set(session, counter, blocked_until=moment + wait)
    return attempts


def take_back(session: Session, counters: Iterable[Counter]) -> None:
    """Undo a counted attempt that succeeded or wasn't made, inside the caller's transaction."""
    for counter in counters:
        fewer = case((Throttle.attempts > 0, Throttle.attempts - 1), else_=0)
        _set(session, counter, attempts=fewer, blocked_until=now(session))


def clear(session: Session, counters: Iterable[Counter]) -> int:
    """Delete counters inside the caller's transaction; return how many existed."""
    return sum(_deleted(session, _is(counter)) for counter in counters)


def waits(session: Session, *, limit: int) -> Sequence[Wait]:
    """Return the counters that refuse attempts now, longest wait first."""
    columns = (Throttle.counter, Throttle.key, Throttle.attempts, Throttle.blocked_until)
    rows = session.execute(
        select(*columns)
        .where(Throttle.blocked_until > database_now())
        .order_by(Throttle.blocked_until.desc())
        .limit(limit)
    )
    return [Wait(*row) for row in rows]


def prune(session: Session, *, batch: int) -> int:
    """Delete outdated counters; return how many. The launcher calls this."""
    old = Throttle.blocked_until < now(session) - FORGET_AFTER
    some = select(*_COUNTER_KEY).where(old).limit(batch)
    with ledger_transaction(session):
        return _deleted(session, tuple_(*_COUNTER_KEY).in_(some), old)


def _is(counter: Counter) -> Any:
    return (Throttle.counter == counter.kind) & (Throttle.key == counter.key)


def _set(session: Session, counter: Counter, **values: object) -> None:
    session.execute(
        update(Throttle).where(_is(counter)).values(**values),
        execution_options={"synchronize_session": False},
    )


def _deleted(session: Session, *which: Any) -> int:
    return changed_rows(
        session,
        delete(Throttle).where(*which),
    )


def _whole_seconds(length: timedelta) -> timedelta:
    return timedelta(seconds=max(1, ceil(length.total_seconds())))
