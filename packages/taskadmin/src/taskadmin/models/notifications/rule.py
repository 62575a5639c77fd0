"""Rules: which events a channel is told."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.typeless import String
from ..columns.words import Word


class NotifiedEvent(StrEnum):
    """What a rule can be about."""

    #: Each failed run.
    FAILED = "failed"
    #: The first failed run after a successful one.
    FIRST_FAILURE = "first_failure"
    #: As many failed runs in a row as the rule's number says.
    FAILED_IN_A_ROW = "failed_in_a_row"
    #: The first successful run after a failed one.
    RECOVERED = "recovered"
    #: A run that hadn't started so many seconds after it was due, or was missed.
    LATE = "late"
    #: A run that takes more than so many seconds or, without a number, 3 times the usual.
    SLOW = "slow"
    #: A task that was paused after too many failures.
    PAUSED = "paused"
    #: The end of a pause that a person set.
    RESUMED = "resumed"
    #: Beat and launcher haven't started anything for so many seconds.
    SILENT = "silent"
    #: Runs wait in a queue that no worker consumes.
    NO_CONSUMER = "no_consumer"


#: Events that concern no task: their rules apply to all.
GLOBAL_EVENTS = frozenset({NotifiedEvent.SILENT, NotifiedEvent.NO_CONSUMER})


class NotificationRule(Base):
    """An event of a task, of a job's tasks or of all, and the channel that is told."""

    __tablename__ = "taskadmin_rule"
    __table_args__ = (
        CheckConstraint("job IS NULL OR task_id IS NULL", name="one_scope"),
        CheckConstraint("number IS NULL OR number >= 1", name="number"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    channel_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_channel.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[NotifiedEvent] = mapped_column(Word(32))
    #: Failures or seconds, as the event says; None for its default.
    number: Mapped[int | None]
    job: Mapped[str | None] = mapped_column(String(100))
    task_id: Mapped[int | None] = mapped_column(
        ForeignKey("taskadmin_task.id", ondelete="CASCADE"), index=True
    )

    def __str__(self) -> str:
        return f"Rule {self.id}"
