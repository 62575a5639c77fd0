"""When a task is due, for tasks that don't simply go with the common slot."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, UtcDateTime

_DUE = text("next_due IS NOT NULL")
_WAITS = text("waiting_run_id IS NOT NULL")


class MissedRuns(StrEnum):
    """What becomes of due times at which nothing launched, when their grace is over."""

    #: They are recorded, and that is all.
    SKIP = "skip"
    #: The newest one runs late.
    ONCE = "once"
    #: Each of them runs late.
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a due time while an earlier run of the task isn't finished."""

    ALLOW = "allow"
    SKIP = "skip"
    #: One run waits for the other; a third is skipped.
    QUEUE_ONE = "queue_one"


class TaskSchedule(Base):
    """What people set, and behind it what the launcher remembers; one row for each such task.

    A task without a row goes with the common slot and has no policies. The row is
    locked whenever a run of its task is queued, by whomever: that is what makes the
    look for overlapping runs certain. The launcher's own writes stay out of ``Task``,
    whose ``version`` would otherwise tell people of edits that nobody made.
    """

    __tablename__ = "taskadmin_schedule"
    __table_args__ = (
        CheckConstraint("kind IN ('slot', 'interval', 'cron', 'once')", name="kind"),
        CheckConstraint(
            "(kind = 'interval') = (every_s IS NOT NULL)"
            " AND (kind = 'cron') = (cron IS NOT NULL)"
            " AND (kind = 'once') = (once_at IS NOT NULL)",
            name="definition_of_kind",
        ),
        CheckConstraint("every_s IS NULL OR every_s >= 1", name="every_s"),
        CheckConstraint("starts_at <= ends_at", name="ends_after_start"),
        CheckConstraint("max_runs IS NULL OR max_runs >= 1", name="max_runs"),
        CheckConstraint("missed_runs IN ('skip', 'once', 'all')", name="missed_runs"),
        CheckConstraint("overlap IN ('allow', 'skip', 'queue_one')", name="overlap"),
        CheckConstraint("grace_s >= 0 AND jitter_s >= 0", name="not_negative"),
        CheckConstraint("pause_after IS NULL OR pause_after >= 1", name="pause_after"),
        Index(
            "taskadmin_schedule_next_due_idx",
            "next_due",
            postgresql_where=_DUE,
            sqlite_where=_DUE,
        ),
        Index(
            "taskadmin_schedule_waiting_run_id_idx",
            "task_id",
            postgresql_where=_WAITS,
            sqlite_where=_WAITS,
        ),
    )

    task_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_task.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    #: A ``schedules.ScheduleKind``.
    kind: Mapped[str] = mapped_column(String(16))
    #: Seconds from one due time to the next, of kind interval.
    every_s: Mapped[int | None]
    cron: Mapped[str | None] = mapped_column(String(200))
    #: IANA name of the zone that a cron expression counts in, and times are shown in.
    zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    once_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Runs after which the schedule ends; those that people start don't count.
    max_runs: Mapped[int | None]
    missed_runs: Mapped[MissedRuns] = mapped_column(
        String(16), default=MissedRuns.ONCE, server_default="once"
    )
    #: Seconds; what is late by no more than that isn't missed.
    grace_s: Mapped[int] = mapped_column(default=60, server_default="60")
    overlap: Mapped[Overlap] = mapped_column(
        String(16), default=Overlap.ALLOW, server_default="allow"
    )
    #: Seconds; each run waits a random part of them after its due time.
    jitter_s: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Failures in a row after which the task is paused.
    pause_after: Mapped[int | None]

    #: None: never again, or not before somebody mends ``error``.
    next_due: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The newest due time that has its row; the next one must be later, whatever clocks say.
    last_due: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Runs queued so far, which ``max_runs`` limits.
    runs: Mapped[int] = mapped_column(default=0, server_default="0")
    #: The newest run that isn't waiting for another one, and the one that waits.
    current_run_id: Mapped[int | None] = mapped_column(BigInteger)
    waiting_run_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Why no next due time can be computed.
    error: Mapped[str | None] = mapped_column(String(500))

    def __str__(self) -> str:
        return f"Schedule of task {self.task_id}"
