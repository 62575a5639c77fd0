"""Personal API tokens: what a program shows in place of its user's password."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import String

TOKEN_NAME_MAX_LENGTH = 100


class ApiToken(Base):
    """One row per token; revoking it deletes the row."""

    __tablename__ = "taskadmin_api_token"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="CASCADE"), index=True
    )
    #: What the user calls it.
    name: Mapped[str] = mapped_column(String(TOKEN_NAME_MAX_LENGTH))
    #: Words of ``store.people.tokens.Scope``, separated by spaces.
    scopes: Mapped[str] = mapped_column(String(100))
    #: The token's first characters, to recognize it by.
    prefix: Mapped[str] = mapped_column(String(20))
    #: SHA-256 of the whole token, in hexadecimal.
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The last request, to the minute; None before the first.
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
