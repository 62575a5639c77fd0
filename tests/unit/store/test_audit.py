"""The audit trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from taskadmin.models import AuditEntry, Overlap
from taskadmin.store import audit
from taskadmin.store.audit import Actor, Change, Filter, Subject
from taskadmin.store.clock import now

ADA = Actor(7, "ada", "192.0.2.1")
ANA = Actor(8, "ana", "2001:db8::1")
TASK = Subject("task", 3, "Nightly")


def write_three(session: Session) -> None:
    audit.record(session, ADA, "created", TASK)
    audit.record(session, ANA, "paused", TASK, after={"note": "Too loud"})
    audit.record(session, ADA, "changed", Subject("user", 3, "bea_100%"))
    session.commit()


def test_an_entry_tells_who_did_what_when_and_from_where(session: Session) -> None:
    """With the time of the database."""
    begin = now(session)
    audit.record(session, ADA, "changed", TASK, before={"name": None}, after={"name": "Nightly"})
    session.commit()
    [entry] = audit.page(session, Filter(), limit=10)
    assert timedelta(0) <= entry.at - begin < timedelta(seconds=10)
    assert entry == (
        *(entry.id, entry.at, 7, "ada", "192.0.2.1", "changed", "task", 3, "Nightly"),
        *({"name": None}, {"name": "Nightly"}),
    )


def test_an_entry_goes_with_its_transaction(session: Session) -> None:
    """What wasn't done isn't told of."""
    audit.record(session, ADA, "deleted", TASK)
    session.rollback()
    assert audit.page(session, Filter(), limit=10) == []


def test_many_entries_are_one_statement(session: Session, count_queries: CountQueries) -> None:
    """A selection of 1,000 tasks costs no 1,000 round trips; an empty one costs none."""
    changes = [Change(Subject("task", number, f"Task {number}")) for number in range(1, 1001)]
    session.connection()
    with count_queries() as statements:
        audit.record_many(session, ADA, "paused", changes)
        audit.record_many(session, ADA, "paused", [])
    assert len(statements) == 1
    session.commit()
    assert len(list(audit.entries(session, Filter(), batch=300))) == 1000


def test_long_and_odd_texts_are_cut_to_what_fits(session: Session) -> None:
    """An entry never makes fail what it tells of."""
    actor = Actor(None, "n" * 300, "s" * 300)
    odd = {"text": "x" * 5000, "nul\0": "\0", "nan": float("nan"), "surprise": object}
    audit.record(session, actor, "a" * 50, Subject("task", 1, "\0" + "t" * 300), after=odd)
    session.commit()
    [entry] = audit.page(session, Filter(), limit=1)
    assert [len(entry.actor), len(entry.source), len(entry.action)] == [200, 100, 32]
    assert entry.subject == "t" * 200
    assert entry.after == {
        "text": "x" * 2000,
        "nul": "",
        "nan": "nan",
        "surprise": "<class 'object'>",
    }


def test_values_are_stored_as_json_has_them(session: Session) -> None:
    """Times, enumerations, sets and what is inside of lists too."""
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


def test_a_difference_has_what_changed_only() -> None:
    """Names that come and go are None on the other side; 1 and True differ."""
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
    """The newest first; a text is taken as it is, without wildcards."""
    write_three(session)
    assert [entry.action for entry in audit.page(session, which, limit=10)] == actions


def test_pages_go_on_behind_the_last_entry(session: Session) -> None:
    """By id, whatever is written meanwhile."""
    write_three(session)
    first = audit.page(session, Filter(), limit=2)
    audit.record(session, ADA, "resumed", TASK)
    session.commit()
    rest = audit.page(session, Filter(), before_id=first[-1].id, limit=2)
    assert [entry.action for entry in [*first, *rest]] == ["changed", "paused", "created"]


def test_an_export_holds_no_transaction_open(session: Session) -> None:
    """A slow reader of a long export doesn't keep the database from cleaning up."""
    write_three(session)
    for _ in audit.entries(session, Filter(), batch=2):
        assert not session.in_transaction()


@pytest.mark.parametrize(
    "statement",
    [update(AuditEntry).values(actor="eve"), delete(AuditEntry)],
    ids=["update", "delete"],
)
def test_the_trail_can_only_grow(session: Session, statement: object) -> None:
    """The database itself refuses whatever would change or delete an entry."""
    write_three(session)
    with pytest.raises(DatabaseError, match="never changed or deleted"):
        session.execute(statement)  # type: ignore[call-overload]
    session.rollback()
    assert session.execute(text("SELECT count(*) FROM taskadmin_audit")).scalar() == 3


def test_rows_are_named_as_people_see_them(session: Session, make_task: MakeTask) -> None:
    """A task without a name has a number."""
    task = make_task()
    assert audit.subject_of(task) == ("task", task.id, f"Task {task.id}")
