"""Processes: workers, launchers and beat, and which of them are alive."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import String
from ..columns.words import Word


class ProcessKind(StrEnum):
    """Kind of a process. A pool's child executes for its worker."""

    BEAT = "beat"
    LAUNCHER = "launcher"
    WORKER = "worker"
    CHILD = "child"


class ProcessEnd(StrEnum):
    """How a process ended, if known."""

    #: It was stopped; its runs aren't charged.
    STOPPED = "stopped"
    #: It died, or sent no heartbeat for a lease.
    LOST = "lost"
    #: It was killed because its run exceeded the job's time limit.
    TIME_LIMIT = "time_limit"


class Process(Base):
    """One row per Celery process that works for taskadmin.

    The lease belongs to the process, not to a run: one UPDATE every few seconds renews it for all
    its runs.
    """

    __tablename__ = "taskadmin_process"
    __table_args__ = (
        CheckConstraint("kind IN ('beat', 'launcher', 'worker', 'child')", name="kind"),
        CheckConstraint("ending IN ('stopped', 'lost', 'time_limit')", name="ending"),
        CheckConstraint("(gone_at IS NULL) = (ending IS NULL)", name="gone_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[ProcessKind] = mapped_column(Word(16))
    #: Celery's node name of the worker, or the name of beat.
    name: Mapped[str] = mapped_column(String(200))
    host: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int]
    #: Made when a program starts and shared with its children: containers may share names and pids.
    boot: Mapped[UUID | None]
    #: The worker's pid, for a child of its pool.
    parent_pid: Mapped[int | None]
    #: Names of the queues that it consumes, comma-separated.
    queues: Mapped[str] = mapped_column(String(1000), default="", server_default="")
    #: Concurrency: processes or threads of its pool.
    processes: Mapped[int] = mapped_column(default=1, server_default="1")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: A problem that it reports about itself.
    trouble: Mapped[str | None] = mapped_column(String(500))
    #: When it was marked gone; if it is still alive, it registers again.
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Whether it can have no running runs any more.
    cleared: Mapped[bool] = mapped_column(default=False, server_default=false())
    ending: Mapped[ProcessEnd | None] = mapped_column(Word(16))
    #: Why it ended.
    reason: Mapped[str | None] = mapped_column(String(500))
