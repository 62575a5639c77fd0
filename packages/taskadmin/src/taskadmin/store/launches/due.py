"""Launch tasks with their own schedules: insert runs for due times, and set the next due time.

The cost of a turn depends on the number of due tasks, not of all tasks: an index of due times
finds them. Several launchers share the work (``SKIP LOCKED``). A schedule's row is locked from
reading its due time to writing the next one, so each due time is handled once and leaves one
row, whatever its outcome; the due times of a gap without launchers share one row.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from ...jobs import Job
from ...models import Launch, LaunchKind, LaunchState, MissedRuns, RunState, TaskSchedule
from ...schedules import Schedule
from ...translation.texts import untranslated
from ..database.clock import now
from ..database.transaction import end_reading, ledger_transaction
from ..runs.due_rows import DueSchedule, DueTask, lock_due_schedules, lock_tasks
from ..runs.overlap import Occupancy, note_occupancy, occupancies
from ..runs.results import WrittenRun, new_run, why_skipped, write_runs
from ..tasks.pause_reasons import pause_reasons
from ..tasks.schedules import save_due_times, schedule_of

#: Maximum tasks in one transaction.
MAX_TASKS_PER_TRANSACTION = 1_000
#: Maximum due times of one task in one transaction; the next one continues.
PER_TASK = 100
#: Missed due times are counted up to this number.
MAX_MISSED = 10_000
_TICK = timedelta(microseconds=1)


class DueLaunch(NamedTuple):
    """The result of one transaction."""

    #: None if no row was inserted, because all due tasks are deleted.
    launch_id: int | None
    tasks: int
    queued: int
    skipped: int


class MissedDueTimes(NamedTuple):
    """Due times that passed without a launch and won't be launched late."""

    first: datetime
    last: datetime
    #: At most ``MAX_MISSED``.
    number: int


@dataclass(slots=True)
class DuePlan:
    """How to handle the due times of one task up to now."""

    #: Each gets a run or a skipped run; those before ``late_before`` are late.
    due: list[datetime] = field(default_factory=list)
    late_before: datetime | None = None
    gap: MissedDueTimes | None = None
    next_due: datetime | None = None


def plan(
    schedule: Schedule,
    next_due: datetime,
    *,
    moment: datetime,
    since: datetime,
    missed_runs: MissedRuns,
    grace: timedelta,
    slot_interval_seconds: float,
) -> DuePlan:
    """Divide the due times from *next_due* to *moment* by the task's policy for missed runs.

    A due time is missed if no launcher ran when it came (it is before *since*) and it is late by
    more than *grace*. While launchers run without a gap, no due time is missed.
    """
    planned = DuePlan()

    def after(due: datetime) -> datetime | None:
        return schedule.next_after(due, slot_interval_seconds=slot_interval_seconds)

    due: datetime | None = next_due
    border = min(since, moment - grace)
    if next_due < border:
        last = (
            schedule.last_until(border - _TICK, slot_interval_seconds=slot_interval_seconds)
            or next_due
        )
        last = max(last, next_due)
        if missed_runs == MissedRuns.ALL:
            planned.late_before = border
        else:
            due = after(last)
            last_missed: datetime | None = last
            if missed_runs == MissedRuns.ONCE:
                planned.due.append(last)
                planned.late_before = border
                last_missed = schedule.last_until(
                    last - _TICK, slot_interval_seconds=slot_interval_seconds
                )
            if last_missed is not None and last_missed >= next_due:
                count = 1 + schedule.count_between(
                    next_due,
                    last_missed,
                    MAX_MISSED - 1,
                    slot_interval_seconds=slot_interval_seconds,
                )
                planned.gap = MissedDueTimes(next_due, last_missed, count)
    while due is not None and due <= moment and len(planned.due) < PER_TASK:
        planned.due.append(due)
        due = after(due)
    planned.next_due = due
    return planned


def launch_due(
    session: Session,
    *,
    owner: UUID,
    jobs: Mapping[str, Job],
    since: datetime,
    slot_interval_seconds: float,
    ownership: timedelta,
    limit: int = MAX_TASKS_PER_TRANSACTION,
) -> DueLaunch | None:
    """Launch the longest due tasks and commit; return None if none is due.

    The launch belongs to *owner*, who publishes it.

    Args:
        since: Start of the time in which launchers ran without a gap.
    """
    moment = now(session)
    is_due = TaskSchedule.next_due <= moment
    due_id = session.execute(select(TaskSchedule.task_id).where(is_due).limit(1)).scalar()
    end_reading(session)
    if due_id is None:
        return None
    with ledger_transaction(session):
        rows = lock_due_schedules(session, moment, limit=limit)
        if not rows:
            return None  # other launchers have locked them
        tasks = lock_tasks(session, [row.task_id for row in rows])
        moment = now(session)
        work = _Work(
            session,
            jobs=jobs,
            moment=moment,
            since=since,
            slot_interval_seconds=slot_interval_seconds,
            occupied=occupancies(session, rows),
            paused=pause_reasons(session, [task.id for task in tasks.values() if not task.enabled]),
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


class _Work:
    """Collects the rows of one transaction."""

    def __init__(
        self,
        session: Session,
        *,
        jobs: Mapping[str, Job],
        moment: datetime,
        since: datetime,
        slot_interval_seconds: float,
        occupied: Mapping[int, Occupancy],
        paused: Mapping[int, str],
    ) -> None:
        self._session = session
        self._jobs = jobs
        self._moment = moment
        self._since = since
        self._slot_interval_seconds = slot_interval_seconds
        self._occupied = occupied
        self._paused = paused
        self._rows: list[dict[str, Any]] = []
        self._schedules: dict[int, DueSchedule] = {}

    def add(self, row: DueSchedule, task: DueTask) -> None:
        """Plan one task's due times; an error in one task doesn't affect the others."""
        assert row.next_due is not None
        job = self._jobs.get(task.job)
        try:
            with untranslated():  # errors are stored in English
                planned = plan(
                    schedule_of(row),
                    row.next_due,
                    moment=self._moment,
                    since=self._since,
                    missed_runs=MissedRuns(row.missed_runs),
                    grace=timedelta(seconds=row.grace_seconds),
                    slot_interval_seconds=self._slot_interval_seconds,
                )
        except Exception as error:  # noqa: BLE001 - one task must not stop the others
            reason = f"Its schedule can't be computed: {error}"
            row.error, row.next_due = reason[:500], None
            self._add_run(task, job, self._moment, skipped=reason)
            return
        if planned.gap is not None:
            self._add_gap(task, job, planned.gap)
            row.last_due = _later(row.last_due, planned.gap.last)
        stop = self._paused.get(task.id) or why_skipped(task, job)
        occupancy = self._occupied[task.id]
        for due in planned.due:
            if row.max_runs is not None and row.runs >= row.max_runs:
                planned.next_due = None
                break
            row.last_due = _later(row.last_due, due)
            skipped, not_before = (stop, None) if stop else occupancy.place()
            if skipped is None:
                row.runs += 1
                not_before = not_before or self._jittered(row, due)
            late = planned.late_before is not None and due < planned.late_before
            note = "It runs late: no launcher was running when it was due." if late else None
            self._add_run(
                task, job, due, skipped=skipped, not_before=not_before, reason=note, checked=True
            )
        done = row.max_runs is not None and row.runs >= row.max_runs
        row.next_due = None if done else planned.next_due
        self._schedules[task.id] = row

    def _add_run(
        self,
        task: DueTask,
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
                launch_id=0,  # set when the launch is inserted
                due_at=due,
                moment=self._moment,
                skipped=skipped,
                not_before=not_before,
                reason=reason,
                checked=checked,
            )
        )

    def _add_gap(self, task: DueTask, job: Job | None, gap: MissedDueTimes) -> None:
        many = f"{'more than ' if gap.number == MAX_MISSED else ''}{gap.number:,} due times"
        subject = "Missed" if gap.number == 1 else f"{many} were missed"
        reason = f"{subject} by more than the grace period: no launcher was running."
        self._add_run(task, job, gap.first, skipped=reason)
        self._rows[-1]["output"] = {
            "missed": {
                "first": gap.first.isoformat(),
                "last": gap.last.isoformat(),
                "count": gap.number,
            }
        }

    def _jittered(self, row: DueSchedule, due: datetime) -> datetime | None:
        if not row.jitter_seconds:
            return None
        # Not a secret: it only spreads load. The cap is for values stored without validation.
        wait = timedelta(seconds=random.uniform(0, min(row.jitter_seconds, 86_400)))  # noqa: S311
        return due + wait if due + wait > self._moment else None

    def write(self, owner: UUID, owner_until: datetime, *, tasks: int) -> DueLaunch:
        """Insert the launch and its runs; ``save_due_times`` stores the schedules."""
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
            note_occupancy(row, self._occupied[task_id])


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def schedules_of(session: Session, task_ids: Sequence[int]) -> dict[int, TaskSchedule]:
    """Return the schedules of these tasks by task id; tasks of the common slot are left out."""
    rows = session.scalars(select(TaskSchedule).where(TaskSchedule.task_id.in_(task_ids)))
    return {row.task_id: row for row in rows}
