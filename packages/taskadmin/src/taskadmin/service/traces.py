"""Record events without a change in the audit trail and the log: log ins, refusals, exports."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..errors import TooManyAttempts
from ..state import get_state
from ..store.database.cache import TimedCache
from ..store.people import audit, throttle
from ..store.people.audit import Actor, Subject

log = logging.getLogger("taskadmin.audit")

#: Recent refusals by user and page, so that repeated requests don't fill the audit trail.
_refused: TimedCache[bool] = TimedCache(seconds=60)
#: Recent waits by address.
_waiting: TimedCache[bool] = TimedCache(seconds=60)


def trace(
    actor: Actor, action: str, subject: Subject, *, after: Mapping[str, object] | None = None
) -> None:
    """Add an audit entry, commit, and log it."""
    session = get_state().session
    audit.record(session, actor, action, subject, after=after)
    session.commit()
    log_trace(actor, action, subject, after)


def log_trace(
    actor: Actor, action: str, subject: Subject, after: Mapping[str, object] | None = None
) -> None:
    """Log one line. Names of users and browsers can't break it: they are quoted and shortened."""
    log.log(
        logging.WARNING if action in ("failed_log_in", "refused") else logging.INFO,
        "%s: %s %.200r by %.200r from %s with %.200r%s",
        action.replace("_", " "),
        subject.kind,
        subject.name,
        actor.name,
        actor.source,
        actor.user_agent,
        f" ({', '.join(f'{name}={value!r:.200}' for name, value in after.items())})"
        if after
        else "",
    )


def note_refusal(actor: Actor, path: str) -> None:
    """Record a refused page, in the audit trail once a minute per user and page."""
    subject = Subject("page", 0, path)
    session = get_state().session
    key = (actor.user_id, path[:200])
    if actor.user_id is None or _refused.get(session, key):
        log_trace(actor, "refused", subject)
        return
    _refused.set(session, key, True)
    trace(actor, "refused", subject)


def note_wait(actor: Actor, username: str, kind: str, error: TooManyAttempts) -> None:
    """Log an attempt that has to wait, once a minute per address and *kind* of counter.

    Not in the audit trail, and not every one: unchecked guesses cost nothing and could fill both.
    """
    session = get_state().session
    key = (kind, throttle.of_address("", actor.source).key)
    if _waiting.get(session, key):
        return
    _waiting.set(session, key, True)
    after = {"wait_seconds": round(error.retry_after.total_seconds())}
    log_trace(actor, "refused", Subject("user", 0, username), after)


def note_export(actor: Actor, filename: str, filters: Mapping[str, str]) -> None:
    """Record an export of rows with its filters."""
    trace(actor, "exported", Subject("page", 0, filename), after=filters)
