"""People."""

import secrets
from datetime import datetime

from sqlalchemy import String, Text, false, true
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, UtcDateTime, utc_now

USERNAME_MAX_LENGTH = 64


def new_session_nonce() -> str:
    """A value that no earlier session of the person carries: 128 random bits."""
    return secrets.token_urlsafe(16)


class User(Base):
    """A person who signs in. Users are deactivated, not deleted: they are authors of tasks."""

    __tablename__ = "taskadmin_user"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    #: As the person writes it, after NFKC.
    username: Mapped[str] = mapped_column(String(USERNAME_MAX_LENGTH))
    #: What usernames are compared by: see ``store.users.normalize_username``. Case folding can
    #: make a name longer (a single character becomes three at the most), hence the room.
    username_key: Mapped[str] = mapped_column(String(3 * USERNAME_MAX_LENGTH), unique=True)
    #: None for people whom the host signs in.
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    is_superuser: Mapped[bool] = mapped_column(default=False, server_default=false())
    can_review_tasks: Mapped[bool] = mapped_column(default=False, server_default=false())
    #: Part of what the session cookie holds; a new value ends every session of this person.
    session_nonce: Mapped[str] = mapped_column(String(64), default=new_session_nonce)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    #: Locale of the pages, one of ``i18n.LANGUAGES``; None: what the browser asks for.
    language: Mapped[str | None] = mapped_column(String(16))
    #: IANA name of the zone that times are shown in; None: the browser's.
    zone: Mapped[str | None] = mapped_column(String(64))

    # Flask-Login's protocol, spelt out so that the models don't import Flask.
    @property
    def is_authenticated(self) -> bool:
        return self.is_active

    @property
    def is_anonymous(self) -> bool:
        return False

    def get_id(self) -> str:
        """What Flask-Login keeps in the session: the id and the session nonce."""
        return f"{self.id}.{self.session_nonce}"

    @property
    def may_manage(self) -> bool:
        """Whether this person may manage tasks and users."""
        return self.is_active and self.is_superuser

    @property
    def may_review(self) -> bool:
        """Whether this person may see the review page."""
        return self.is_active and (self.is_superuser or self.can_review_tasks)

    def __str__(self) -> str:
        return self.username
