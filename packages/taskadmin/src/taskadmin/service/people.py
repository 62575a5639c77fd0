"""Find, create and edit users, and check passwords."""

from __future__ import annotations

from ..errors import InvalidPreference, UnknownUser
from ..jobs.arguments.masking import DOTS
from ..models import User
from ..schedules.zones import zone_names
from ..state import get_state
from ..store.people import passwords, users
from ..store.people.audit import Actor, subject_of
from ..translation.languages import LANGUAGES
from ..values.ids import can_be_id
from ..values.storable import escaped_text
from .tasks import actor_or_application
from .traces import log_trace


def find_user(user: int | str) -> User | None:
    """Return the user with this id or username, case-insensitive; None if there is none."""
    session = get_state().session
    if isinstance(user, str):
        return users.find_user(session, user)
    return session.get(User, user) if can_be_id(user) else None


def existing_user(user: int | str) -> User:
    """Return the user with this id or username.

    Raises:
        UnknownUser: If there is none.
    """
    found = find_user(user)
    if found is None:
        raise UnknownUser(f"There is no user {escaped_text(str(user))}.")
    return found


def create_user(
    username: str,
    *,
    password: str | None = None,
    is_superuser: bool = False,
    can_review_tasks: bool = False,
    registered_from: Actor | None = None,
    actor: Actor | None = None,
) -> User:
    """Create a user.

    Args:
        password: None for a user who can't log in until a password is set.
        registered_from: Address and browser of a user who signs up, for the audit entry.
        actor: Otherwise named in the audit entry; by default the application.

    Raises:
        InvalidUsername: If the name isn't valid.
        InvalidPassword: If the password isn't allowed.
        UsernameTaken: If the name exists, in any case.
    """
    by = actor_or_application(actor)
    user = users.create_user(
        get_state().session,
        username,
        password_hash=None if password is None else _hash_new(password, username),
        is_superuser=is_superuser,
        can_review_tasks=can_review_tasks,
        actor=None if registered_from else by,
        registered_from=registered_from,
    )
    if registered_from is not None:
        log_trace(registered_from.named(user), "registered", subject_of(user))
    else:
        log_trace(by, "created", subject_of(user))
    return user


def edit_user(
    user: int | str,
    *,
    is_active: bool | None = None,
    is_superuser: bool | None = None,
    can_review_tasks: bool | None = None,
    actor: Actor | None = None,
) -> User:
    """Activate or deactivate a user, or change roles; None keeps a value.

    Deactivation ends the user's sessions.

    Raises:
        LastSuperuser: If this is the last active superuser.
        UnknownUser: If there is no such user.
    """
    by = actor_or_application(actor)
    edited = users.set_roles(
        get_state().session,
        existing_user(user).id,
        is_active=is_active,
        is_superuser=is_superuser,
        can_review_tasks=can_review_tasks,
        actor=by,
    )
    log_trace(by, "changed", subject_of(edited), users.roles_of(edited))
    return edited


def set_password(user: int | str, password: str, *, actor: Actor | None = None) -> User:
    """Set a user's password, end the user's sessions, and return the user.

    The user has to replace a password that another user has set, at the next log in.

    Raises:
        InvalidPassword: If the password isn't allowed.
        UnknownUser: If there is no such user.
    """
    by = actor_or_application(actor)
    whose = existing_user(user)
    password_hash = _hash_new(password, whose.username)
    users.set_password_hash(get_state().session, whose, password_hash, actor=by)
    log_trace(by, "changed", subject_of(whose), {"password": DOTS})
    return whose


def _hash_new(password: str, username: str) -> str:
    names = (username, get_state().settings.site_name)
    return passwords.hash_new_password(password, names=names)


def check_password(user: User | None, password: str) -> bool:
    """Check a user's password; takes as long if there is no user or no password.

    A hash with older parameters is replaced, if the user may log in.
    """
    password_hash = None if user is None else user.password_hash
    if not passwords.verify_password(password_hash, password) or user is None:
        return False
    if user.is_active and password_hash is not None and passwords.needs_rehash(password_hash):
        newer = passwords.hash_password(password)
        users.upgrade_password_hash(get_state().session, user, newer)
    return True


def set_preferences(user: int | str, *, language: str | None, zone: str | None) -> User:
    """Set the language and time zone of a user's pages, and return the user.

    Args:
        language: One of ``translation.languages.LANGUAGES``; None for the browser's.
        zone: An IANA name; None for the browser's.

    Raises:
        InvalidPreference: If taskadmin doesn't know the language or the zone.
        UnknownUser: If there is no such user.
    """
    whose = existing_user(user)
    if language is not None and language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise InvalidPreference(f"There is no language {language}: choose one of {known}.")
    if zone is not None and zone not in zone_names():
        raise InvalidPreference(f"There is no time zone {zone}: use an IANA name, or none.")
    users.set_preferences(get_state().session, whose, language=language, zone=zone)
    return whose


def mirror_user(username: str, *, is_superuser: bool, can_review_tasks: bool) -> User:
    """Return the row of a user whom the host signs in, with the host's roles; create it if needed.

    Raises:
        InvalidUsername: If the host's name isn't valid.
    """
    return users.mirror_user(
        get_state().session,
        username,
        is_superuser=is_superuser,
        can_review_tasks=can_review_tasks,
    )
