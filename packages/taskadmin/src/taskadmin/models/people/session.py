"""Login sessions: who is logged in, from where, and since when."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import String


class UserSession(Base):
    """One row per login, deleted at the logout, or by the launcher after its limits."""

    __tablename__ = "taskadmin_session"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    #: SHA-256 of the cookie's key, in hexadecimal.
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="CASCADE"), index=True
    )
    #: The user's ``session_nonce`` at the login; when that changes, the session ends.
    nonce: Mapped[str] = mapped_column(String(64))
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The last request, to the minute.
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: When the user last entered the password.
    confirmed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Network address at the login.
    address: Mapped[str] = mapped_column(String(100))
    #: The browser's User-Agent header at the login, truncated.
    user_agent: Mapped[str] = mapped_column(String(300))
