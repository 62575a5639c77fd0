"""The checks of ``/readyz``: general results for clients, details in the log."""

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
from ..store.database.outage import ErrorKind, first_line, kind_of
from ..store.database.transaction import reading
from ..store.reports import health
from ..store.reports.health import BeatLag
from .probe import NoAnswer, Probe, ProbeCall

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger("taskadmin.health")

#: Timeout of all checks together, in seconds; clients often wait for at most 5.
READINESS_TIMEOUT_SECONDS = 2.5
#: Timeout of each step with the broker, in seconds: connecting, publishing.
_BROKER_SECONDS = 1.0
#: Timeout of statements that may wait for locked rows, in seconds.
_ROWS_SECONDS = 1.0

T = TypeVar("T")


class Verdict(NamedTuple):
    """The result of one check."""

    ok: bool
    #: For clients: no addresses, no names, not the driver's message.
    detail: str
    #: For the log.
    cause: str = ""


class _Database(NamedTuple):
    database: Verdict
    migrations: Verdict
    beat: BeatLag = BeatLag(None, None)


_newest_revision = functools.cache(migrations.newest_revision)


class Readiness:
    """Checks database and broker of one application, and caches the results for a second.

    Concurrent requests share a check: a hanging database costs a few connections of the host's
    pool, and a burst of requests doesn't cost one connection each.
    """

    def __init__(self, app: Flask) -> None:
        self._database = Probe(lambda: _look_at_database(app), seconds=READINESS_TIMEOUT_SECONDS)
        self._broker = Probe(lambda: _look_at_broker(app), seconds=READINESS_TIMEOUT_SECONDS)
        self._lock = threading.Lock()
        self._last_checks: dict[str, Verdict] = {}

    def look(self) -> tuple[bool, dict[str, Any]]:
        """Return whether requests can be served, and the response's content."""
        attempt, broker_attempt = self._database.start(), self._broker.start()  # concurrently
        database = _answer(attempt, _no_database)
        broker = _answer(broker_attempt, lambda cause: Verdict(False, *_no_answer("broker", cause)))
        checks = {
            "database": database.database,
            "migrations": database.migrations,
            "broker": broker,
        }
        self._log_changes(checks)
        ready = all(verdict.ok for verdict in checks.values())
        return ready, {
            "ready": ready,
            "checks": {
                name: {"ok": verdict.ok, "detail": verdict.detail}
                for name, verdict in checks.items()
            },
            "beat": {
                "seen_seconds_ago": _seconds(database.beat.seen),
                "launcher_ticked_seconds_ago": _seconds(database.beat.ticked),
            },
        }

    def _log_changes(self, checks: Mapping[str, Verdict]) -> None:
        with self._lock:
            before, self._last_checks = self._last_checks, dict(checks)
        for name, verdict in checks.items():
            last = before.get(name)
            if not verdict.ok and (last is None or last.detail != verdict.detail):
                log.warning("Not ready: %s %s", verdict.detail, verdict.cause)
            elif verdict.ok and last is not None and not last.ok:
                log.info("Ready again: %s", verdict.detail)


def _answer(attempt: ProbeCall[T], otherwise: Callable[[Exception], T]) -> T:
    try:
        return attempt.result()
    except Exception as error:  # noqa: BLE001 - any error means "not ready"
        return otherwise(error)


def _no_answer(what: str, error: Exception) -> tuple[str, str]:
    cause = f"{type(error).__name__}: {error}"
    if isinstance(error, NoAnswer):
        return f"The {what} doesn't answer.", cause
    return f"The {what} can't be checked; the log has the reason.", cause


def _no_database(error: Exception) -> _Database:
    return _without_database(Verdict(False, *_no_answer("database", error)))


def _without_database(verdict: Verdict) -> _Database:
    return _Database(verdict, Verdict(False, "Not checked without the database."))


def _look_at_database(app: Flask) -> _Database:
    with app.app_context():
        try:
            current = _revision(app)
        except SQLAlchemyError as error:
            away = kind_of(error) is ErrorKind.WAIT
            detail = "can't be reached" if away else "can't be used"
            return _without_database(Verdict(False, f"The database {detail}.", first_line(error)))
        schema = _schema(current)
        beat = _beat_lag(app) if schema.ok else BeatLag(None, None)
    return _Database(Verdict(True, "The database answers."), schema, beat)


def _revision(app: Flask) -> str | None:
    try:
        return migrations.current_revision(app)
    except SQLAlchemyError as error:
        if kind_of(error) is not ErrorKind.RECONNECT:
            raise
        return migrations.current_revision(app)


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
        log.warning("Can't read beat's row: %s", first_line(error))
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
        return Verdict(False, "The broker takes no messages.", answer.alarm or answer.refusal)
    return Verdict(True, "The broker answers.")


def _seconds(lag: timedelta | None) -> float | None:
    return None if lag is None else round(lag.total_seconds(), 1)
