"""Notices: events that a channel is told, or was."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base, BigId
from ..columns.times import UtcDateTime
from ..columns.typeless import BigInteger, String
from ..columns.words import Word
from .rule import NotifiedEvent

_IS_PENDING = text("delivery_id IS NULL")


class EventNotice(Base):
    """An event for a channel; its key lets launchers find it any number of times."""

    __tablename__ = "taskadmin_notice"
    __table_args__ = (
        UniqueConstraint("channel_id", "key"),
        Index(
            "taskadmin_notice_pending_idx",
            "channel_id",
            "id",
            postgresql_where=_IS_PENDING,
            sqlite_where=_IS_PENDING,
        ),
        Index("taskadmin_notice_noted_at_idx", "noted_at"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    channel_id: Mapped[int] = mapped_column(ForeignKey("taskadmin_channel.id", ondelete="CASCADE"))
    event: Mapped[NotifiedEvent] = mapped_column(Word(32))
    #: Identifies the event, such as failed:17 for a run.
    key: Mapped[str] = mapped_column(String(250))
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # No foreign keys: tasks and runs may be deleted before the message is sent.
    task_id: Mapped[int | None] = mapped_column(BigInteger)
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    error_type: Mapped[str | None] = mapped_column(String(200))
    #: What it is about, if it isn't about a task: a queue's name, or a time.
    subject: Mapped[str | None] = mapped_column(String(200))
    #: The run that delivers it; None while it waits.
    delivery_id: Mapped[int | None] = mapped_column(BigInteger)

    def __str__(self) -> str:
        return self.key
