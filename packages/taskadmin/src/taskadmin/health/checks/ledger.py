"""Checks of beat, launchers, workers, missed slots, stuck runs and table growth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from ...jobs import all_jobs
from ...models import ProcessKind
from ...settings import Settings
from ...state import get_state
from ...store.database.counting import MAX_COUNTED
from ...store.database.transaction import reading
from ...store.reports import health
from ...store.reports.health import LiveProcess
from ..finding import (
    Answer,
    english_ago,
    english_duration,
    ok,
    problem,
    size_in_words,
    warning,
)

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

#: Statement timeout, in seconds; a migration may lock the tables.
_QUERY_TIMEOUT_SECONDS = 5.0
_DAY = timedelta(days=1)
#: Number of results above which keeping all of them should be a decision.
_MANY_RESULTS = 1_000_000


@contextmanager
def _session(app: Flask) -> Iterator[Session]:
    session = get_state(app).session
    with reading(session, seconds=_QUERY_TIMEOUT_SECONDS):
        yield session


def beat(app: Flask) -> Answer:
    """Check that exactly one beat sends ticks."""
    with _session(app) as session:
        found = _of_kind(health.live_processes(session), ProcessKind.BEAT)
    if not found:
        return problem(
            "No beat is running, so nothing is launched.", "celery -A <your module> beat"
        )
    recent = [one for one in found if one.silent <= _max_silence(get_state(app).settings)]
    if not recent:
        last = min(found, key=lambda one: one.silent)
        return problem(
            f"{last.name} (pid {last.pid}) sends no ticks: last seen {english_ago(last.silent)}.",
            "Check its log, and restart it: celery -A <your module> beat",
        )
    names = ", ".join(f"{one.name} (pid {one.pid})" for one in recent)
    if len(recent) > 1:
        return warning(
            f"{len(recent)} beats run: {names}. Nothing is launched twice, but one is enough.",
            "Stop all but one; one that was killed is forgotten after"
            f" {get_state(app).settings.lease_seconds:g} s.",
        )
    return ok(f"{names}, seen {english_ago(recent[0].silent)}.")


def launcher(app: Flask) -> Answer:
    """Check that a launcher handles beat's ticks."""
    with _session(app) as session:
        ticked = health.beat_lag(session).ticked
    if ticked is not None and ticked <= _max_silence(get_state(app).settings):
        return ok(f"A launcher looked for due slots {english_ago(ticked)}.")
    return problem(
        "No launcher has run yet."
        if ticked is None
        else f"No launcher is running: the last one was active {english_ago(ticked)}.",
        "celery -A <your module> worker -Q taskadmin.launch -P solo",
    )


def workers(app: Flask) -> Answer:
    """Check that workers are alive."""
    lease = timedelta(seconds=get_state(app).settings.lease_seconds)
    with _session(app) as session:
        found = _of_kind(health.live_processes(session), ProcessKind.WORKER)
    recent = [one for one in found if one.silent <= lease]
    if not recent:
        return problem(
            "No worker is running."
            if not found
            else f"No worker is running: {found[0].name} was last seen {english_ago(found[0].silent)}.",
            "celery -A <your module> worker -Q taskadmin.runs",
        )
    names = ", ".join(one.name for one in recent[:5])
    more = f" and {len(recent) - 5} more" if len(recent) > 5 else ""
    return ok(f"{len(recent)} worker{'' if len(recent) == 1 else 's'}: {names}{more}.")


def missed_slots(app: Flask) -> Answer:
    """Check for recent slots that weren't launched."""
    with _session(app) as session:
        found = health.missed_slots(session, since=_DAY)
    if not found:
        return ok("None in the last 24 hours.")
    return warning(
        f"{_some(found, 'slot')} of the last 24 hours passed without a launch.",
        'Keep beat and a launcher running; TASKADMIN_MISSED_SLOTS = "run_once" launches late.',
    )


def stuck_runs(app: Flask) -> Answer:
    """Check for runs that wait, or launches that are open, for too long."""
    age = _stuck_after(get_state(app).settings)
    with _session(app) as session:
        runs = health.stuck_runs(session, older_than=age)
        launches = health.stuck_launches(session, older_than=age)
    longer = f"for more than {english_duration(age)}"
    if not runs and not launches:
        return ok(f"Nothing waits {longer}.")
    found = [
        f"{_some(runs, 'run')} waited for a worker {longer}." if runs else "",
        f"{_some(launches, 'launch', 'launches')} open {longer}." if launches else "",
    ]
    fixes = [
        "Start more workers: celery -A <your module> worker -Q taskadmin.runs" if runs else "",
        "Check the launcher's log for why it makes no progress." if launches else "",
    ]
    return warning(" ".join(filter(None, found)), "\n".join(filter(None, fixes)))


def table_growth(app: Flask) -> Answer:
    """Check the size of the results, and that large ones are a decision."""
    settings = get_state(app).settings
    with _session(app) as session:
        size = health.results_size(session)
    about = "about " if size.estimated else ""
    found = f"{about}{size.rows:,} results, {size_in_words(size.size_bytes)}"
    found = found[0].upper() + found[1:]
    for_ever = not (settings.result_retention_days or settings.results_per_task)
    if for_ever and size.rows > _MANY_RESULTS:
        return warning(
            f"{found}, and none is ever deleted.",
            "TASKADMIN_RESULT_RETENTION_DAYS = 30, or TASKADMIN_RESULTS_PER_TASK = 1000",
        )
    return ok(found + ".")


def _max_silence(settings: Settings) -> timedelta:
    """Return how long beat or a launcher may be silent before it counts as missing."""
    return timedelta(seconds=max(3 * settings.tick_seconds, 15.0))


def _stuck_after(settings: Settings) -> timedelta:
    # A run of a job that doesn't record its start stays queued while it is executed.
    unseen = [job.time_limit for job in all_jobs().values() if not job.record_start]
    return timedelta(seconds=max(600.0, 2 * settings.republish_after_seconds, *unseen))


def _of_kind(found: Sequence[LiveProcess], kind: ProcessKind) -> list[LiveProcess]:
    return [one for one in found if one.kind == kind]


def _some(number: int, one: str, more: str | None = None) -> str:
    if number >= MAX_COUNTED:
        return f"{number:,} or more {more or one + 's'}"
    return f"{number:,} {one if number == 1 else more or one + 's'}"
