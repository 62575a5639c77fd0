"""Processes that execute, launch or tick: who is alive, by the database's clock."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, String, false
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, UtcDateTime


class ProcessKind(StrEnum):
    """What a process does. A pool's child executes for its worker."""

    BEAT = "beat"
    LAUNCHER = "launcher"
    WORKER = "worker"
    CHILD = "child"


class ProcessEnd(StrEnum):
    """How a process ended, as far as somebody knows."""

    #: It stopped by itself, and its runs may go to another one at no charge.
    STOPPED = "stopped"
    #: It died or hasn't been heard of for a lease.
    LOST = "lost"
    #: It was killed because its run took longer than the job may.
    TIME_LIMIT = "time_limit"


class Process(Base):
    """One row for every process of Celery's that serves the ledger.

    The lease is the process's, not the run's: one UPDATE every few seconds keeps
    everything it executes.
    """

    __tablename__ = "taskadmin_process"
    __table_args__ = (
        CheckConstraint("kind IN ('beat', 'launcher', 'worker', 'child')", name="kind"),
        CheckConstraint("ending IN ('stopped', 'lost', 'time_limit')", name="ending"),
        CheckConstraint("(gone_at IS NULL) = (ending IS NULL)", name="gone_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[ProcessKind] = mapped_column(String(16))
    #: Celery's name of the worker, or of beat.
    name: Mapped[str] = mapped_column(String(200))
    host: Mapped[str] = mapped_column(String(200))
    pid: Mapped[int]
    #: Made when a program starts, and its children's too: containers may share names and pids.
    boot: Mapped[UUID | None]
    #: The worker's, for a child of its pool.
    parent_pid: Mapped[int | None]
    #: Names of the queues it reads, separated by commas.
    queues: Mapped[str] = mapped_column(String(1000), default="", server_default="")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Since then it is taken for dead; alive after all, it registers anew.
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Whether none of its runs can be left.
    cleared: Mapped[bool] = mapped_column(default=False, server_default=false())
    ending: Mapped[ProcessEnd | None] = mapped_column(String(16))
    #: What ended it, in words.
    reason: Mapped[str | None] = mapped_column(String(500))
