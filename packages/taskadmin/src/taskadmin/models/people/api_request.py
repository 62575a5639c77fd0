"""Requests of the API with an ``Idempotency-Key``, and their responses."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import String, Text


class ApiRequest(Base):
    """One row per key of a user; launchers delete old ones."""

    __tablename__ = "taskadmin_api_request"
    __table_args__ = (Index("taskadmin_api_request_begun_at_idx", "begun_at"),)

    user_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    #: The key's hash, which is never longer.
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Hash of method, path and body.
    request_hash: Mapped[str] = mapped_column(String(64))
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The response's body, and its headers as JSON; None until the request is done.
    body: Mapped[str | None] = mapped_column(Text)
    headers: Mapped[str | None] = mapped_column(Text)
