"""How many runs finished in a minute, kept for the pages: results are too many to count there."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, UtcDateTime


class MinuteCount(Base):
    """One row for each minute in which a run finished, written by the launcher once it is over."""

    __tablename__ = "taskadmin_minute_count"

    #: The minute's begin, by the database's clock.
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    succeeded: Mapped[int] = mapped_column(default=0, server_default="0")
    failed: Mapped[int] = mapped_column(default=0, server_default="0")
    skipped: Mapped[int] = mapped_column(default=0, server_default="0")
    cancelled: Mapped[int] = mapped_column(default=0, server_default="0")
