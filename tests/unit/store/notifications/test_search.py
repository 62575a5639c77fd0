"""Notices of a search, and their keys."""

from __future__ import annotations

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from services.notifying.notices import keys
from taskadmin.models import EventNotice, NotificationChannel, NotifiedEvent
from taskadmin.store.database.clock import now
from taskadmin.store.notifications.search import add_notice, key_of


def test_a_key_is_made_of_words_and_columns(session: Session) -> None:
    """Joined with colons."""
    key = key_of(NotifiedEvent.SLOW, 3, literal(4) + literal(5))
    assert session.scalars(select(key)).one() == "slow:3:9"


def test_a_notice_is_added_once(session: Session, channel: NotificationChannel) -> None:
    """By its key; what is too long for its column is shortened."""
    moment = now(session)
    for subject in ("first", "second"):
        add_notice(session, channel.id, NotifiedEvent.SILENT, "silent:1", subject, moment)
    add_notice(session, channel.id, NotifiedEvent.SILENT, "k" * 300, "s" * 300, moment)
    session.commit()
    assert keys(session) == ["k" * 250, "silent:1"]
    subjects = session.scalars(select(EventNotice.subject).order_by(EventNotice.id)).all()
    assert subjects == ["first", "s" * 200]
