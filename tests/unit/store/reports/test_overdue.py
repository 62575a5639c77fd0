"""Age of rows that housekeeping should process; tests of the doctor check its messages."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.launches import add_slot_launch
from taskadmin.models import LaunchState, LedgerState
from taskadmin.store.database.clock import now
from taskadmin.store.reports.overdue import OldestAges, oldest_ages
from taskadmin.store.tasks import tasks

HOUR = timedelta(hours=1)


def test_an_empty_ledger_has_nothing_old(session: Session) -> None:
    """Nor has an uncounted minute."""
    assert oldest_ages(session, slots_before=HOUR) == OldestAges(None, None, None, None, None)


def test_the_oldest_of_each_kind_counts(session: Session, make_task: MakeTask) -> None:
    """Recently missed slots are ignored."""
    moment = now(session)
    for hours, state in ((3, LaunchState.CLOSED), (2, LaunchState.CLOSED), (4, LaunchState.MISSED)):
        add_slot_launch(session, state, published=hours * HOUR, slot=moment - hours * HOUR)
    task = make_task()
    tasks.delete_tasks(session, [task.id])
    task.deleted_at = moment - 5 * HOUR
    session.get_one(LedgerState, 1).counted_upto = moment - 6 * HOUR
    session.commit()
    ages = oldest_ages(session, slots_before=HOUR)
    found = [None if age is None else round(age / HOUR) for age in ages]
    assert found == [3, 4, 5, None, 6]
    assert oldest_ages(session, slots_before=10 * HOUR).missed_slot is None
