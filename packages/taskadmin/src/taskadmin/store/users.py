"""People: accounts, roles and the amount of their tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..errors import InvalidUsername, LastSuperuser, UsernameTaken
from ..models import Task, User
from ..models.user import new_session_nonce
from .audit import Actor, difference, record, subject_of
from .transaction import ledger_transaction
from .usernames import Username, normalize_host_username, normalize_username


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
        raise UsernameTaken(f"The username {name.shown} is taken.") from error
    return user


def set_password_hash(session: Session, user: User, password_hash: str) -> None:
    """Store a new password's hash; every session of this person ends."""
    user.password_hash = password_hash
    user.session_nonce = new_session_nonce()
    session.commit()


def upgrade_password_hash(session: Session, user: User, password_hash: str) -> None:
    """Store the same password's hash under newer parameters; sessions go on."""
    user.password_hash = password_hash
    session.commit()


def end_sessions(session: Session, user: User) -> None:
    """Make every session cookie of this person worthless, also a stolen one."""
    user.session_nonce = new_session_nonce()
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
                f"{user.username} is the last active superuser: make another one first."
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


class ReviewRow(NamedTuple):
    """A line of the review page."""

    user_id: int
    username: str
    is_active: bool
    tasks: int


def review_rows(
    session: Session,
    *,
    order_by: str = "username",
    descending: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> Sequence[ReviewRow]:
    """Usernames with the amount of their tasks, people without any too; one query.

    Args:
        order_by: ``username`` or ``tasks``.
        limit: Most rows returned.
    """
    tasks = (
        select(Task.created_by, func.count().label("tasks"))
        .where(Task.deleted_at.is_(None))
        .group_by(Task.created_by)
        .subquery()
    )
    amount = func.coalesce(tasks.c.tasks, 0)
    column = {"username": User.username_key, "tasks": amount}[order_by]
    rows = session.execute(
        select(User.id, User.username, User.is_active, amount)
        .outerjoin(tasks, tasks.c.created_by == User.id)
        .order_by(column.desc() if descending else column.asc(), User.id)
        .limit(limit)
        .offset(offset)
    )
    return [ReviewRow(*row) for row in rows]
