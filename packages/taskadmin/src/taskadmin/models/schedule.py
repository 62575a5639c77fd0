"""Schedules of tasks that don't simply run at the common slot."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base
from .columns.times import UtcDateTime
from .columns.typeless import BigInteger, String
from .columns.words import Word

_DUE = text("next_due IS NOT NULL")
_WAITS = text("waiting_run_id IS NOT NULL")


class MissedRuns(StrEnum):
    """How to handle due times that were missed by more than the grace period."""

    #: Record them only.
    SKIP = "skip"
    #: Run the newest one late.
    ONCE = "once"
    #: Run each of them late.
    ALL = "all"


class Overlap(StrEnum):
    """How to handle a due time while an earlier run of the task isn't finished."""

    ALLOW = "allow"
    SKIP = "skip"
    #: One run waits for the open one; further runs are skipped.
    QUEUE_ONE = "queue_one"


class TaskSchedule(Base):
    """A task's own schedule: people's definition, and the launcher's state; one row per task.

    A task without a row runs at the common slot and has no policies. Code that queues a run of the
    task locks the row, which makes the check for overlapping runs reliable. The launcher's state
    isn't in ``Task``, whose ``version`` would then change without an edit.
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
    kind: Mapped[str] = mapped_column(Word(16))
    # Columns with a different name keep the one of the migrations, so that processes of an older
    # release work after an upgrade of the schema.
    #: Seconds between due times, for kind interval.
    every_seconds: Mapped[int | None] = mapped_column("every_s", key="every_seconds")
    cron: Mapped[str | None] = mapped_column(String(200))
    #: IANA name of the zone of cron expressions and displayed times.
    zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    once_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    starts_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Number of runs after which the schedule ends; runs that people start don't count.
    max_runs: Mapped[int | None]
    missed_runs: Mapped[MissedRuns] = mapped_column(
        Word(16), default=MissedRuns.ONCE, server_default="once"
    )
    #: A due time that is late by at most this isn't missed.
    grace_seconds: Mapped[int] = mapped_column(
        "grace_s", key="grace_seconds", default=60, server_default="60"
    )
    overlap: Mapped[Overlap] = mapped_column(
        Word(16), default=Overlap.ALLOW, server_default="allow"
    )
    #: Each run waits a random part of this after its due time.
    jitter_seconds: Mapped[int] = mapped_column(
        "jitter_s", key="jitter_seconds", default=0, server_default="0"
    )
    #: Number of consecutive failures after which the task is paused.
    pause_after: Mapped[int | None]

    #: None if there is none any more, or while ``error`` isn't fixed.
    next_due: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The newest due time with a row; the next one must be later, whatever the clock says.
    last_due: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Runs queued so far; limited by ``max_runs``.
    runs: Mapped[int] = mapped_column(default=0, server_default="0")
    #: The newest run that doesn't wait for another one, and the waiting one.
    current_run_id: Mapped[int | None] = mapped_column(BigInteger)
    waiting_run_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Why the next due time can't be computed.
    error: Mapped[str | None] = mapped_column(String(500))

    def __str__(self) -> str:
        return f"Schedule of task {self.task_id}"
