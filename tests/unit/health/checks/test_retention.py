"""The doctor's checks of retention: one finding per rule that doesn't keep up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from fixture_types import MakeApp, MakeTask
from taskadmin.health import Finding, Status, examine
from taskadmin.models import (
    Launch,
    LaunchKind,
    LaunchState,
    LedgerState,
    Process,
    ProcessEnd,
    ProcessKind,
    RunState,
    TaskResult,
)
from taskadmin.store.database.clock import now
from taskadmin.store.tasks.tasks import delete_tasks
from taskadmin.store.upkeep import pruning

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIX = (
    "Keep beat and a launcher running, and check its log: it prunes for 2 s of each tick."
    " A smaller TASKADMIN_TICK_SECONDS gives it more time."
)
FEWER = "\nOr keep fewer: TASKADMIN_RESULT_RETENTION_DAYS, TASKADMIN_RESULTS_PER_TASK."


class Site:
    """Add rows that a rule deletes some day."""

    def __init__(self, session: Session, make_task: MakeTask) -> None:
        self.session, self.make_task = session, make_task
        self.moment = now(session)

    def launch(self, ago: timedelta, state: LaunchState = LaunchState.CLOSED) -> int:
        at = self.moment - ago
        closed = at if state == LaunchState.CLOSED else None
        slot = at if state == LaunchState.MISSED else None
        kind = LaunchKind.MANUAL if slot is None else LaunchKind.SLOT
        row = Launch(kind=kind, slot=slot, state=state, opened_at=at, closed_at=closed)
        self.session.add(row)
        self.session.commit()
        return row.id

    def missed_slot(self, ago: timedelta) -> None:
        self.launch(ago, LaunchState.MISSED)

    def open_launch(self, ago: timedelta) -> None:
        self.launch(ago, LaunchState.PUBLISHED)

    def deleted_task(self, ago: timedelta) -> None:
        task = self.make_task()
        delete_tasks(self.session, [task.id])
        task.deleted_at = self.moment - ago
        self.session.commit()

    def two(self) -> None:
        self.process(3 * HOUR)
        self.deleted_task(30 * HOUR)

    def process(self, ago: timedelta) -> None:
        at = self.moment - ago
        ending = {"gone_at": at, "ending": ProcessEnd.STOPPED}
        who: dict[str, Any] = {"kind": ProcessKind.WORKER, "name": "w", "host": "h", "pid": 1}
        self.session.add(Process(id=uuid4(), **who, started_at=at, seen_at=at, **ending))
        self.session.commit()

    def living_process(self, ago: timedelta) -> None:
        at = self.moment - ago
        who: dict[str, Any] = {"kind": ProcessKind.WORKER, "name": "w", "host": "h", "pid": 1}
        self.session.add(Process(id=uuid4(), **who, started_at=at, seen_at=at))
        self.session.commit()

    def counted(self, ago: timedelta) -> None:
        self.session.get_one(LedgerState, 1).counted_upto = self.moment - ago
        self.session.commit()

    def results(
        self,
        *hours_ago: float,
        launched: LaunchState = LaunchState.CLOSED,
        state: RunState = RunState.SUCCEEDED,
    ) -> int:
        """Add a task with results due that many hours ago; the oldest has this state."""
        task = self.make_task().id
        oldest = max(hours_ago)
        for hours in hours_ago:
            is_oldest = hours == oldest
            at = self.moment - hours * HOUR
            row: dict[str, Any] = {"task_id": task, "due_at": at, "queued_at": at}
            row |= {"job": "x", "queue": "q", "task_params": {}}
            row |= {"state": state if is_oldest else RunState.SUCCEEDED, "finished_at": at}
            if row["state"] == RunState.RUNNING:
                row |= {"token": UUID(int=1), "process_id": UUID(int=2), "finished_at": None}
            of = self.launch(hours * HOUR, launched if is_oldest else LaunchState.CLOSED)
            self.session.execute(insert(TaskResult), [{"launch_id": of, **row}])
        self.session.commit()
        return task


@pytest.fixture
def site(session: Session, make_task: MakeTask) -> Site:
    return Site(session, make_task)


def retention(app: Flask) -> Finding:
    """Return the doctor's findings about retention."""
    with app.app_context():
        return next(finding for finding in examine(app) if finding.name == "retention")


LATE: list[tuple[Callable[[Site], Any], str, str]] = [
    (
        lambda site: site.launch(32 * DAY),
        "The oldest launch was closed 32 days ago, although results are kept for 30 days.",
        FIX + FEWER,
    ),
    (
        lambda site: site.missed_slot(40 * DAY),
        "The oldest missed slot was 40 days ago, although they are kept for 30 days.",
        FIX + FEWER,
    ),
    (
        lambda site: site.deleted_task(2 * HOUR),
        "A task that was deleted 2 hr ago is still in the tables.",
        FIX,
    ),
    (
        lambda site: site.process(3 * HOUR),
        "A process that ended 3 hr ago is still in the tables.",
        FIX,
    ),
    (
        lambda site: site.counted(2 * HOUR),
        "Finished runs were last counted 2 hr ago.",
        FIX,
    ),
    (
        lambda site: site.results(2, 3, 4),
        "At least 1 result is beyond what tasks keep (2 each), for over an hour.",
        FIX + FEWER,
    ),
    (
        lambda site: (site.results(0.5, 2, 3, 4, 5), site.results(7, 8, 9)),
        "At least 3 results are beyond what tasks keep (2 each), for over an hour.",
        FIX + FEWER,
    ),
    (
        lambda site: site.two(),
        (
            "A task that was deleted 1 day, 6 hr ago is still in the tables."
            " A process that ended 3 hr ago is still in the tables."
        ),
        FIX,
    ),
]


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=30, TASKADMIN_RESULTS_PER_TASK=2)
@pytest.mark.parametrize(("add", "found", "fix"), LATE)
def test_a_rule_that_doesnt_keep_up(
    app: Flask, site: Site, add: Callable[[Site], Any], found: str, fix: str
) -> None:
    """Each is named, with a fix."""
    add(site)

    assert retention(app) == Finding("retention", Status.WARNING, found, fix)


WELL: dict[str, Callable[[Site], Any]] = {
    "nothing": lambda site: None,
    "pruning has a day": lambda site: site.launch(30.9 * DAY),
    "for missed slots, too": lambda site: site.missed_slot(30.9 * DAY),
    "an open launch never goes": lambda site: site.open_launch(99 * DAY),
    "a deleted task has an hour": lambda site: site.deleted_task(0.9 * HOUR),
    "a process is kept for an hour, and has another one": lambda site: site.process(1.9 * HOUR),
    "a living one never goes": lambda site: site.living_process(99 * DAY),
    "minutes were counted": lambda site: site.counted(0.9 * HOUR),
    "as many as are kept": lambda site: site.results(20, 30),
    "one too many since lately": lambda site: site.results(0.5, 20, 30),
    "of an open launch": lambda site: site.results(20, 30, 40, launched=LaunchState.PUBLISHED),
    "under way": lambda site: site.results(20, 30, 40, state=RunState.RUNNING),
}


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=30, TASKADMIN_RESULTS_PER_TASK=2)
@pytest.mark.parametrize("add", WELL.values(), ids=list(WELL))
def test_all_rules_keep_up(app: Flask, site: Site, add: Callable[[Site], Any]) -> None:
    """Rows that may still exist aren't reported."""
    add(site)

    expected = Finding("retention", Status.OK, "Nothing is left that should be deleted.", None)
    assert retention(app) == expected


@pytest.mark.settings(TASKADMIN_RESULT_RETENTION_DAYS=0)
def test_rules_that_arent_set_arent_looked_for(app: Flask, site: Site) -> None:
    """Without limits, no rows are too old."""
    site.launch(99 * DAY)
    site.missed_slot(99 * DAY)
    site.results(*range(20, 40))

    assert retention(app).status == Status.OK


@pytest.mark.settings(TASKADMIN_RESULTS_PER_TASK=2)
@pytest.mark.parametrize("place", ["next", "newest"])
def test_some_of_many_tasks_are_looked_at(
    app: Flask, session: Session, site: Site, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Those that have waited longest, and those that ran last."""
    monkeypatch.setattr(pruning, "MAX_TASKS_PER_CHECK", 1)
    if place == "next":
        task = site.results(20, 30, 40)
        site.results(2, 3)
        session.get_one(LedgerState, 1).pruned_task_id = task - 1
    else:
        site.results(20, 30)
        site.results(2, 3, 4)
    session.commit()

    assert retention(app).status == Status.WARNING


@pytest.fixture
def locked(engine: Engine) -> Iterator[None]:
    """The tasks are locked by another transaction."""
    with engine.begin() as other:
        other.execute(text("LOCK TABLE taskadmin_task IN ACCESS EXCLUSIVE MODE"))
        yield


@pytest.mark.databases("postgresql")
def test_it_doesnt_wait_for_long(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, locked: None
) -> None:
    """The doctor continues."""
    monkeypatch.setattr("taskadmin.health.checks.retention._QUERY_TIMEOUT_SECONDS", 0.2)
    app = make_app()
    with app.app_context():
        found = list(examine(app))
    (one,) = (finding for finding in found if finding.name == "retention")

    assert one.status == Status.PROBLEM
    assert one.found.startswith("The check failed: ")
    assert "statement timeout" in one.found
    assert found[-1].name == "table growth"
