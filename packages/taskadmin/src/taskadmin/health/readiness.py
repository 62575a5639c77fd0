"""What ``/readyz`` says: in general words to everybody, in detail to the log."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from .. import migrations
from ..errors import BrokerUnavailable
from ..queue.inspection import try_broker
from ..state import get_state
from ..store import health
from ..store.health import BeatLag
from ..store.outage import is_outage
from ..store.transaction import reading
from .probe import Attempt, NoAnswer, Probe

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("taskadmin.health")

#: Longest wait for everything together, in seconds; who asks for health often waits no more than 5.
SECONDS = 2.5
#: Longest wait for the broker's answer to one thing, in seconds: connecting, taking a message.
_BROKER_SECONDS = 1.0
#: Longest wait for rows that somebody may have locked, in seconds.
_ROWS_SECONDS = 1.0

T = TypeVar("T")


class Verdict(NamedTuple):
    """Whether something is there."""

    ok: bool
    #: For everybody: no addresses, no names, not the driver's words.
    detail: str
    #: For the log.
    cause: str = ""


class _Database(NamedTuple):
    database: Verdict
    migrations: Verdict
    beat: BeatLag = BeatLag(None, None)


_newest_revision = functools.cache(migrations.newest_revision)


class Readiness:
    """Asks database and broker of one application, and remembers what they said for a second.

    Neither is asked twice at a time, however many people want to know: a hanging database
    costs a few connections of the host's pool, and a burst of requests no connection each.
    """

    def __init__(self, app: Flask) -> None:
        self._database = Probe(lambda: _look_at_database(app), seconds=SECONDS)
        self._broker = Probe(lambda: _look_at_broker(app), seconds=SECONDS)
        self._lock = threading.Lock()
        self._said: dict[str, Verdict] = {}

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Whether requests can be served, and the answer for who asked."""
        asked, broker_asked = self._database.start(), self._broker.start()  # at the same time
        found = _answer(asked, _no_database)
        broker = _answer(broker_asked, lambda cause: Verdict(False, *_no_answer("broker", cause)))
        checks = {"database": found.database, "migrations": found.migrations, "broker": broker}
        self._log_changes(checks)
        ready = all(verdict.ok for verdict in checks.values())
        return ready, {
            "ready": ready,
            "checks": {
                name: {"ok": verdict.ok, "detail": verdict.detail}
                for name, verdict in checks.items()
            },
            "beat": {
                "seen_seconds_ago": _seconds(found.beat.seen),
                "launcher_ticked_seconds_ago": _seconds(found.beat.ticked),
            },
        }

    def _log_changes(self, checks: Mapping[str, Verdict]) -> None:
        with self._lock:
            before, self._said = self._said, dict(checks)
        for name, verdict in checks.items():
            known = before.get(name)
            if not verdict.ok and (known is None or known.detail != verdict.detail):
                log.warning("Not ready: %s %s", verdict.detail, verdict.cause)
            elif verdict.ok and known is not None and not known.ok:
                log.info("Ready again: %s", verdict.detail)


def _answer(attempt: Attempt[T], otherwise: Callable[[Exception], T]) -> T:
    try:
        return attempt.result()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason for not being ready
        return otherwise(error)


def _no_answer(what: str, error: Exception) -> tuple[str, str]:
    cause = f"{type(error).__name__}: {error}"
    if isinstance(error, NoAnswer):
        return f"The {what} doesn't answer.", cause
    return f"The {what} can't be asked; the log has the reason.", cause


def _no_database(error: Exception) -> _Database:
    return _without_database(Verdict(False, *_no_answer("database", error)))


def _without_database(verdict: Verdict) -> _Database:
    return _Database(verdict, Verdict(False, "Not checked, without the database."))


def _look_at_database(app: Flask) -> _Database:
    with app.app_context():
        try:
            current = migrations.current_revision(app)
        except SQLAlchemyError as error:
            detail = "can't be reached" if is_outage(error) else "can't be used"
            return _without_database(Verdict(False, f"The database {detail}.", _first_line(error)))
        schema = _schema(current)
        beat = _beat_lag(app) if schema.ok else BeatLag(None, None)
    return _Database(Verdict(True, "The database answers."), schema, beat)


def _schema(current: str | None) -> Verdict:
    newest = _newest_revision()
    if current == newest:
        return Verdict(True, f"The schema is at revision {newest}, the newest.")
    if migrations.is_ahead(current):
        # While a new version is rolled out, processes of the old one still serve requests.
        return Verdict(True, f"The schema is at revision {current}, ahead of {newest}.")
    return Verdict(
        False,
        f"The schema is at revision {current or 'none'}, this version needs {newest}:"
        " run flask taskadmin db upgrade.",
    )


def _beat_lag(app: Flask) -> BeatLag:
    session = get_state(app).session
    try:
        with reading(session, seconds=_ROWS_SECONDS):
            return health.beat_lag(session)
    except SQLAlchemyError as error:
        log.warning("Beat's row can't be read: %s", _first_line(error))
        return BeatLag(None, None)


def _look_at_broker(app: Flask) -> Verdict:
    celery = get_state(app).celery
    if celery is None:
        return Verdict(True, "Not checked: this application has no task queue.")
    try:
        answer = try_broker(celery, timeout_seconds=_BROKER_SECONDS)
    except BrokerUnavailable as error:
        return Verdict(False, "The broker can't be reached.", str(error))
    if answer.refusal is not None:
        return Verdict(False, "The broker takes no messages.", answer.refusal)
    return Verdict(True, "The broker answers.")


def _first_line(error: SQLAlchemyError) -> str:
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _seconds(lag: timedelta | None) -> float | None:
    return None if lag is None else round(lag.total_seconds(), 1)
