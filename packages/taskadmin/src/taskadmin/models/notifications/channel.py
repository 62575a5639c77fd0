"""Channels: where notifications go."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import String, Text
from ..columns.words import Word

#: The job whose runs deliver messages.
NOTIFY_JOB = "send_notification"


class ChannelKind(StrEnum):
    """How a channel's messages are sent."""

    #: By Apprise: mail, Slack, Teams, PagerDuty, ….
    APPRISE = "apprise"
    #: A signed request (Standard Webhooks).
    WEBHOOK = "webhook"


class NotificationChannel(Base):
    """A receiver of messages. Each message is a run of the channel's task."""

    __tablename__ = "taskadmin_channel"
    __table_args__ = (
        CheckConstraint("kind IN ('apprise', 'webhook')", name="kind"),
        CheckConstraint("gather_seconds >= 0", name="gather_seconds"),
        CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet_hours"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[ChannelKind] = mapped_column(Word(16))
    #: The URL, encrypted with a key derived from SECRET_KEY: it often contains a password.
    address: Mapped[str] = mapped_column(Text)
    #: The key of a webhook's signatures, encrypted, too.
    signing_key: Mapped[str | None] = mapped_column(Text)
    #: Events within this time after the first one are told together.
    gather_seconds: Mapped[int] = mapped_column(default=60, server_default="60")
    #: Local times as 22:00 between which messages wait.
    quiet_from: Mapped[str | None] = mapped_column(String(5))
    quiet_until: Mapped[str | None] = mapped_column(String(5))
    #: IANA name of the zone of these times.
    zone: Mapped[str] = mapped_column(String(64), default="UTC", server_default="UTC")
    #: Events up to this time have been looked for.
    read_upto: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The task whose runs deliver its messages; made again if it was deleted.
    task_id: Mapped[int | None] = mapped_column(
        ForeignKey("taskadmin_task.id", ondelete="SET NULL")
    )
    created_by: Mapped[int] = mapped_column(ForeignKey("taskadmin_user.id", ondelete="RESTRICT"))

    def __str__(self) -> str:
        return self.name
