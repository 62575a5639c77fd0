"""Is somebody launching and executing, and does the ledger stay small?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import humanize

from ..jobs import all_jobs
from ..models import ProcessKind
from ..settings import Settings
from ..state import get_state
from ..store import health
from ..store.health import Living
from ..store.transaction import reading
from .finding import Answer, ok, problem, warning

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy.orm import Session

#: Longest statement, in seconds; a migration may hold the tables.
_SECONDS = 5.0
_DAY = timedelta(days=1)
#: Results from which on keeping all of them should be somebody's decision.
_MANY_RESULTS = 1_000_000


@contextmanager
def _session(app: Flask) -> Iterator[Session]:
    session = get_state(app).session
    with reading(session, seconds=_SECONDS):
        yield session


def beat(app: Flask) -> Answer:
    """Whether there is a beat that sends its ticks, and only one."""
    with _session(app) as session:
        found = _of_kind(health.living(session), ProcessKind.BEAT)
    if not found:
        return problem("No beat runs, so nothing is launched.", "celery -A <your module> beat")
    recent = [one for one in found if one.silent <= _patience(get_state(app).settings)]
    if not recent:
        last = min(found, key=lambda one: one.silent)
        return problem(
            f"{last.name} (pid {last.pid}) sends no ticks: last seen {_ago(last.silent)}.",
            "See its log, and start it again: celery -A <your module> beat",
        )
    names = ", ".join(f"{one.name} (pid {one.pid})" for one in recent)
    if len(recent) > 1:
        return warning(
            f"{len(recent)} beats run: {names}. Nothing is launched twice, but one is enough.",
            "Stop all but one of them; one that was killed is forgotten after"
            f" {get_state(app).settings.lease_seconds:g} s.",
        )
    return ok(f"{names}, seen {_ago(recent[0].silent)}.")


def launcher(app: Flask) -> Answer:
    """Whether a launcher acts on beat's ticks."""
    with _session(app) as session:
        ticked = health.beat_lag(session).ticked
    if ticked is not None and ticked <= _patience(get_state(app).settings):
        return ok(f"A launcher looked for due slots {_ago(ticked)}.")
    return problem(
        "No launcher has ever looked for due slots."
        if ticked is None
        else f"No launcher looks for due slots: the last one did so {_ago(ticked)}.",
        "celery -A <your module> worker -Q taskadmin.launch -P solo",
    )


def workers(app: Flask) -> Answer:
    """Whether somebody executes runs."""
    lease = timedelta(seconds=get_state(app).settings.lease_seconds)
    with _session(app) as session:
        found = _of_kind(health.living(session), ProcessKind.WORKER)
    recent = [one for one in found if one.silent <= lease]
    if not recent:
        return problem(
            "No worker executes runs."
            if not found
            else f"No worker executes runs: {found[0].name} was last seen {_ago(found[0].silent)}.",
            "celery -A <your module> worker -Q taskadmin.runs",
        )
    names = ", ".join(one.name for one in recent[:5])
    more = f" and {len(recent) - 5} more" if len(recent) > 5 else ""
    return ok(f"{len(recent)} worker{'' if len(recent) == 1 else 's'}: {names}{more}.")


def missed_slots(app: Flask) -> Answer:
    """Whether slots passed lately in which nothing was launched."""
    with _session(app) as session:
        found = health.missed_slots(session, since=_DAY)
    if not found:
        return ok("None in the last 24 hours.")
    return warning(
        f"{_some(found, 'slot')} of the last 24 hours went by without a launch.",
        'Keep beat and a launcher running; TASKADMIN_MISSED_SLOTS = "run_once" launches late.',
    )


def stuck_runs(app: Flask) -> Answer:
    """Whether runs wait, or launches are under way, for longer than they should."""
    patience = _stuck_after(get_state(app).settings)
    with _session(app) as session:
        runs = health.stuck_runs(session, older_than=patience)
        launches = health.stuck_launches(session, older_than=patience)
    longer = f"for more than {humanize.naturaldelta(patience)}"
    if not runs and not launches:
        return ok(f"Nothing waits {longer}.")
    found = [
        f"{_some(runs, 'run')} waited for a worker {longer}." if runs else "",
        f"{_some(launches, 'launch', 'launches')} under way {longer}." if launches else "",
    ]
    fixes = [
        "Start more workers: celery -A <your module> worker -Q taskadmin.runs" if runs else "",
        "See the launcher's log for why it doesn't get on." if launches else "",
    ]
    return warning(" ".join(filter(None, found)), "\n".join(filter(None, fixes)))


def table_growth(app: Flask) -> Answer:
    """Whether results go as they should."""
    settings = get_state(app).settings
    with _session(app) as session:
        size = health.results_size(session)
        oldest = health.prunable_for(session)
    about = "about " if size.estimated else ""
    found = f"{about}{size.rows:,} results, {humanize.naturalsize(size.size_bytes, binary=True)}"
    found = found[0].upper() + found[1:]
    retention = timedelta(days=settings.result_retention_days)
    if retention and oldest is not None and oldest > retention + _DAY:
        return warning(
            f"{found}; the oldest launch was over {_ago(oldest)}, though results go after"
            f" {settings.result_retention_days:g} days: nobody prunes, or not fast enough.",
            "Keep beat and a launcher running: they prune;"
            " or keep fewer results: TASKADMIN_RESULTS_PER_TASK",
        )
    if not retention and not settings.results_per_task and size.rows > _MANY_RESULTS:
        return warning(
            f"{found}, and none is ever deleted.",
            "TASKADMIN_RESULT_RETENTION_DAYS = 30, or TASKADMIN_RESULTS_PER_TASK = 1000",
        )
    return ok(found + ".")


def _patience(settings: Settings) -> timedelta:
    """After how long a beat or a launcher that isn't heard of is missing."""
    return timedelta(seconds=max(3 * settings.tick_seconds, 15.0))


def _stuck_after(settings: Settings) -> timedelta:
    # A run of a job whose start isn't recorded stays queued while it is executed.
    unseen = [job.time_limit for job in all_jobs().values() if not job.record_start]
    return timedelta(seconds=max(600.0, 2 * settings.republish_after_seconds, *unseen))


def _of_kind(found: Sequence[Living], kind: ProcessKind) -> list[Living]:
    return [one for one in found if one.kind == kind]


def _some(number: int, one: str, more: str | None = None) -> str:
    if number >= health.COUNTED:
        return f"{number:,} or more {more or one + 's'}"
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _ago(lag: timedelta) -> str:
    seconds = lag.total_seconds()
    return f"{seconds:.0f} s ago" if seconds < 100 else f"{humanize.naturaldelta(lag)} ago"
