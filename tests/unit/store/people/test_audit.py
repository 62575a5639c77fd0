"""The audit trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from taskadmin.models import AuditEntry, Overlap
from taskadmin.store.database.clock import now
from taskadmin.store.people import audit
from taskadmin.store.people.audit import Actor, AuditLine, Change, Filter, Subject

ADA = Actor(7, "ada", "192.0.2.1", "Browser/1\0" + "x" * 300, "r-1")
ANA = Actor(8, "ana", "2001:db8::1")
TASK = Subject("task", 3, "Nightly")


def write_three(session: Session) -> None:
    audit.record(session, ADA, "created", TASK)
    audit.record(session, ANA, "paused", TASK, after={"note": "Too loud"})
    audit.record(session, ADA, "changed", Subject("user", 3, "bea_100%"))
    session.commit()


def test_an_entry_has_actor_action_time_and_address(session: Session) -> None:
    """The time is the database's."""
    begin = now(session)
    audit.record(session, ADA, "changed", TASK, before={"name": None}, after={"name": "Nightly"})
    session.commit()
    [entry] = audit.page(session, Filter(), limit=10)
    assert timedelta(0) <= entry.at - begin < timedelta(seconds=10)
    assert entry == AuditLine(
        *(entry.id, entry.at, 7, "ada", "192.0.2.1", "changed", "task", 3, "Nightly"),
        *({"name": None}, {"name": "Nightly"}, "Browser/1\\x00" + "x" * 187, "r-1"),
    )


def test_an_entry_goes_with_its_transaction(session: Session) -> None:
    """A rolled back change has no entry."""
    audit.record(session, ADA, "deleted", TASK)
    session.rollback()
    assert audit.page(session, Filter(), limit=10) == []


def test_many_entries_are_one_statement(session: Session, count_queries: CountQueries) -> None:
    """1,000 tasks don't need 1,000 round trips; none need no statement."""
    changes = [Change(Subject("task", number, f"Task {number}")) for number in range(1, 1001)]
    session.connection()
    with count_queries() as statements:
        audit.record_many(session, ADA, "paused", changes)
        audit.record_many(session, ADA, "paused", [])
    assert len(statements) == 1
    session.commit()
    assert len(list(audit.entries(session, Filter(), batch=300))) == 1000


def test_long_and_odd_texts_are_cut_to_what_fits(session: Session) -> None:
    """An entry never fails the change that it records."""
    actor = Actor(None, "n" * 300, "s" * 300)
    odd = {"text": "x" * 5000, "nul\0": "\0", "nan": float("nan"), "surprise": object}
    audit.record(session, actor, "a" * 50, Subject("task", 1, "\0" + "t" * 300), after=odd)
    session.commit()
    [entry] = audit.page(session, Filter(), limit=1)
    assert [len(entry.actor), len(entry.source), len(entry.action)] == [200, 100, 32]
    assert entry.subject == r"\x00" + "t" * 196
    assert entry.after == {
        "text": "x" * 2000,
        r"nul\x00": r"\x00",
        "nan": "nan",
        "surprise": "<class 'object'>",
    }


def test_values_are_stored_as_json_has_them(session: Session) -> None:
    """Times, enumerations and sets are converted, also inside lists."""
    values = {
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "overlap": Overlap.SKIP,
        "ids": {2, 1},
        "nested": [{"key": UUID(int=1)}, (True, 1.5)],
    }
    audit.record(session, ADA, "changed", TASK, after=values)
    session.commit()
    assert audit.page(session, Filter(), limit=1)[0].after == {
        "at": "2026-01-02T00:00:00+00:00",
        "overlap": "skip",
        "ids": [1, 2],
        "nested": [{"key": "00000000-0000-0000-0000-000000000001"}, [True, 1.5]],
    }


def test_passwords_in_urls_are_neither_stored_nor_read(session: Session) -> None:
    """Also nested, and in a text that is cut within the password."""
    long = "x" * 190 + "https://ana:" + "swordfish" * 20 + "@a.example"
    given = {"url": "https://ana:hunter2@a.example", "more": [{"url": "amqp://b:hunter2@c"}]}
    audit.record(session, ADA, "changed", TASK, before=given, after={"long": long})
    session.commit()
    entry = session.scalars(select(AuditEntry)).one()
    assert "hunter2" not in str(entry.before) and "sword" not in str(entry.after)

    # As earlier releases stored it.
    row = {"at": now(session), "actor": "ada", "source": "", "action": "changed"}
    subject = {"subject_kind": "task", "subject_id": 3, "subject": "Nightly"}
    session.execute(insert(AuditEntry).values(**row, **subject, before=given, after=given))
    session.commit()

    [line, _] = audit.page(session, Filter(), limit=9)
    assert (
        line.before
        == line.after
        == {
            "url": "https://ana:••••••@a.example",
            "more": [{"url": "amqp://b:••••••@c"}],
        }
    )


def test_a_difference_has_only_changed_values() -> None:
    """A missing name is None on that side; 1 and True differ."""
    before = {"name": "a", "enabled": True, "limit": 1, "gone": 5}
    after = {"name": "b", "enabled": True, "limit": True, "new": 6}
    assert audit.difference(before, after) == (
        {"name": "a", "limit": 1, "gone": 5, "new": None},
        {"name": "b", "limit": True, "gone": None, "new": 6},
    )


@pytest.mark.parametrize(
    ("which", "actions"),
    [
        (Filter(), ["changed", "paused", "created"]),
        (Filter(actor_id=7), ["changed", "created"]),
        (Filter(action="paused"), ["paused"]),
        (Filter(subject_kind="task", subject_id=3), ["paused", "created"]),
        (Filter(text="ANA"), ["paused"]),
        (Filter(text="night"), ["paused", "created"]),
        (Filter(text="_100%"), ["changed"]),
        (Filter(text="%a%"), []),
        (Filter(text="\0ana"), ["paused"]),
        (Filter(actor_id=8, text="bea"), []),
    ],
    ids=repr,
)
def test_entries_are_filtered(session: Session, which: Filter, actions: list[str]) -> None:
    """Newest first; texts match literally, without wildcards."""
    write_three(session)
    assert [entry.action for entry in audit.page(session, which, limit=10)] == actions


def test_pages_go_on_behind_the_last_entry(session: Session) -> None:
    """By id, independent of new entries."""
    write_three(session)
    first = audit.page(session, Filter(), limit=2)
    audit.record(session, ADA, "resumed", TASK)
    session.commit()
    rest = audit.page(session, Filter(), before_id=first[-1].id, limit=2)
    assert [entry.action for entry in [*first, *rest]] == ["changed", "paused", "created"]


def test_an_export_holds_no_transaction_open(session: Session) -> None:
    """A slow client of a long export doesn't block the database's cleanup."""
    write_three(session)
    for _ in audit.entries(session, Filter(), batch=2):
        assert not session.in_transaction()


@pytest.mark.parametrize(
    "statement",
    [update(AuditEntry).values(actor="eve"), delete(AuditEntry)],
    ids=["update", "delete"],
)
def test_the_trail_can_only_grow(session: Session, statement: object) -> None:
    """The database refuses to change or delete entries."""
    write_three(session)
    with pytest.raises(DatabaseError, match="never changed or deleted"):
        session.execute(statement)  # type: ignore[call-overload]
    session.rollback()
    assert session.execute(text("SELECT count(*) FROM taskadmin_audit")).scalar() == 3


def test_rows_are_named_as_people_see_them(session: Session, make_task: MakeTask) -> None:
    """A task without a name has its number."""
    task = make_task()
    assert audit.subject_of(task) == ("task", task.id, f"Task {task.id}")
