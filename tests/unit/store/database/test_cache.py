"""Results of queries that a process caches for some seconds."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from taskadmin.store.database.cache import TimedCache


class Clock:
    """A clock that tests set."""

    time = 100.0

    def __call__(self) -> float:
        return self.time


def test_an_answer_is_good_for_its_time_only(session: Session) -> None:
    """After that, the query is repeated and its result cached again."""
    clock = Clock()
    answers: TimedCache[int] = TimedCache(seconds=10, now=clock)

    assert answers.get(session, "how many") is None
    answers.set(session, "how many", 7)
    clock.time += 9.9
    assert answers.get(session, "how many") == 7
    assert answers.get(session, "how few") is None
    clock.time += 0.1
    assert answers.get(session, "how many") is None
    answers.set(session, "how many", 8)
    clock.time += 9.9
    assert answers.get(session, "how many") == 8


def test_each_database_has_its_own_answers(engine: Engine, session: Session) -> None:
    """Also for sessions bound to a connection; the cache ends with the engine."""
    answers: TimedCache[int] = TimedCache(seconds=10, now=Clock())
    other = create_engine("sqlite://")

    answers.set(session, "how many", 7)

    with Session(other) as stranger:
        assert answers.get(stranger, "how many") is None
    with engine.connect() as connection, Session(connection) as same:
        assert answers.get(same, "how many") == 7


def test_no_more_answers_are_kept_than_may_be(session: Session) -> None:
    """The oldest is dropped first; storing one again makes it the newest."""
    answers: TimedCache[int] = TimedCache(seconds=10, most=2, now=Clock())

    for asked in ("a", "b", "a", "c"):
        answers.set(session, asked, ord(asked))

    assert [answers.get(session, asked) for asked in "abc"] == [97, None, 99]
