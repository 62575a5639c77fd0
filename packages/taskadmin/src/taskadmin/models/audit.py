"""The audit trail: who did what to which task, run or user."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId
from .columns.stored_json import StoredJson
from .columns.times import UtcDateTime
from .columns.typeless import BigInteger, String


class AuditEntry(Base):
    """An entry of the audit trail. The database refuses to change or delete entries.

    There are no foreign keys: an entry outlives its subject, so it stores the names too.
    """

    __tablename__ = "taskadmin_audit"
    __table_args__ = (
        Index("taskadmin_audit_subject_idx", "subject_kind", "subject_id", "id"),
        Index("taskadmin_audit_actor_id_idx", "actor_id", "id"),
        # Recent entries. Rows are in this order, so bounds per page range are enough.
        Index("taskadmin_audit_at_idx", "at", postgresql_using="brin"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: None for the command line and taskadmin itself; ``actor`` has the name.
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(200))
    #: A network address, or "command line".
    source: Mapped[str] = mapped_column(String(100))
    #: The browser's User-Agent header; None for the command line and taskadmin itself.
    user_agent: Mapped[str | None] = mapped_column(String(200))
    #: The request's id in the host's log (``g.request_id``).
    request_id: Mapped[str | None] = mapped_column(String(128))
    #: A verb: created, changed, paused, …
    action: Mapped[str] = mapped_column(String(32))
    #: "task", "run", "user", "channel" or "page".
    subject_kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[int] = mapped_column(BigInteger)
    subject: Mapped[str] = mapped_column(String(200))
    #: The old values by name; secrets are masked.
    before: Mapped[dict[str, Any] | None] = mapped_column(StoredJson(dict, none_as_null=True))
    #: The new values under the same names.
    after: Mapped[dict[str, Any] | None] = mapped_column(StoredJson(dict, none_as_null=True))

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"
