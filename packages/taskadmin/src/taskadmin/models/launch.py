"""Launches: each is one fan-out of runs, for a slot, for due tasks or for a person."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..values.trace_context import current_traceparent, trace_id_of
from .base import Base, BigId
from .columns.times import UtcDateTime
from .columns.typeless import BigInteger, Double, String
from .columns.words import Word
from .user import User


class LaunchKind(StrEnum):
    """What started a launch."""

    SLOT = "slot"
    DUE = "due"
    MANUAL = "manual"


class LaunchState(StrEnum):
    """State of a launch: opening → published → closed, or missed."""

    OPENING = "opening"
    PUBLISHED = "published"
    CLOSED = "closed"
    MISSED = "missed"


#: Missed slots aren't open; there may be years of them.
_IS_OPEN_LAUNCH = text("closed_at IS NULL AND state <> 'missed'")


class Launch(Base):
    """One fan-out, with the cursors ``after_task_id`` and ``published_id``.

    By these, another launcher can continue it.
    """

    __tablename__ = "taskadmin_launch"
    __table_args__ = (
        # No launch is of kind api; the constraint stays as it was created.
        CheckConstraint("kind IN ('slot', 'due', 'manual', 'api')", name="kind"),
        CheckConstraint("state IN ('opening', 'published', 'closed', 'missed')", name="state"),
        CheckConstraint("(kind = 'slot') = (slot IS NOT NULL)", name="slot_of_kind"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_at"),
        Index(
            "taskadmin_launch_slot_key",
            "slot",
            unique=True,
            postgresql_where=text("kind = 'slot'"),
            sqlite_where=text("kind = 'slot'"),
        ),
        Index(
            "taskadmin_launch_open_idx",
            "id",
            postgresql_where=_IS_OPEN_LAUNCH,
            sqlite_where=_IS_OPEN_LAUNCH,
        ),
        Index(
            "taskadmin_launch_closed_at_idx",
            "closed_at",
            postgresql_where=text("closed_at IS NOT NULL"),
            sqlite_where=text("closed_at IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    kind: Mapped[LaunchKind] = mapped_column(Word(16))
    #: The due time, for launches of the common slot.
    slot: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Length of the slot when it was opened.
    interval_seconds: Mapped[float | None] = mapped_column(
        "interval_s", Double, key="interval_seconds"
    )
    state: Mapped[LaunchState] = mapped_column(Word(16))
    reason: Mapped[str | None] = mapped_column(String(500))
    requested_by: Mapped[int | None] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="RESTRICT")
    )
    #: Made with the form, so that a double click launches once.
    request_key: Mapped[UUID | None] = mapped_column(unique=True)
    #: Tasks up to this id are queued; the launch's last task is upto_task_id.
    after_task_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    upto_task_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs up to this id were sent and confirmed.
    published_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: The launcher that works on it, and until when; every UPDATE of a launch names it.
    owner: Mapped[UUID | None]
    owner_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    queued: Mapped[int] = mapped_column(default=0, server_default="0")
    skipped: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Counts of a large launch's runs, stored when it was closed; else None.
    succeeded: Mapped[int | None]
    failed: Mapped[int | None]
    cancelled: Mapped[int | None]
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    #: The trace in which it was opened, if the host uses OpenTelemetry: W3C's traceparent.
    traceparent: Mapped[str | None] = mapped_column(String(55), default=current_traceparent)

    requester: Mapped[User | None] = relationship(lazy="raise_on_sql")

    @property
    def trace_id(self) -> str | None:
        """The id of its trace; None if there is none."""
        return trace_id_of(self.traceparent)

    def __str__(self) -> str:
        return f"Launch {self.id}"
