"""Second factors: authenticator apps and recovery codes."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base
from ..columns.times import UtcDateTime
from ..columns.typeless import Integer, String, Text


class SecondFactor(Base):
    """A user's authenticator app: time-based codes (TOTP, RFC 6238)."""

    __tablename__ = "taskadmin_second_factor"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    #: The secret that the app and the server share, encrypted with a key derived from SECRET_KEY.
    secret: Mapped[str] = mapped_column(Text)
    #: Time step of the last used code, in units of 30 s since 1970.
    last_step: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RecoveryCode(Base):
    """A code that replaces the authenticator app once. Using it deletes the row."""

    __tablename__ = "taskadmin_recovery_code"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("taskadmin_user.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    #: SHA-256 of the code, as hexadecimal digits.
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
