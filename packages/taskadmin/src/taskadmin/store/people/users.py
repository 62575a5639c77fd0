"""User accounts: roles, passwords and preferences."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ...errors import InvalidUsername, LastSuperuser, UnknownUser, UsernameTaken
from ...jobs.arguments.masking import DOTS
from ...models import User
from ...models.user import new_session_nonce
from ...translation.texts import gettext
from ..database.counting import MAX_COUNTED
from ..database.transaction import ledger_transaction
from .audit import Actor, difference, record, subject_of
from .usernames import Username, check_new_username, normalize_host_username, normalize_username


def count_users(session: Session, which: Mapping[str, ColumnElement[bool]]) -> dict[str, int]:
    """Count the users that meet each condition, by the condition's name; "" has the total.

    Counts above ``MAX_COUNTED`` mean "more".
    """
    columns = [
        case((condition, 1), else_=0).label(f"c{n}") for n, condition in enumerate(which.values())
    ]
    people = select(User.id, *columns).limit(MAX_COUNTED + 1).subquery()
    total, *counts = session.execute(
        select(
            func.count(), *(func.coalesce(func.sum(people.c[column.name]), 0) for column in columns)
        ).select_from(people)
    ).one()
    return {"": total, **dict(zip(which, map(int, counts), strict=True))}


def usernames_of(session: Session, ids: Collection[int]) -> Mapping[int, str]:
    """Return the usernames of these accounts by id; one query."""
    columns = User.__table__.c
    of_them = columns.id.in_(sorted(ids))
    rows = session.execute(select(columns.id, columns.username).where(of_them)).all()
    return {row.id: row.username for row in rows}


def find_user(session: Session, username: str) -> User | None:
    """Return the user with this name, case-insensitive, or None."""
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
    registered_from: Actor | None = None,
) -> User:
    """Add a user and commit.

    Args:
        actor: Named in the audit entry; None writes no entry.
        registered_from: Address and browser of a user who signs up, for the audit entry.

    Raises:
        InvalidUsername: If the name isn't valid for a new account.
        UsernameTaken: If the name exists in any case, or looks like an existing one, even if
            two people sign up at the same time.
    """
    return _add(
        session,
        check_new_username(username),
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
    registered_from: Actor | None = None,
) -> User:
    user = User(
        username=name.shown,
        username_key=name.key,
        username_skeleton=name.skeleton,
        password_hash=password_hash,
        must_change_password=password_hash is not None and _is_of_another(actor),
        is_superuser=is_superuser,
        can_review_tasks=can_review_tasks,
    )
    session.add(user)
    try:
        if actor is not None:
            session.flush()
            record(session, actor, "created", subject_of(user), after=roles_of(user))
        elif registered_from is not None:
            session.flush()
            by = registered_from.named(user)
            record(session, by, "registered", subject_of(user), after=roles_of(user))
        session.commit()
    except IntegrityError as error:
        session.rollback()
        if find_user(session, name.key) is None:
            text = gettext(
                "The username %(name)s looks like one that is taken. Choose another.",
                name=name.shown,
            )
        else:
            text = gettext("The username %(name)s is taken.", name=name.shown)
        raise UsernameTaken(text) from error
    return user


def _is_of_another(actor: Actor | None, user_id: int | None = None) -> bool:
    """Return whether another person has chosen the password, and so knows it."""
    return actor is not None and actor.user_id is not None and actor.user_id != user_id


def set_password_hash(
    session: Session, user: User, password_hash: str, *, actor: Actor | None = None
) -> None:
    """Store a new password hash, and end the user's sessions.

    The user has to change a password that another user has chosen.

    Args:
        actor: Named in the audit entry, which has neither password nor hash; None writes no entry.
    """
    had_one = user.password_hash is not None
    user.password_hash = password_hash
    user.session_nonce = new_session_nonce()
    user.must_change_password = _is_of_another(actor, user.id)
    if actor is not None:
        before = {"password": DOTS if had_one else None}
        record(session, actor, "changed", subject_of(user), before=before, after={"password": DOTS})
    session.commit()


def upgrade_password_hash(session: Session, user: User, password_hash: str) -> None:
    """Store a hash of the same password with newer parameters; sessions stay valid."""
    user.password_hash = password_hash
    session.commit()


def set_preferences(
    session: Session, user: User, *, language: str | None, zone: str | None
) -> None:
    """Set a user's language and time zone.

    Args:
        language: One of ``translation.languages.LANGUAGES``; None for the browser's.
        zone: An IANA name; None for the browser's.
    """
    user.language = language
    user.zone = zone
    session.commit()


def set_roles(
    session: Session,
    user_id: int,
    *,
    is_active: bool | None = None,
    is_superuser: bool | None = None,
    can_review_tasks: bool | None = None,
    actor: Actor | None = None,
) -> User:
    """Change a user's roles, but for those that are None; deactivation ends the user's sessions.

    Args:
        actor: Named in the audit entry; None writes no entry.

    Raises:
        LastSuperuser: If this is the last active superuser.
        UnknownUser: If the user doesn't exist.
    """
    with ledger_transaction(session):
        # Lock all active superusers in the same order for every change, so that two superusers
        # can't demote each other at once.
        superusers = session.scalars(
            select(User.id)
            .where(User.is_active, User.is_superuser)
            .order_by(User.id)
            .with_for_update()
        ).all()
        user = session.get(User, user_id, populate_existing=True, with_for_update=True)
        if user is None:
            raise UnknownUser(f"There is no user {user_id}.")
        before = roles_of(user)
        changes = {
            "is_active": is_active,
            "is_superuser": is_superuser,
            "can_review_tasks": can_review_tasks,
        }
        roles = before | {name: value for name, value in changes.items() if value is not None}
        is_left = roles["is_active"] and roles["is_superuser"]
        if not is_left and list(superusers) == [user_id]:
            raise LastSuperuser(
                gettext(
                    "%(name)s is the last active superuser. Make another user a superuser first.",
                    name=user.username,
                )
            )
        if user.is_active and not roles["is_active"]:
            user.session_nonce = new_session_nonce()
        for name, value in roles.items():
            setattr(user, name, value)
        old, new = difference(before, roles_of(user))
        if new and actor is not None:
            record(session, actor, "changed", subject_of(user), before=old, after=new)
    return user


def roles_of(user: User) -> dict[str, bool]:
    """Return what the user may do, by the columns' names."""
    return {
        "is_active": user.is_active,
        "is_superuser": user.is_superuser,
        "can_review_tasks": user.can_review_tasks,
    }


def mirror_user(
    session: Session, username: str, *, is_superuser: bool, can_review_tasks: bool
) -> User:
    """Return the row of a user whom the host signs in, with the host's roles.

    The row is created on first use. The host decides, even about the last superuser: it can
    restore a role that it took away, and nobody keeps rights that the host has withdrawn.

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
        except UsernameTaken:  # created by a concurrent request
            user = find()
            if user is None:
                raise
    if (user.is_superuser, user.can_review_tasks) != (is_superuser, can_review_tasks):
        user.is_superuser = is_superuser
        user.can_review_tasks = can_review_tasks
        session.commit()
    return user
