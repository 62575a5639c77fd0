"""Totals of finished runs for metrics: they stay when results are deleted."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.stored_json import StoredJson
from ..columns.times import UtcDateTime
from ..columns.typeless import BigInteger, Double, String
from ..columns.words import Word
from ..result import RunState


class RunTotal(Base):
    """Finished runs of a job, queue and state, written by the launcher.

    The last minutes have rows of their own, since they are recounted. All earlier ones are
    together in the row of the minute ``EARLIER``.
    """

    __tablename__ = "taskadmin_run_total"

    #: Start of the minute, by the database's clock.
    minute: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    job: Mapped[str] = mapped_column(String(100), primary_key=True)
    queue: Mapped[str] = mapped_column(String(100), primary_key=True)
    state: Mapped[RunState] = mapped_column(Word(16), primary_key=True)
    runs: Mapped[int] = mapped_column(BigInteger)
    #: Sum of the durations that ``ran`` counts, and number of runs in each bucket.
    seconds: Mapped[float] = mapped_column(Double)
    ran: Mapped[list[int]] = mapped_column(StoredJson(list))
    #: The same of the times from queuing to the start.
    waited_seconds: Mapped[float] = mapped_column(Double)
    waited: Mapped[list[int]] = mapped_column(StoredJson(list))
    #: The last minute that is counted here.
    last_minute: Mapped[datetime] = mapped_column(UtcDateTime)
