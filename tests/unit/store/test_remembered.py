"""What a process remembers of a database for some seconds."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session

from taskadmin.store.remembered import Remembered


class Clock:
    """A clock that is set by hand."""

    time = 100.0

    def __call__(self) -> float:
        return self.time


def test_an_answer_is_good_for_its_time_only(session: Session) -> None:
    """Then it is asked for again, and a new one begins anew."""
    clock = Clock()
    answers: Remembered[int] = Remembered(seconds=10, now=clock)

    assert answers.find(session, "how many") is None
    answers.keep(session, "how many", 7)
    clock.time += 9.9
    assert answers.find(session, "how many") == 7
    assert answers.find(session, "how few") is None
    clock.time += 0.1
    assert answers.find(session, "how many") is None
    answers.keep(session, "how many", 8)
    clock.time += 9.9
    assert answers.find(session, "how many") == 8


def test_each_database_has_its_own_answers(engine: Engine, session: Session) -> None:
    """Also of a session that is bound to a connection; they go with their engine."""
    answers: Remembered[int] = Remembered(seconds=10, now=Clock())
    other = create_engine("sqlite://")

    answers.keep(session, "how many", 7)

    with Session(other) as stranger:
        assert answers.find(stranger, "how many") is None
    with engine.connect() as connection, Session(connection) as same:
        assert answers.find(same, "how many") == 7


def test_no_more_answers_are_kept_than_may_be(session: Session) -> None:
    """The one that was given first goes first; giving it again makes it the last."""
    answers: Remembered[int] = Remembered(seconds=10, most=2, now=Clock())

    for asked in ("a", "b", "a", "c"):
        answers.keep(session, asked, ord(asked))

    assert [answers.find(session, asked) for asked in "abc"] == [97, None, 99]
