"""Task schedules: the stored definition, and the next due time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from ...models import MissedRuns, Overlap, TaskSchedule
from ...schedules import InvalidSchedule, Schedule, ScheduleKind, in_words, make_schedule
from ...translation.texts import gettext, marked
from ..database.dialect import given_rows
from ..runs.due_rows import DueSchedule
from ..runs.overlap import newest_open_run

#: Maximum of an integer column.
_MAX_INTEGER = 2**31 - 1
#: Bounds of the policies by field: minimum, maximum, and the error outside of them.
_BOUNDS = {
    "max_runs": (1, _MAX_INTEGER, marked("The maximum must be a whole number of at least 1.")),
    "grace_seconds": (
        0,
        366 * 86400,
        marked("The grace period must be 0 to 31,622,400 seconds (at most 366 days)."),
    ),
    "jitter_seconds": (0, 86400, marked("The jitter must be 0 to 86,400 seconds (at most a day).")),
    "pause_after": (
        1,
        1000,
        marked("The number of failures must be a whole number from 1 to 1,000."),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleInput:
    """The definition of a schedule; the defaults are the common slot.

    Attributes are the columns of ``TaskSchedule`` of the same names.
    """

    kind: ScheduleKind = ScheduleKind.SLOT
    every_seconds: int | None = None
    cron: str | None = None
    zone: str = "UTC"
    once_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    max_runs: int | None = None
    missed_runs: MissedRuns = MissedRuns.ONCE
    grace_seconds: int = 60
    overlap: Overlap = Overlap.ALLOW
    jitter_seconds: int = 0
    pause_after: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether this is the common slot without any policy, which needs no row."""
        return self == ScheduleInput(zone=self.zone)

    def checked(
        self, *, now: datetime | None = None, slot_interval_seconds: float | None = None
    ) -> ScheduleInput:
        """Validate and return a normalized copy.

        Args:
            now: If given, a schedule that has ended is refused.

        Raises:
            InvalidSchedule: With the field and a message for the person who entered it.
        """
        schedule = make_schedule(
            self.kind,
            every_seconds=self.every_seconds,
            cron=self.cron,
            zone=self.zone,
            once_at=self.once_at,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            now=now,
            slot_interval_seconds=slot_interval_seconds,
        )
        for field, (least, most, sentence) in _BOUNDS.items():
            value = getattr(self, field)
            # bool is a subclass of int.
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (is_whole and least <= value <= most):
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


def schedule_of(row: TaskSchedule | DueSchedule | ScheduleInput | None) -> Schedule:
    """Return the due times of a schedule definition; None is the common slot."""
    if row is None:
        return Schedule()
    return Schedule(
        kind=ScheduleKind(row.kind),
        every_seconds=row.every_seconds,
        cron=row.cron,
        zone=row.zone,
        once_at=row.once_at,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )


def words_of(row: TaskSchedule | None, slot_interval_seconds: float) -> str | None:
    """Describe a stored schedule; None if it can't be read, such as with an unknown zone."""
    try:
        return in_words(schedule_of(row), slot_interval_seconds)
    except InvalidSchedule:
        return None


def input_of(row: TaskSchedule | None) -> ScheduleInput:
    """Return the definition of a stored schedule."""
    if row is None:
        return ScheduleInput()
    values = {name: getattr(row, name) for name in DEFINITION}
    values |= {
        "kind": ScheduleKind(row.kind),
        "missed_runs": MissedRuns(row.missed_runs),
        "overlap": Overlap(row.overlap),
    }
    return ScheduleInput(**values)


#: Columns that the launcher updates.
_STATE_COLUMNS = ("next_due", "last_due", "runs", "current_run_id", "waiting_run_id", "error")


def save_due_times(session: Session, schedules: Collection[TaskSchedule | DueSchedule]) -> None:
    """Store the launcher's state of schedules that it has locked."""
    table: Any = TaskSchedule.__table__
    rows = [
        {name: getattr(one, name) for name in ("task_id", *_STATE_COLUMNS)} for one in schedules
    ]
    if session.get_bind().dialect.name == "postgresql":
        given = given_rows(table, rows)
        session.execute(
            update(table)
            .where(table.c.task_id == given.c.task_id)
            .values({name: given.c[name] for name in _STATE_COLUMNS})
        )
    else:
        session.connection().execute(
            update(table)
            .where(table.c.task_id == bindparam("b_task_id"))
            .values({name: bindparam(f"b_{name}") for name in _STATE_COLUMNS}),
            [{f"b_{name}": value for name, value in row.items()} for row in rows],
        )


def find_schedule(session: Session, task_id: int) -> TaskSchedule | None:
    """Return a task's current schedule from the database; None for the common slot."""
    return session.scalar(
        select(TaskSchedule)
        .where(TaskSchedule.task_id == task_id)
        .execution_options(populate_existing=True)
    )


def put_schedule(
    session: Session,
    task_id: int,
    definition: ScheduleInput | None,
    *,
    moment: datetime,
    slot_interval_seconds: float,
) -> bool:
    """Store a task's schedule inside the caller's transaction; return False if it is unchanged.

    An unchanged schedule keeps its next due time, which may just be due; a changed one starts after
    *moment*, and never repeats a due time that has a row.

    Args:
        definition: Validated; None, or one without any policy, is the common slot.
        moment: The database's time, read in this transaction.
    """
    row = session.scalar(
        select(TaskSchedule)
        .where(TaskSchedule.task_id == task_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if definition is None or definition.is_plain:
        if row is None:
            return False
        session.execute(
            delete(TaskSchedule).where(TaskSchedule.task_id == task_id),
            execution_options={"synchronize_session": False},
        )
        session.expunge(row)
        return True
    if row is not None and input_of(row) == definition:
        return False
    if row is None:
        row = TaskSchedule(task_id=task_id, runs=0)
        session.add(row)
    overlap_begins = definition.overlap != Overlap.ALLOW and row.overlap in (None, Overlap.ALLOW)
    for name in DEFINITION:
        setattr(row, name, getattr(definition, name))
    if overlap_begins:
        row.current_run_id = newest_open_run(session, task_id)
    after = moment if row.last_due is None else max(moment, row.last_due)
    row.error = None
    row.next_due = (
        None
        if definition.max_runs is not None and row.runs >= definition.max_runs
        else schedule_of(row).next_after(after, slot_interval_seconds=slot_interval_seconds)
    )
    session.flush()
    return True
