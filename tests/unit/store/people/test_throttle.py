"""Counters of attempts, and waits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from fixture_types import AtOnce
from taskadmin.errors import TooManyAttempts
from taskadmin.models import Throttle
from taskadmin.store.database.clock import now
from taskadmin.store.people import throttle
from taskadmin.store.people.throttle import THROTTLE_RULES, Counter

ANA, HERE = Counter("account", "ana"), Counter("address", "192.0.2.7")


def attempt(session: Session, *counters: Counter) -> int | None:
    """Count an attempt, and return the number; None if it has to wait."""
    try:
        return throttle.count_attempt(session, counters)
    except TooManyAttempts:
        return None


def later(session: Session, time: timedelta) -> None:
    """Let time pass."""
    for row in session.scalars(select(Throttle)):
        row.blocked_until -= time
    session.commit()


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("kind", "attempts", "seconds"),
    [
        *(("account", 4, 0), ("account", 5, 1), ("account", 6, 2), ("account", 8, 8)),
        *(("account", 14, 512), ("account", 15, 900), ("account", 10_000, 900)),
        *(("address", 9, 0), ("address", 10, 1), ("registration", 9, 0)),
        *(("registration", 10, 3600), ("registration", 11, 3600)),
    ],
)
def test_waits_grow_up_to_a_limit(kind: str, attempts: int, seconds: int) -> None:
    """Each is twice as long, and none lasts for ever."""
    assert THROTTLE_RULES[kind].wait(attempts) == timedelta(seconds=seconds)


def test_an_attempt_during_a_wait_does_not_prolong_it(session: Session) -> None:
    """Continued guessing doesn't lock the user out for longer."""
    assert [attempt(session, ANA) for _ in range(5)] == [1, 2, 3, 4, 5]
    until = session.scalars(select(Throttle.blocked_until)).one()
    assert until - now(session) <= timedelta(seconds=1)

    assert [attempt(session, ANA) for _ in range(3)] == [None] * 3

    assert session.scalars(select(Throttle.blocked_until)).one() == until
    later(session, timedelta(seconds=1))
    assert [attempt(session, ANA), attempt(session, ANA)] == [6, None]
    assert session.scalars(select(Throttle.blocked_until)).one() - now(session) > timedelta(
        seconds=1
    )


def test_the_wait_is_in_whole_seconds(session: Session) -> None:
    """Rounded up to at least one, so that a retry after it succeeds."""
    session.add(Throttle(counter="account", key="ana", attempts=9, blocked_until=now(session)))
    session.commit()
    later(session, timedelta(seconds=-16))

    with pytest.raises(TooManyAttempts) as caught:
        throttle.count_attempt(session, [ANA])

    assert caught.value.retry_after in (timedelta(seconds=15), timedelta(seconds=16))


def test_an_attempt_counts_everywhere_or_nowhere(session: Session) -> None:
    """An account's wait doesn't use up the address's attempts, and vice versa."""
    for _ in range(5):
        attempt(session, ANA)

    assert attempt(session, HERE, ANA) is None

    assert session.scalars(select(Throttle.counter)).all() == ["account"]
    assert attempt(session, HERE, Counter("account", "bea")) == 1


def test_attempts_are_forgotten_after_a_day(session: Session) -> None:
    """A later failure starts at 0, and the launcher deletes the counter."""
    for _ in range(5):
        attempt(session, ANA)
    attempt(session, HERE)
    later(session, timedelta(days=1, seconds=2))

    assert attempt(session, ANA) == 1
    assert throttle.prune(session, batch=10) == 1
    assert session.scalars(select(Throttle.key)).all() == ["ana"]
    assert throttle.prune(session, batch=10) == 0


def test_many_attempts_at_once_are_no_more_than_one_by_one(
    session: Session, engine: Engine, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twenty concurrent attempts, five are allowed."""
    # The first wait, of a second, could end before a slow machine has made all attempts.
    longer = {kind: rule._replace(first_wait=900) for kind, rule in THROTTLE_RULES.items()}
    monkeypatch.setattr(throttle, "THROTTLE_RULES", longer)

    def one() -> int | None:
        with Session(engine) as own:
            return attempt(own, HERE, ANA)

    answers = at_once(*[one] * 20)

    assert sorted(answer for answer in answers if answer is not None) == [1, 2, 3, 4, 5]
    assert dict(session.execute(select(Throttle.counter, Throttle.attempts)).all()) == {
        "account": 5,
        "address": 5,
    }


def test_an_attempt_may_have_an_earlier_time_than_the_one_before(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read the clock, then waited until the other, or its taking back, was committed."""
    for _ in range(6):
        attempt(session, HERE, ANA)
    throttle.take_back(session, [HERE, ANA])
    session.commit()
    monkeypatch.setattr(throttle, "now", lambda session: now(session) - timedelta(seconds=1))

    assert attempt(session, HERE, ANA) == 5
    assert attempt(session, HERE) == 6


def test_an_attempt_is_taken_back(session: Session) -> None:
    """Its wait is removed, too."""
    for _ in range(5):
        attempt(session, ANA)

    throttle.take_back(session, [ANA, HERE])
    session.commit()

    assert attempt(session, ANA) == 5
    session.execute(update(Throttle).values(attempts=0))
    throttle.take_back(session, [ANA])
    assert session.scalars(select(Throttle.attempts)).all() == [0]


def test_waits_are_listed_and_cleared(session: Session) -> None:
    """Expired ones aren't listed."""
    for counter, attempts in ((ANA, 6), (HERE, 10), (Counter("account", "bea"), 4)):
        throttle.clear(session, [counter])
        session.add(
            Throttle(
                counter=counter.kind,
                key=counter.key,
                attempts=attempts,
                blocked_until=now(session) + THROTTLE_RULES[counter.kind].wait(attempts) * 100,
            )
        )
    session.commit()

    assert [wait[:3] for wait in throttle.waits(session, limit=9)] == [(*ANA, 6), (*HERE, 10)]
    assert [wait.key for wait in throttle.waits(session, limit=1)] == ["ana"]
    assert throttle.clear(session, [ANA, Counter("account", "nobody")]) == 1
    assert session.scalar(select(func.count()).select_from(Throttle)) == 2


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", "unknown"),
        ("\0" + "x" * 300, "\\x00" + "x" * 196),
    ],
)
def test_an_address_stands_for_whoever_has_it(address: str, key: str) -> None:
    """An IPv6 user has 2**64 addresses, so the network counts."""
    assert throttle.of_address("address", address) == ("address", key)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800", "a b", "", "\ufdfa" * 30])
def test_attempts_with_invalid_names_are_counted_too(session: Session, name: str) -> None:
    """The response doesn't reveal that the name is invalid."""
    assert [attempt(session, throttle.account(name)) for _ in range(6)] == [1, 2, 3, 4, 5, None]


@pytest.mark.databases("sqlite")
def test_spellings_of_a_name_are_one_account() -> None:
    """Like at log in."""
    assert {throttle.account(name) for name in ("Ana", " ana", "ＡＮＡ")} == {("account", "ana")}
