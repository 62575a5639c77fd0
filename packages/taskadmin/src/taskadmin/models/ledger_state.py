"""What the launchers remember together: one row."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Double
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, UtcDateTime


class LedgerState(Base):
    """The one row of what outlives a launcher's turn, and what the reconciler counted."""

    __tablename__ = "taskadmin_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: Last turn of a launcher.
    ticked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Since then the turns came without a gap in which a lease could have run out unseen.
    watched_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Length of the common slot when slots_upto was written; another one starts anew.
    interval_s: Mapped[float | None] = mapped_column(Double)
    #: Every slot up to this one is launched or recorded as missed.
    slots_upto: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Slots up to this one may have been pruned; none of them is opened again.
    pruned_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Where the search for tasks with too many results goes on.
    pruned_task_id: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Minutes before this one are counted in ``MinuteCount``.
    counted_upto: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # What was done since the tables were made; each only grows.
    #: Launches that another launcher went on with.
    resumed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs taken back from processes that were gone.
    taken_back: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs sent again because their message was known to be lost.
    republished: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Runs failed because they killed every worker, or no worker ever took them.
    given_up: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Slots recorded as missed.
    missed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Results deleted because of their age or number.
    pruned: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
