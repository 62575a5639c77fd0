"""Number of runs that finished in each minute, since pages can't count all results."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime


class MinuteCount(Base):
    """One row per minute in which runs finished, written by the launcher afterwards."""

    __tablename__ = "taskadmin_minute_count"

    #: Start of the minute, by the database's clock.
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    succeeded: Mapped[int] = mapped_column(default=0, server_default="0")
    failed: Mapped[int] = mapped_column(default=0, server_default="0")
    skipped: Mapped[int] = mapped_column(default=0, server_default="0")
    cancelled: Mapped[int] = mapped_column(default=0, server_default="0")
