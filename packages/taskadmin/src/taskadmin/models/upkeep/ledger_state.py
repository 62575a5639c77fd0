"""State that launchers share: one row."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import BigInteger, Double


class LedgerState(Base):
    """The single row of the launchers' shared state and the reconciler's counters."""

    __tablename__ = "taskadmin_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: Start of the last launcher's turn.
    ticked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Start of the uninterrupted watch: since then, no gap between turns could hide an expired
    #: lease.
    watched_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Length of the common slot when slots_upto was stored; a change starts over.
    interval_seconds: Mapped[float | None] = mapped_column(
        "interval_s", Double, key="interval_seconds"
    )
    #: Every slot up to this one is launched or recorded as missed.
    slots_upto: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Slots up to this one may be pruned; none of them is opened again.
    pruned_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Cursor of the search for tasks with too many results.
    pruned_task_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Minutes before this time are counted in ``MinuteCount``.
    counted_upto: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # Counters since the tables were created.
    #: Launches that another launcher continued.
    resumed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs taken back from processes that were gone.
    taken_back: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs that were sent again because their message was lost.
    republished: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs that failed because no worker ever claimed them, or each one died.
    given_up: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Slots recorded as missed.
    missed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Results deleted because of their age or number.
    pruned: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
