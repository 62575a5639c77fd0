"""Tasks with schedules of their own: those that are due get their rows, and their next due time.

What a turn costs goes with what is due, not with what exists: due rows are found in
an index of due times. Several launchers share the work (``SKIP LOCKED``); a task's
schedule is locked from reading its due time to writing the next one, so that each due
time is written once. A due time leaves one row, whatever comes of it; those of a gap
in which nothing launched share one.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..jobs import Job
from ..models import Launch, LaunchKind, LaunchState, MissedRuns, RunState, Task, TaskSchedule
from ..schedules import Schedule
from ..texts import untranslated
from .clock import now
from .dialect import is_one_of
from .overlap import Occupancy, note_occupancy, occupancies
from .pause_reasons import reasons_of_pauses
from .results import WrittenRun, new_run, why_skipped, write_runs
from .schedules import save_due_times, schedule_of
from .transaction import end_reading, ledger_transaction

#: Tasks of one transaction.
BATCH = 1_000
#: Due times of one task that one transaction writes; the next one goes on.
PER_TASK = 100
#: Missed due times are counted up to here.
COUNTED = 10_000
_TICK = timedelta(microseconds=1)


class DueLaunch(NamedTuple):
    """What one transaction launched."""

    #: None if no row was written: due times of deleted tasks only.
    launch_id: int | None
    tasks: int
    queued: int
    skipped: int


class Gap(NamedTuple):
    """Due times at which nothing launched, and that won't be made up for."""

    first: datetime
    last: datetime
    #: At most ``COUNTED``.
    number: int


@dataclass(slots=True)
class Plan:
    """What becomes of the due times of one task up to now."""

    #: Each gets a run, or a row that says why not; those before ``late_before`` are late.
    due: list[datetime] = field(default_factory=list)
    late_before: datetime | None = None
    gap: Gap | None = None
    next_due: datetime | None = None


def plan(
    schedule: Schedule,
    next_due: datetime,
    *,
    moment: datetime,
    since: datetime,
    missed_runs: MissedRuns,
    grace: timedelta,
    slot_interval_s: float,
) -> Plan:
    """Sort the due times from *next_due* to *moment* by the task's policy.

    A due time is missed if nothing launched when it came (it lies before *since*) and it is
    late by more than *grace*. As long as launchers run, late is merely late.
    """
    made = Plan()

    def after(due: datetime) -> datetime | None:
        return schedule.next_after(due, slot_interval_s=slot_interval_s)

    due: datetime | None = next_due
    border = min(since, moment - grace)
    if next_due < border:
        last = schedule.last_upto(border - _TICK, slot_interval_s=slot_interval_s) or next_due
        last = max(last, next_due)
        if missed_runs == MissedRuns.ALL:
            made.late_before = border
        else:
            due = after(last)
            upto: datetime | None = last
            if missed_runs == MissedRuns.ONCE:
                made.due.append(last)
                made.late_before = border
                upto = schedule.last_upto(last - _TICK, slot_interval_s=slot_interval_s)
            if upto is not None and upto >= next_due:
                count = 1 + schedule.count_between(
                    next_due, upto, COUNTED - 1, slot_interval_s=slot_interval_s
                )
                made.gap = Gap(next_due, upto, count)
    while due is not None and due <= moment and len(made.due) < PER_TASK:
        made.due.append(due)
        due = after(due)
    made.next_due = due
    return made


def launch_due(
    session: Session,
    *,
    owner: UUID,
    jobs: Mapping[str, Job],
    since: datetime,
    slot_interval_s: float,
    ownership: timedelta,
    limit: int = BATCH,
) -> DueLaunch | None:
    """Write the rows of the tasks that are longest due, and commit; None if nothing is due.

    The launch belongs to *owner*, who sends it.

    Args:
        since: Launchers have run without a gap since then.
    """
    moment = now(session)
    is_due = TaskSchedule.next_due <= moment
    found = session.execute(select(TaskSchedule.task_id).where(is_due).limit(1)).scalar()
    end_reading(session)
    if found is None:
        return None
    with ledger_transaction(session):
        rows = [
            cast("TaskSchedule", SimpleNamespace(**row))
            for row in session.execute(
                select(*TaskSchedule.__table__.c)
                .where(is_due)
                .order_by(TaskSchedule.next_due)
                .limit(limit)
                .with_for_update(skip_locked=True)
            ).mappings()
        ]
        if not rows:
            return None  # other launchers are at them
        tasks = {
            row["id"]: cast("Task", _TaskCopy(**row))
            for row in session.execute(
                select(*_OF_TASKS)
                .where(
                    is_one_of(session, Task.id, [row.task_id for row in rows]),
                    Task.deleted_at.is_(None),
                )
                .order_by(Task.id)
                # As for the pages of a slot: no deletion may miss the run.
                .with_for_update(read=True, key_share=True)
            ).mappings()
        }
        moment = now(session)
        work = _Work(
            session,
            jobs=jobs,
            moment=moment,
            since=since,
            slot_interval_s=slot_interval_s,
            occupied=occupancies(session, rows),
            paused=reasons_of_pauses(
                session, [task.id for task in tasks.values() if not task.enabled]
            ),
        )
        for row in rows:
            task = tasks.get(row.task_id)
            if task is None:
                row.next_due = None  # deleted
            else:
                work.add(row, task)
        written = work.write(owner, moment + ownership, tasks=len(rows))
        save_due_times(session, rows)
        return written


# Rows are copied into plain objects: a session's bookkeeping for thousands of them would take
# longer than all the rest.


class _TaskCopy(SimpleNamespace):
    arguments, masked = Task.arguments, Task.masked


#: What a run is made of.
_OF_TASKS = (
    Task.id,
    Task.job,
    Task.lower_limit,
    Task.upper_limit,
    Task.params,
    Task.enabled,
    Task.created_by,
)


class _Work:
    """The rows of one transaction."""

    def __init__(
        self,
        session: Session,
        *,
        jobs: Mapping[str, Job],
        moment: datetime,
        since: datetime,
        slot_interval_s: float,
        occupied: Mapping[int, Occupancy],
        paused: Mapping[int, str],
    ) -> None:
        self._session = session
        self._jobs = jobs
        self._moment = moment
        self._since = since
        self._slot_interval_s = slot_interval_s
        self._occupied = occupied
        self._paused = paused
        self._rows: list[dict[str, Any]] = []
        self._schedules: dict[int, TaskSchedule] = {}

    def add(self, row: TaskSchedule, task: Task) -> None:
        """Plan one task's due times; what is wrong with one disturbs no other."""
        assert row.next_due is not None
        job = self._jobs.get(task.job)
        try:
            with untranslated():  # what is wrong is stored
                made = plan(
                    schedule_of(row),
                    row.next_due,
                    moment=self._moment,
                    since=self._since,
                    missed_runs=MissedRuns(row.missed_runs),
                    grace=timedelta(seconds=row.grace_s),
                    slot_interval_s=self._slot_interval_s,
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the others
            reason = f"Its schedule can't be kept: {error}"
            row.error, row.next_due = reason[:500], None
            self._add_run(task, job, self._moment, skipped=reason)
            return
        if made.gap is not None:
            self._add_gap(task, job, made.gap)
            row.last_due = _later(row.last_due, made.gap.last)
        stop = self._paused.get(task.id) or why_skipped(task, job)
        occupancy = self._occupied[task.id]
        for due in made.due:
            if row.max_runs is not None and row.runs >= row.max_runs:
                made.next_due = None
                break
            row.last_due = _later(row.last_due, due)
            skipped, not_before = (stop, None) if stop else occupancy.place()
            if skipped is None:
                row.runs += 1
                not_before = not_before or self._jittered(row, due)
            late = made.late_before is not None and due < made.late_before
            word = "It runs late: nothing launched when it was due." if late else None
            self._add_run(
                task, job, due, skipped=skipped, not_before=not_before, reason=word, checked=True
            )
        done = row.max_runs is not None and row.runs >= row.max_runs
        row.next_due = None if done else made.next_due
        self._schedules[task.id] = row

    def _add_run(
        self,
        task: Task,
        job: Job | None,
        due: datetime,
        *,
        skipped: str | None,
        not_before: datetime | None = None,
        reason: str | None = None,
        checked: bool = False,
    ) -> None:
        self._rows.append(
            new_run(
                task,
                job,
                launch_id=0,  # there is none yet
                due_at=due,
                moment=self._moment,
                skipped=skipped,
                not_before=not_before,
                reason=reason,
                checked=checked,
            )
        )

    def _add_gap(self, task: Task, job: Job | None, gap: Gap) -> None:
        many = f"{'more than ' if gap.number == COUNTED else ''}{gap.number:,} due times"
        what = "Missed" if gap.number == 1 else f"{many} were missed"
        reason = f"{what} by more than the grace: nothing launched when it was due."
        self._add_run(task, job, gap.first, skipped=reason)
        self._rows[-1]["output"] = {
            "missed": {
                "first": gap.first.isoformat(),
                "last": gap.last.isoformat(),
                "count": gap.number,
            }
        }

    def _jittered(self, row: TaskSchedule, due: datetime) -> datetime | None:
        if not row.jitter_s:
            return None
        # No secret: it only spreads load.
        wait = timedelta(seconds=random.uniform(0, row.jitter_s))  # noqa: S311
        return due + wait if due + wait > self._moment else None

    def write(self, owner: UUID, owner_until: datetime, *, tasks: int) -> DueLaunch:
        """Write the launch and its rows; the schedules are written by ``save_due_times``."""
        session = self._session
        if not self._rows:
            return DueLaunch(None, tasks, 0, 0)
        launch = Launch(
            kind=LaunchKind.DUE,
            state=LaunchState.OPENING,
            owner=owner,
            owner_until=owner_until,
            opened_at=self._moment,
        )
        session.add(launch)
        session.flush()
        written = write_runs(session, [run | {"launch_id": launch.id} for run in self._rows])
        queued = sum(run.state == RunState.QUEUED for run in written)
        self._note(written)
        launch.queued, launch.skipped = queued, len(written) - queued
        return DueLaunch(launch.id, tasks, queued, len(written) - queued)

    def _note(self, written: Sequence[WrittenRun]) -> None:
        waits = {(run["task_id"], run["due_at"]): run["not_before"] for run in self._rows}
        for run in sorted(written):
            if run.state == RunState.QUEUED:
                self._occupied[run.task_id].written(run.id, waits[run.task_id, run.due_at])
        for task_id, row in self._schedules.items():
            note_occupancy(self._session, row, self._occupied[task_id])


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def next_dues(session: Session, task_ids: Sequence[int]) -> dict[int, TaskSchedule]:
    """The schedules of these tasks, for lists; tasks of the common slot are left out."""
    rows = session.scalars(select(TaskSchedule).where(TaskSchedule.task_id.in_(task_ids)))
    return {row.task_id: row for row in rows}
