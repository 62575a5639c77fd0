"""Counters of attempts to log in and to register."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base
from .columns.times import UtcDateTime
from .columns.typeless import String


class Throttle(Base):
    """Attempts of one account, address or browser. Launchers delete old counters."""

    __tablename__ = "taskadmin_throttle"
    __table_args__ = (Index("taskadmin_throttle_blocked_until_idx", "blocked_until"),)

    #: A key of ``store.people.throttle.RULES``.
    counter: Mapped[str] = mapped_column(String(16), primary_key=True)
    #: A username's key, an address, or a browser's cookie.
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    #: Failed attempts in a row, including those in progress.
    attempts: Mapped[int]
    #: When the next attempt is allowed; the time of the last attempt if there is no wait.
    blocked_until: Mapped[datetime] = mapped_column(UtcDateTime)
