"""Progress that running jobs report."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base
from .columns.stored_json import StoredJson
from .columns.times import UtcDateTime
from .columns.typeless import BigInteger, Double


class RunProgress(Base):
    """Progress and log lines of a run whose job reports them; deleted with the run.

    A separate table: most runs report nothing, and a result's row stays small.
    """

    __tablename__ = "taskadmin_run_progress"
    __table_args__ = (CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),)

    #: No foreign key, like all references to results.
    run_id: Mapped[int] = mapped_column(
        "result_id", BigInteger, key="run_id", primary_key=True, autoincrement=False
    )
    #: Fraction done, from 0 to 1.
    progress: Mapped[float | None] = mapped_column(Double)
    #: The newest lines, each as [ISO 8601 time, attempt, text].
    lines: Mapped[list[Any]] = mapped_column(StoredJson(list), default=list, server_default="[]")
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    def __str__(self) -> str:
        return f"Progress of run {self.run_id}"
