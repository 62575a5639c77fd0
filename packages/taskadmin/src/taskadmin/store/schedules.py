"""Schedules of tasks: what people set, and the due time that follows from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from ..models import MissedRuns, Overlap, TaskSchedule
from ..schedules import InvalidSchedule, Schedule, ScheduleKind, make_schedule
from ..texts import gettext, marked
from .dialect import given_rows
from .overlap import newest_open_run

#: Largest value of a column of type integer.
_MAX = 2**31 - 1
#: Bounds of the policies, by field: from, to, and the sentence for what isn't between them.
_BOUNDS = {
    "max_runs": (1, _MAX, marked("A maximum is a whole number from 1.")),
    "grace_s": (0, 366 * 86400, marked("The grace is 0 to 31,622,400 seconds: at most 366 days.")),
    "jitter_s": (0, 86400, marked("The jitter is 0 to 86,400 seconds: at most a day.")),
    "pause_after": (1, 1000, marked("The number of failures is a whole number from 1 to 1,000.")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInput:
    """What people set of a schedule; the defaults are a task that goes with the common slot.

    Attributes are the columns of ``TaskSchedule`` of the same names.
    """

    kind: ScheduleKind = ScheduleKind.SLOT
    every_s: int | None = None
    cron: str | None = None
    zone: str = "UTC"
    once_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    max_runs: int | None = None
    missed_runs: MissedRuns = MissedRuns.ONCE
    grace_s: int = 60
    overlap: Overlap = Overlap.ALLOW
    jitter_s: int = 0
    pause_after: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the launches of the common slot are all that is needed."""
        return self == ScheduleInput(zone=self.zone)

    def checked(
        self, *, now: datetime | None = None, slot_interval_s: float | None = None
    ) -> ScheduleInput:
        """The same, tidied.

        Args:
            now: If given, a schedule that is over is refused.

        Raises:
            InvalidSchedule: With the field and a sentence for whoever entered it.
        """
        schedule = make_schedule(
            self.kind,
            every_s=self.every_s,
            cron=self.cron,
            zone=self.zone,
            once_at=self.once_at,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            now=now,
            slot_interval_s=slot_interval_s,
        )
        for field, (least, most, sentence) in _BOUNDS.items():
            value = getattr(self, field)
            if value is not None and not least <= value <= most:
                raise InvalidSchedule(field, gettext(sentence))
        policies = {
            "missed_runs": _member(MissedRuns, "missed_runs", self.missed_runs),
            "overlap": _member(Overlap, "overlap", self.overlap),
        }
        return ScheduleInput(
            **{field.name: getattr(schedule, field.name) for field in fields(schedule)},
            **{field: getattr(self, field) for field in _BOUNDS},
            **policies,
        )


def _member(kind: Any, field: str, value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise InvalidSchedule(
            field,
            gettext(
                "%(value)s is not one of %(values)s.",
                value=value,
                values=", ".join(kind),
            ),
        ) from None


DEFINITION = tuple(field.name for field in fields(ScheduleInput))


def schedule_of(row: TaskSchedule | None) -> Schedule:
    """The due times of a stored schedule; None is the common slot."""
    if row is None:
        return Schedule()
    return Schedule(
        kind=ScheduleKind(row.kind),
        every_s=row.every_s,
        cron=row.cron,
        zone=row.zone,
        once_at=row.once_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )


def input_of(row: TaskSchedule | None) -> ScheduleInput:
    """What people set of a stored schedule."""
    if row is None:
        return ScheduleInput()
    values = {name: getattr(row, name) for name in DEFINITION}
    values |= {
        "kind": ScheduleKind(row.kind),
        "missed_runs": MissedRuns(row.missed_runs),
        "overlap": Overlap(row.overlap),
    }
    return ScheduleInput(**values)


#: What the launcher remembers of a schedule.
_REMEMBERED = ("next_due", "last_due", "runs", "current_run_id", "waiting_run_id", "error")


def save_due_times(session: Session, schedules: Collection[TaskSchedule]) -> None:
    """Write what the launcher remembers of schedules that it holds locked."""
    table: Any = TaskSchedule.__table__
    rows = [{name: getattr(one, name) for name in ("task_id", *_REMEMBERED)} for one in schedules]
    if session.get_bind().dialect.name == "postgresql":
        given = given_rows(table, rows)
        session.execute(
            update(table)
            .where(table.c.task_id == given.c.task_id)
            .values({name: given.c[name] for name in _REMEMBERED})
        )
    else:
        session.connection().execute(
            update(table)
            .where(table.c.task_id == bindparam("b_task_id"))
            .values({name: bindparam(f"b_{name}") for name in _REMEMBERED}),
            [{f"b_{name}": value for name, value in row.items()} for row in rows],
        )


def find_schedule(session: Session, task_id: int) -> TaskSchedule | None:
    """The schedule of a task, fresh; None if it goes with the common slot."""
    return session.scalar(
        select(TaskSchedule)
        .where(TaskSchedule.task_id == task_id)
        .execution_options(populate_existing=True)
    )


def put_schedule(
    session: Session,
    task_id: int,
    wanted: ScheduleInput | None,
    *,
    moment: datetime,
    slot_interval_s: float,
) -> bool:
    """Give a task this schedule inside the caller's transaction; False if it has it already.

    A schedule that stays as it is keeps its next due time, which may just be due; a changed
    one begins after *moment*, and never again with a due time that has its row.

    Args:
        wanted: Checked; None, or one without any policy, is the common slot.
        moment: The database's time, read in this transaction.
    """
    row = session.scalar(
        select(TaskSchedule)
        .where(TaskSchedule.task_id == task_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if wanted is None or wanted.is_plain:
        if row is None:
            return False
        session.execute(
            delete(TaskSchedule).where(TaskSchedule.task_id == task_id),
            execution_options={"synchronize_session": False},
        )
        session.expunge(row)
        return True
    if row is not None and input_of(row) == wanted:
        return False
    if row is None:
        row = TaskSchedule(task_id=task_id, runs=0)
        session.add(row)
    began_to_care = wanted.overlap != Overlap.ALLOW and row.overlap in (None, Overlap.ALLOW)
    for name in DEFINITION:
        setattr(row, name, getattr(wanted, name))
    if began_to_care:
        row.current_run_id = newest_open_run(session, task_id)
    after = moment if row.last_due is None else max(moment, row.last_due)
    row.error = None
    row.next_due = (
        None
        if wanted.max_runs is not None and row.runs >= wanted.max_runs
        else schedule_of(row).next_after(after, slot_interval_s=slot_interval_s)
    )
    session.flush()
    return True
