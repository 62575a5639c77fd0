"""Recent durations of jobs, so that the launcher needn't scan results."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import Double, String


class JobDuration(Base):
    """One row per job, written by workers; older runs have less weight."""

    __tablename__ = "taskadmin_job_duration"

    job: Mapped[str] = mapped_column(String(100), primary_key=True)
    #: Weight of the sums, in runs.
    runs: Mapped[float] = mapped_column(Double)
    #: Sum of the functions' durations, and of their squares.
    seconds: Mapped[float] = mapped_column(Double)
    squares: Mapped[float] = mapped_column(Double)
    noted_at: Mapped[datetime] = mapped_column(UtcDateTime)
