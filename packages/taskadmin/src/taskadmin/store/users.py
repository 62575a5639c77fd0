"""People: accounts, roles, passwords and preferences."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import InvalidUsername, LastSuperuser, UsernameTaken
from ..jobs.masking import DOTS
from ..models import User
from ..models.user import new_session_nonce
from ..texts import gettext
from .audit import Actor, difference, record, subject_of
from .transaction import ledger_transaction
from .usernames import Username, normalize_host_username, normalize_username

#: Most people that are counted.
COUNTED = 10_000


def count_users(session: Session, which: Mapping[str, ColumnElement[bool]]) -> dict[str, int]:
    """How many people meet each condition, by its name, and under "" how many there are.

    Counts above ``COUNTED`` mean that there are more.
    """
    columns = [
        case((condition, 1), else_=0).label(f"c{n}") for n, condition in enumerate(which.values())
    ]
    people = select(User.id, *columns).limit(COUNTED + 1).subquery()
    total, *counts = session.execute(
        select(
            func.count(), *(func.coalesce(func.sum(people.c[column.name]), 0) for column in columns)
        ).select_from(people)
    ).one()
    return {"": total, **dict(zip(which, map(int, counts), strict=True))}


def usernames_of(session: Session, ids: Collection[int]) -> Mapping[int, str]:
    """The usernames of these accounts by their ids, for lists; one query."""
    columns = User.__table__.c
    of_them = columns.id.in_(sorted(ids))
    rows = session.execute(select(columns.id, columns.username).where(of_them)).all()
    return {row.id: row.username for row in rows}


def find_user(session: Session, username: str) -> User | None:
    """The user of this name, however it is capitalised."""
    try:
        key = normalize_username(username).key
    except InvalidUsername:
        return None
    return session.scalar(select(User).where(User.username_key == key))


def create_user(
    session: Session,
    username: str,
    *,
    password_hash: str | None,
    is_superuser: bool = False,
    can_review_tasks: bool = False,
    actor: Actor | None = None,
    registered_from: str | None = None,
) -> User:
    """Add and commit a user.

    Args:
        actor: Who gets the entry in the audit trail; without one there is none.
        registered_from: Where people come from who make the account themselves: they get
            the entry.

    Raises:
        InvalidUsername: If the name can't be used.
        UsernameTaken: If somebody has it, in whatever case; also when two register at once.
    """
    return _add(
        session,
        normalize_username(username),
        password_hash=password_hash,
        is_superuser=is_superuser,
        can_review_tasks=can_review_tasks,
        actor=actor,
        registered_from=registered_from,
    )


def _add(
    session: Session,
    name: Username,
    *,
    password_hash: str | None,
    is_superuser: bool,
    can_review_tasks: bool,
    actor: Actor | None = None,
    registered_from: str | None = None,
) -> User:
    user = User(
        username=name.shown,
        username_key=name.key,
        password_hash=password_hash,
        is_superuser=is_superuser,
        can_review_tasks=can_review_tasks,
    )
    session.add(user)
    try:
        if actor is not None:
            session.flush()
            record(session, actor, "created", subject_of(user), after=_roles(user))
        elif registered_from is not None:
            session.flush()
            themselves = Actor(user.id, user.username, registered_from)
            record(session, themselves, "registered", subject_of(user), after=_roles(user))
        session.commit()
    except IntegrityError as error:
        session.rollback()
        raise UsernameTaken(gettext("The username %(name)s is taken.", name=name.shown)) from error
    return user


def set_password_hash(
    session: Session, user: User, password_hash: str, *, actor: Actor | None = None
) -> None:
    """Store a new password's hash; every session of this person ends.

    Args:
        actor: Who gets the entry in the audit trail, which has neither password nor hash;
            without one there is none.
    """
    had_one = user.password_hash is not None
    user.password_hash = password_hash
    user.session_nonce = new_session_nonce()
    if actor is not None:
        before = {"password": DOTS if had_one else None}
        record(session, actor, "changed", subject_of(user), before=before, after={"password": DOTS})
    session.commit()


def upgrade_password_hash(session: Session, user: User, password_hash: str) -> None:
    """Store the same password's hash under newer parameters; sessions go on."""
    user.password_hash = password_hash
    session.commit()


def end_sessions(session: Session, user: User) -> None:
    """Make every session cookie of this person worthless, also a stolen one."""
    user.session_nonce = new_session_nonce()
    session.commit()


def set_preferences(
    session: Session, user: User, *, language: str | None, zone: str | None
) -> None:
    """How pages are shown to this person.

    Args:
        language: One of ``i18n.LANGUAGES``; None for what the browser asks for.
        zone: IANA name; None for the browser's.
    """
    user.language = language
    user.zone = zone
    session.commit()


def set_roles(
    session: Session,
    user_id: int,
    *,
    is_active: bool,
    is_superuser: bool,
    can_review_tasks: bool,
    actor: Actor | None = None,
) -> User:
    """Change what a person may do; deactivation ends the person's sessions.

    Args:
        actor: Who gets the entry in the audit trail; without one there is none.

    Raises:
        LastSuperuser: If no active superuser would be left.
        LookupError: If there is no such user.
    """
    with ledger_transaction(session):
        # Every change of roles locks all active superusers in one order, so that two
        # superusers who demote each other at once can't both succeed.
        superusers = session.scalars(
            select(User.id)
            .where(User.is_active, User.is_superuser)
            .order_by(User.id)
            .with_for_update()
        ).all()
        user = session.get(User, user_id, populate_existing=True, with_for_update=True)
        if user is None:
            raise LookupError(f"There is no user {user_id}.")
        if not (is_active and is_superuser) and list(superusers) == [user_id]:
            raise LastSuperuser(
                gettext(
                    "%(name)s is the last active superuser: make another one first.",
                    name=user.username,
                )
            )
        before = _roles(user)
        if user.is_active and not is_active:
            user.session_nonce = new_session_nonce()
        user.is_active = is_active
        user.is_superuser = is_superuser
        user.can_review_tasks = can_review_tasks
        old, new = difference(before, _roles(user))
        if new and actor is not None:
            record(session, actor, "changed", subject_of(user), before=old, after=new)
    return user


def _roles(user: User) -> dict[str, bool]:
    return {
        "is_active": user.is_active,
        "is_superuser": user.is_superuser,
        "can_review_tasks": user.can_review_tasks,
    }


def mirror_user(
    session: Session, username: str, *, is_superuser: bool, can_review_tasks: bool
) -> User:
    """The row of a person whom the host signs in, made on first sight, with the host's roles.

    The host's word counts, also about the last superuser: it can give the role back as it
    took it, and nobody keeps rights that the host has withdrawn.

    Raises:
        InvalidUsername: If the host's name can't be used.
    """
    name = normalize_host_username(username)

    def find() -> User | None:
        return session.scalar(select(User).where(User.username_key == name.key))

    user = find()
    if user is None:
        try:
            return _add(
                session,
                name,
                password_hash=None,
                is_superuser=is_superuser,
                can_review_tasks=can_review_tasks,
            )
        except UsernameTaken:  # another request made it meanwhile
            user = find()
            if user is None:
                raise
    if (user.is_superuser, user.can_review_tasks) != (is_superuser, can_review_tasks):
        user.is_superuser = is_superuser
        user.can_review_tasks = can_review_tasks
        session.commit()
    return user
