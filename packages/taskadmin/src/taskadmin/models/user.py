"""User accounts."""

import secrets
from datetime import datetime

from sqlalchemy import Index, false, true
from sqlalchemy.orm import Mapped, mapped_column

from ..values.confusables import SKELETON_LENGTH
from .base import Base
from .columns.times import UtcDateTime, utc_now
from .columns.typeless import String, Text

USERNAME_MAX_LENGTH = 64


def new_session_nonce() -> str:
    """Return 128 random bits, which no earlier session has."""
    return secrets.token_urlsafe(16)


class User(Base):
    """A person who signs in. Users are deactivated, not deleted: tasks refer to their author."""

    __tablename__ = "taskadmin_user"
    __table_args__ = (
        Index("taskadmin_user_username_skeleton_idx", "username_skeleton", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    #: As the person typed it, in NFKC form.
    username: Mapped[str] = mapped_column(String(USERNAME_MAX_LENGTH))
    #: Case-folded, for comparison: see ``store.people.usernames``. Case folding can make a name
    #: longer (one character becomes at most three), hence the length.
    username_key: Mapped[str] = mapped_column(String(3 * USERNAME_MAX_LENGTH), unique=True)
    #: Equal for usernames that look alike: see ``values.confusables``. None for users of the host,
    #: and if an older username has the same skeleton.
    username_skeleton: Mapped[str | None] = mapped_column(String(SKELETON_LENGTH))
    #: None for people whom the host signs in.
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    is_superuser: Mapped[bool] = mapped_column(default=False, server_default=false())
    can_review_tasks: Mapped[bool] = mapped_column(default=False, server_default=false())
    #: Set when an administrator chose the password: pages ask for a new one first.
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=false())
    #: Stored in sessions, too; a new value ends every session of this user.
    session_nonce: Mapped[str] = mapped_column(String(64), default=new_session_nonce)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: Locale of the pages, one of ``translation.languages.LANGUAGES``; None for the browser's.
    language: Mapped[str | None] = mapped_column(String(16))
    #: IANA name of the zone of displayed times; None for the browser's.
    zone: Mapped[str | None] = mapped_column(String(64))

    #: Key of the session that this user was loaded for, for the cookie.
    session_key = ""

    # Flask-Login's protocol, without its mixin, so that models don't import Flask.
    @property
    def is_authenticated(self) -> bool:
        return self.is_active

    @property
    def is_anonymous(self) -> bool:
        return False

    def get_id(self) -> str:
        """Return what Flask-Login stores in the cookie: the session's key."""
        return self.session_key

    @property
    def may_manage(self) -> bool:
        """Whether this user may manage tasks and users."""
        return self.is_active and self.is_superuser

    @property
    def may_review(self) -> bool:
        """Whether this user may see the review page."""
        return self.is_active and (self.is_superuser or self.can_review_tasks)

    def __str__(self) -> str:
        return self.username
