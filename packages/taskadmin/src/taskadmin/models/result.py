"""Runs: one execution of one task for one launch each."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, BigId, UtcDateTime
from .launch import Launch
from .task import Task


class RunState(StrEnum):
    """States of a run; the last four are final and never change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


_OPEN = text("finished_at IS NULL")


class TaskResult(Base):
    """One run: written when it is queued, completed by the worker.

    ``state`` stands in no index: an UPDATE that changes no indexed column stays
    on its page (HOT), and the free half of each page (fillfactor) is its room.
    """

    __tablename__ = "taskadmin_task_result"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')",
            name="state",
        ),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'skipped', 'cancelled'))",
            name="finished_at",
        ),
        CheckConstraint("state <> 'skipped' OR reason IS NOT NULL", name="skipped_reason"),
        CheckConstraint(
            "state <> 'running' OR (token IS NOT NULL AND process_id IS NOT NULL)",
            name="running_owner",
        ),
        UniqueConstraint("task_id", "due_at"),
        Index("taskadmin_task_result_launch_id_id_idx", "launch_id", "id"),
        Index(
            "taskadmin_task_result_open_idx",
            "launch_id",
            "id",
            postgresql_where=_OPEN,
            sqlite_where=_OPEN,
        ),
        Index(
            "taskadmin_task_result_not_before_idx",
            "not_before",
            postgresql_where=text("not_before IS NOT NULL AND finished_at IS NULL"),
            sqlite_where=text("not_before IS NOT NULL AND finished_at IS NULL"),
        ),
        Index(
            "taskadmin_task_result_error_type_idx",
            "error_type",
            "id",
            postgresql_where=text("error_type IS NOT NULL"),
            sqlite_where=text("error_type IS NOT NULL"),
        ),
        # The newest failures of all kinds. Not by state, which stands in no index.
        Index(
            "taskadmin_task_result_error_id_idx",
            "id",
            postgresql_where=text("error_type IS NOT NULL"),
            sqlite_where=text("error_type IS NOT NULL"),
        ),
        # What finished lately: rows lie in about this order, so PostgreSQL needs no more than
        # the bounds of each group of pages, and a worker writes next to nothing for it.
        Index(
            "taskadmin_task_result_finished_at_idx",
            "finished_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "true"},
        ),
        {
            "sqlite_autoincrement": True,
            "postgresql_with": {"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0.02},
        },
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("taskadmin_task.id", ondelete="CASCADE"))
    #: No foreign key: it would cost a fifth of the launcher's speed.
    launch_id: Mapped[int] = mapped_column(BigInteger)
    #: The nominal time this run is for; unique for a task, so nothing is recorded twice.
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Job, queue and arguments as they were when launched: later edits don't change a run.
    job: Mapped[str] = mapped_column(String(100))
    queue: Mapped[str] = mapped_column(String(100))
    task_params: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[RunState] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(500))
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    max_attempts: Mapped[int] = mapped_column(default=1, server_default="1")
    #: Sendings after the first, which the launch's cursor counts.
    publishes: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_of: Mapped[int | None] = mapped_column(BigInteger)
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: One for each delivery: whoever completes a claimed run must hold it.
    token: Mapped[UUID | None]
    process_id: Mapped[UUID | None]
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Name of the worker that finished it.
    worker: Mapped[str | None] = mapped_column(String(200))
    #: What the job returned, when it is a number.
    result: Mapped[float | None] = mapped_column(Double)
    #: What the job returned, when it is no number.
    output: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    error_type: Mapped[str | None] = mapped_column(String(200))
    error: Mapped[str | None] = mapped_column(Text)
    attempt_log: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))

    task: Mapped[Task] = relationship(lazy="raise_on_sql")
    launch: Mapped[Launch | None] = relationship(
        primaryjoin="foreign(TaskResult.launch_id) == Launch.id", viewonly=True, lazy="raise_on_sql"
    )

    @property
    def waited(self) -> timedelta | None:
        """From being queued to its first attempt; None if it has had none, or nobody can tell."""
        first = self._logged(0)
        started_at = self.started_at
        if first.get("attempt") == 1 and first.get("started_at"):
            started_at = datetime.fromisoformat(first["started_at"])
        elif self.attempts > 1:
            return None  # the log keeps the newest attempts only
        return None if started_at is None else max(started_at - self.queued_at, timedelta())

    @property
    def ran(self) -> timedelta | None:
        """How long its last attempt took; None while it runs, or if it never did."""
        if self.started_at is None or self.finished_at is None:
            return None
        last = self._logged(-1)
        ended_at = self.finished_at
        # Cancelled between two attempts, it ended later than its job did.
        if last.get("attempt") == self.attempts and last.get("ended_at"):
            ended_at = datetime.fromisoformat(last["ended_at"])
        return max(ended_at - self.started_at, timedelta())

    def _logged(self, place: int) -> dict[str, Any]:
        entries = [entry for entry in self.attempt_log or () if isinstance(entry, dict)]
        return entries[place] if entries else {}

    def __str__(self) -> str:
        return f"Run {self.id}"
