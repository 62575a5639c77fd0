"""Launch due tasks, and queue and publish the runs of each launch page by page."""

from __future__ import annotations

import logging
from datetime import timedelta

from ....jobs import all_jobs
from ....store.launches import launches
from ....store.launches.due import launch_due
from ....store.launches.launches import LaunchLost
from ...publishing.sending import finish_batch, start_batch
from ..turn_context import TurnContext

log = logging.getLogger("taskadmin.launcher")


def launch(turn: TurnContext) -> None:
    """Advance this turn's launches, alternating between their pages and due tasks."""
    due = True
    while turn.has_time():
        if due:
            due = False
            with turn.errors.collect("launch tasks with their own schedules"):
                due = _launch_due(turn)
        if not (turn.launch_ids or due):
            break
        for launch_id in list(turn.launch_ids):
            if not turn.has_time():
                break
            done = failed = True
            with turn.errors.collect(f"advance launch {launch_id}"):
                done = _advance_owned(turn, launch_id)
                failed = False
            if done:
                turn.launch_ids.remove(launch_id)
            if failed:  # the next turn retries it
                with turn.errors.collect(f"release launch {launch_id}"):
                    launches.release(turn.session, launch_id, turn.owner)


def _launch_due(turn: TurnContext) -> bool:
    """Launch the longest due tasks; return True if there may be more."""
    launched = launch_due(
        turn.session,
        owner=turn.owner,
        jobs=all_jobs(),
        since=turn.watch.since,
        slot_interval_seconds=turn.settings.launch_interval_seconds,
        ownership=timedelta(seconds=turn.settings.ownership_seconds),
    )
    if launched is None:
        return False
    turn.report.due += launched.tasks
    if launched.launch_id is not None:
        turn.launch_ids.append(launched.launch_id)
        log.info(
            "Launch %d opened for %d due tasks: %d runs queued, %d skipped",
            *launched,
            extra={"launch_id": launched.launch_id},
        )
    return True


def _advance_owned(turn: TurnContext, launch_id: int) -> bool:
    """Advance a launch; return True if it is published or another launcher's."""
    try:
        return _advance(turn, launch_id)
    except LaunchLost:
        log.warning(
            "Launch %d was taken over by another launcher",
            launch_id,
            extra={"launch_id": launch_id},
        )
        return True


def _advance(turn: TurnContext, launch_id: int) -> bool:
    """Queue a page while the broker confirms the one before; return True once published."""
    session, publisher, owner = turn.session, turn.publisher, turn.owner
    ownership = timedelta(seconds=turn.settings.ownership_seconds)
    runs = start_batch(session, publisher, launch_id, owner)
    try:
        page = launches.queue_page(
            session,
            launch_id,
            owner,
            page_size=turn.settings.page_size,
            jobs=all_jobs(),
            ownership=ownership,
        )
    except Exception:
        # Record what was sent even if inserting the next page fails.
        finish_batch(session, publisher, launch_id, owner, runs, ownership=ownership)
        raise
    sent = finish_batch(session, publisher, launch_id, owner, runs, ownership=ownership)
    turn.report.sent += sent.runs
    if sent.more or page.runs or page.more:
        return False
    counts = launches.finish_launch(session, launch_id, owner)
    turn.report.finished += 1
    log.info(
        "Launch %d published: %d runs queued, %d skipped",
        launch_id,
        counts.queued,
        counts.skipped,
        extra={"launch_id": launch_id},
    )
    return True
