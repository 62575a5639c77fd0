"""The audit trail: who did what to which task or user."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, UtcDateTime


class AuditEntry(Base):
    """One thing that a person did. Rows are only added: the database refuses to change or delete any.

    No foreign keys: an entry outlives what it tells of, so it holds the names, too.
    """

    __tablename__ = "taskadmin_audit"
    __table_args__ = (
        Index("taskadmin_audit_subject_idx", "subject_kind", "subject_id", "id"),
        Index("taskadmin_audit_actor_id_idx", "actor_id", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: None: somebody at the command line, or taskadmin itself; ``actor`` says who.
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(200))
    #: Where from: a network address, or "command line".
    source: Mapped[str] = mapped_column(String(100))
    #: What was done, as a verb: created, changed, paused, …
    action: Mapped[str] = mapped_column(String(32))
    #: "task", "run" or "user".
    subject_kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[int] = mapped_column(BigInteger)
    subject: Mapped[str] = mapped_column(String(200))
    #: What changed, by name, as it was before; secrets are masked.
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    #: The same names, as they are now.
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject}"
