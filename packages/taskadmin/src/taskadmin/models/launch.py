"""Launches: one fan-out each, a slot's or a person's."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Double, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, BigId, UtcDateTime
from .user import User


class LaunchKind(StrEnum):
    """What started a launch."""

    SLOT = "slot"
    DUE = "due"
    MANUAL = "manual"
    API = "api"


class LaunchState(StrEnum):
    """How far a launch is: opening → published → closed, or missed."""

    OPENING = "opening"
    PUBLISHED = "published"
    CLOSED = "closed"
    MISSED = "missed"


#: Missed slots are done with; years of them may be on record.
_OPEN = text("closed_at IS NULL AND state <> 'missed'")


class Launch(Base):
    """One fan-out. ``after_task_id`` and ``published_id`` are the cursors that let another launcher go on."""

    __tablename__ = "taskadmin_launch"
    __table_args__ = (
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
            postgresql_where=_OPEN,
            sqlite_where=_OPEN,
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
    kind: Mapped[LaunchKind] = mapped_column(String(16))
    #: The due time, for launches of the common slot.
    slot: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Length of the slot in seconds when it was opened.
    interval_s: Mapped[float | None] = mapped_column(Double)
    state: Mapped[LaunchState] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(500))
    requested_by: Mapped[int | None] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="RESTRICT")
    )
    #: Made when the page with the button was made, so that a double click launches once.
    request_key: Mapped[UUID | None] = mapped_column(unique=True)
    #: Tasks up to this id are queued; the last one that belongs to the launch is upto_task_id.
    after_task_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    upto_task_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs up to this id were sent and confirmed.
    published_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: The launcher at work and until when; every UPDATE of a launch names it.
    owner: Mapped[UUID | None]
    owner_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    queued: Mapped[int] = mapped_column(default=0, server_default="0")
    skipped: Mapped[int] = mapped_column(default=0, server_default="0")
    #: What became of the runs of a large launch, counted when it was closed; else None.
    succeeded: Mapped[int | None]
    failed: Mapped[int | None]
    cancelled: Mapped[int | None]
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    requester: Mapped[User | None] = relationship(lazy="raise_on_sql")

    def __str__(self) -> str:
        return f"Launch {self.id}"
