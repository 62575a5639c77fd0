"""Check passwords and codes of users who log in, limit guessing, and record each attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ..errors import HashesBusy, TooManyAttempts
from ..models import User
from ..state import get_state
from ..store.people import throttle, users
from ..store.people.audit import Actor, Subject, subject_of
from ..store.people.second_factors import find_second_factor
from ..store.people.throttle import Counter, Wait
from .people import check_password
from .second_factors import check_second_factor
from .tasks import actor_or_application
from .traces import note_wait, trace


class LoggedIn(NamedTuple):
    """A user who entered the right password."""

    user: User
    #: The user's ``session_nonce`` from before the password was checked.
    nonce: str
    #: Whether a code of the second factor must follow before the user is logged in.
    needs_code: bool


class KnownBrowser(NamedTuple):
    """A browser in which the user has logged in before."""

    user_id: int
    #: Distinguishes the browsers of a user.
    nonce: str


def log_in(
    username: str, password: str, *, visitor: Actor, browser: KnownBrowser | None = None
) -> LoggedIn | None:
    """Check a username and a password, and record the attempt.

    Failures are counted by account and by address. A browser in which the user has logged in before
    has only a counter of its own, so that other people can't lock the user out, even if they share
    the address or the application doesn't know about its proxy.

    Returns:
        The user; None if the username or the password is wrong, or the user is inactive.

    Raises:
        TooManyAttempts: After too many attempts, or if too many passwords are being checked.
            The password isn't checked then.
    """
    session = get_state().session
    counters = [throttle.of_address("address", visitor.source), throttle.account(username)]
    if browser is not None and _key_of(browser) == counters[-1].key:
        counters = [Counter("browser", f"{counters[-1].key} {browser.nonce}")]
    with _counted(counters, visitor, username) as attempts:
        # Everything from here on takes equally long for unknown usernames.
        user = users.find_user(session, username)
        nonce = "" if user is None else user.session_nonce
        is_right = check_password(user, password)
    if user is not None and user.is_active and is_right:
        throttle.take_back(session, counters[:-1])
        throttle.clear(session, counters[-1:])
        needs_code = find_second_factor(session, user.id) is not None
        if needs_code:
            session.commit()
        else:
            trace(visitor.named(user), "logged_in", subject_of(user))
        return LoggedIn(user, nonce, needs_code)
    after = {"attempts": attempts, "username": username}
    if user is not None and is_right:
        after["is_active"] = False
    subject = Subject("user", 0, username) if user is None else subject_of(user)
    trace(visitor, "failed_log_in", subject, after=after)
    return None


def log_in_with_code(
    user: User, code: str, *, visitor: Actor, browser: KnownBrowser | None = None
) -> bool:
    """Check a code of the second factor after the password, and record the attempt.

    Wrong codes are counted like wrong passwords.

    Returns:
        Whether the code is right.

    Raises:
        TooManyAttempts: After too many attempts. The code isn't checked then.
    """
    is_known = browser is not None and browser.user_id == user.id
    key = f"{user.username_key} {browser.nonce}" if browser and is_known else user.username_key
    actor = visitor.named(user)
    is_right = _is_right_code(user, code, counter=Counter("code", key), actor=actor)
    if is_right:
        trace(actor, "logged_in", subject_of(user), after={"second_factor": True})
    return is_right


def confirm_code(user: User, code: str, *, actor: Actor) -> bool:
    """Check a code of the second factor of a user who is logged in; return whether it is right.

    Raises:
        TooManyAttempts: After too many attempts.
    """
    return _is_right_code(user, code, counter=Counter("code", user.username_key), actor=actor)


def _is_right_code(user: User, code: str, *, counter: Counter, actor: Actor) -> bool:
    session = get_state().session
    attempts = _count([counter], actor, user.username)
    is_right = check_second_factor(user, code, actor=actor)
    if is_right:
        throttle.clear(session, [counter])
        session.commit()
    else:
        after = {"attempts": attempts, "second_factor": False}
        trace(actor, "failed_log_in", subject_of(user), after=after)
    return is_right


def confirm_password(user: User, password: str, *, actor: Actor) -> bool:
    """Check the password of a user who is logged in; return whether it is right.

    Raises:
        TooManyAttempts: After too many attempts, or if too many passwords are being checked.
    """
    session = get_state().session
    counters = [Counter("password", user.username_key)]
    with _counted(counters, actor, user.username) as attempts:
        is_right = check_password(user, password)
    if is_right:
        throttle.clear(session, counters)
        session.commit()
    else:
        trace(actor, "failed_log_in", subject_of(user), after={"attempts": attempts})
    return is_right


def count_registration(visitor: Actor, *, username: str = "") -> None:
    """Count a registration, or an attempt to register a taken username, for an address.

    Raises:
        TooManyAttempts: After too many of them.
    """
    _count([throttle.of_address("registration", visitor.source)], visitor, username)


def find_waits(*, limit: int) -> Sequence[Wait]:
    """Return the counters that refuse attempts now, longest wait first."""
    return throttle.waits(get_state().session, limit=limit)


def clear_wait(counter: Counter, *, actor: Actor | None = None) -> bool:
    """Reset a counter of failed attempts, and record it; return whether it existed."""
    session = get_state().session
    if not throttle.clear(session, [counter]):
        session.rollback()
        return False
    by = actor_or_application(actor)
    trace(by, "unblocked", Subject("user", 0, counter.key), after={"kind": counter.kind})
    return True


def unblock(name: str, *, actor: Actor | None = None) -> bool:
    """Reset all counters of a username or an address; return whether one existed."""
    key = throttle.account(name).key
    counters = [Counter(kind, key) for kind in ("account", "password", "code")]
    counters += throttle.of_browsers(get_state().session, key)
    counters += [throttle.of_address(kind, name) for kind in ("address", "registration")]
    cleared = [clear_wait(counter, actor=actor) for counter in counters]
    return any(cleared)


def _key_of(browser: KnownBrowser) -> str | None:
    user = get_state().session.get(User, browser.user_id)
    return None if user is None else user.username_key


def _count(counters: Sequence[Counter], actor: Actor, username: str) -> int:
    """Count an attempt, and log it if it has to wait."""
    try:
        return throttle.count_attempt(get_state().session, counters)
    except TooManyAttempts as error:
        note_wait(actor, username, counters[-1].kind, error)
        raise


@contextmanager
def _counted(counters: Sequence[Counter], actor: Actor, username: str) -> Iterator[int]:
    """Count an attempt, and undo that if too many passwords are being checked."""
    session = get_state().session
    attempts = _count(counters, actor, username)
    try:
        yield attempts
    except HashesBusy as error:
        throttle.take_back(session, counters)
        session.commit()
        note_wait(actor, username, "hash", error)
        raise
