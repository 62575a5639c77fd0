"""Runs: each is one execution of one task for one launch."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DDL, CheckConstraint, ForeignKey, Index, UniqueConstraint, event, text
from sqlalchemy.orm import Mapped, mapped_column, query_expression, relationship

from .base import Base, BigId
from .columns.stored_json import StoredJson
from .columns.times import UtcDateTime
from .columns.typeless import BigInteger, Double, String, Text
from .columns.words import Word
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


def moment(text: Any) -> datetime | None:
    """Parse a time from JSON; None if it isn't one."""
    try:
        parsed = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


_IS_OPEN_RUN = text("finished_at IS NULL")


class TaskResult(Base):
    """One run: inserted when it is queued, completed by the worker.

    ``state`` is in no index: an UPDATE that changes no indexed column stays on its page (HOT), for
    which fillfactor keeps half of each page free.
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
            postgresql_where=_IS_OPEN_RUN,
            sqlite_where=_IS_OPEN_RUN,
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
        # The newest failures of all kinds. Not by state, which is in no index.
        Index(
            "taskadmin_task_result_error_id_idx",
            "id",
            postgresql_where=text("error_type IS NOT NULL"),
            sqlite_where=text("error_type IS NOT NULL"),
        ),
        # Retries of a run, which few runs are.
        Index(
            "taskadmin_task_result_retry_of_idx",
            "retry_of",
            postgresql_where=text("retry_of IS NOT NULL"),
            sqlite_where=text("retry_of IS NOT NULL"),
        ),
        # Recently finished runs. Rows are roughly in this order, so BRIN's bounds per page range
        # are enough, and cost a worker next to nothing.
        Index(
            "taskadmin_task_result_finished_at_idx",
            "finished_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "true"},
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("taskadmin_task.id", ondelete="CASCADE"))
    #: No foreign key: it would cost a fifth of the launcher's speed.
    launch_id: Mapped[int] = mapped_column(BigInteger)
    #: The nominal time of this run; unique per task, so nothing is recorded twice.
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Job, queue and arguments at launch: later edits don't change a run.
    job: Mapped[str] = mapped_column(String(100))
    queue: Mapped[str] = mapped_column(String(100))
    task_params: Mapped[dict[str, Any]] = mapped_column(StoredJson(dict))
    state: Mapped[RunState] = mapped_column(Word(16))
    reason: Mapped[str | None] = mapped_column(String(500))
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    max_attempts: Mapped[int] = mapped_column(default=1, server_default="1")
    #: Number of publishes after the first, which the launch's cursor counts.
    publishes: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_of: Mapped[int | None] = mapped_column(BigInteger)
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: One per delivery; an UPDATE of a claimed run must name it.
    token: Mapped[UUID | None]
    process_id: Mapped[UUID | None]
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Name of the worker that finished it.
    worker: Mapped[str | None] = mapped_column(String(200))
    #: The job's return value if it is a number.
    result: Mapped[float | None] = mapped_column(Double)
    #: Any other return value of the job.
    output: Mapped[Any | None] = mapped_column(StoredJson(none_as_null=True))
    error_type: Mapped[str | None] = mapped_column(String(200))
    error: Mapped[str | None] = mapped_column(Text)
    attempt_log: Mapped[list[Any] | None] = mapped_column(StoredJson(list, none_as_null=True))

    #: In lists instead of ``output`` and ``task_params``; large values are read in part.
    listed_output: Mapped[object | None] = query_expression()
    listed_params: Mapped[Any] = query_expression()

    task: Mapped[Task] = relationship(lazy="raise_on_sql")
    launch: Mapped[Launch | None] = relationship(
        primaryjoin="foreign(TaskResult.launch_id) == Launch.id", viewonly=True, lazy="raise_on_sql"
    )

    @property
    def value(self) -> Any:
        """The job's return value, as stored."""
        return self.output if self.result is None else self.result

    @property
    def waited(self) -> timedelta | None:
        """Time from queuing to the first attempt; None if there was none, or it isn't known."""
        first = self._logged(0)
        started_at = self.started_at
        if first.get("attempt") == 1 and first.get("started_at"):
            started_at = moment(first["started_at"])
        elif self.attempts > 1:
            return None  # the log keeps only the newest attempts
        return None if started_at is None else max(started_at - self.queued_at, timedelta())

    @property
    def ran(self) -> timedelta | None:
        """Duration of the last attempt; None while it runs, or if there was none."""
        if self.started_at is None or self.finished_at is None:
            return None
        last = self._logged(-1)
        ended_at = self.finished_at
        # A run that was cancelled between two attempts finished later than its job did.
        if last.get("attempt") == self.attempts:
            ended_at = moment(last.get("ended_at")) or ended_at
        return max(ended_at - self.started_at, timedelta())

    def _logged(self, place: int) -> dict[str, object]:
        entries = [entry for entry in self.attempt_log or () if isinstance(entry, dict)]
        return entries[place] if entries else {}

    def __str__(self) -> str:
        return f"Run {self.id}"


# Not as an argument of the table: SQLAlchemy 2.0 has none for storage parameters.
event.listen(
    TaskResult.__table__,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "ALTER TABLE taskadmin_task_result"
        " SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02)"
    ).execute_if(dialect="postgresql"),
)
