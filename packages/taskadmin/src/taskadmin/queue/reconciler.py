"""The reconciler: on every tick it finds what broke, and gives it back.

What it may conclude, and from what, is the ledger's protocol: a process is gone
when it was silent for a lease and somebody watched all the time; a message is lost
when its queue shows none and its run is old enough. A long backlog is neither.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from ..jobs import all_jobs
from ..settings import Settings
from ..store import processes, recovery
from ..store.clock import now
from ..store.ledger_state import Watch
from ..store.recovery import TakenBack
from ..store.results import UnsentRun
from .publisher import BATCH, Publisher

log = logging.getLogger("taskadmin.reconciler")


#: In a queue that never gets empty: from the first sending to the second.
_BACKLOG = timedelta(minutes=10)


class SentAgain(NamedTuple):
    """How many runs were sent once more, and how many were given up."""

    sent: int
    given_up: int


def take_back_runs(session: Session, settings: Settings, watch: Watch) -> TakenBack:
    """R1: queue the runs of processes that are gone again, or fail them if that happened too often."""
    if watch.whole_lease:
        gone = processes.expire(session, timedelta(seconds=settings.lease_seconds))
        if gone:
            log.warning("%d processes haven't been heard of and are taken for gone", gone)
    back = recovery.take_back(session, lost_attempts=settings.lost_attempts)
    if back.queued or back.failed:
        log.warning(
            "Processes are gone: %d of their runs are queued again, %d failed for good",
            back.queued,
            back.failed,
        )
    return back


def send_again(
    session: Session, settings: Settings, publisher: Publisher, watch: Watch
) -> SentAgain:
    """R2 and R3: send runs whose wait is over, and runs that are known to have no message.

    Raises:
        BrokerUnavailable: If the broker can't be reached.
    """
    sent = _send(session, publisher, recovery.waiting_runs(session))
    given_up = 0
    for queue in sorted({job.queue for job in all_jobs().values()}):
        found = _unheard(session, settings, publisher, watch, queue)
        if found.again:
            log.warning("%d runs in %s have no message and are sent again", len(found.again), queue)
        sent += _send(session, publisher, found.again)
        gone = recovery.give_up(session, found.given_up)
        if gone:
            log.error("%d runs were never claimed and are failed", gone)
        given_up += gone
    return SentAgain(sent, given_up)


def _unheard(
    session: Session, settings: Settings, publisher: Publisher, watch: Watch, queue: str
) -> recovery.Unheard:
    # Read before the broker is asked: what was confirmed before this moment was in the queue.
    moment = now(session)
    after = timedelta(seconds=settings.republish_after_seconds)
    oldest = recovery.oldest_sending(session, queue)
    if oldest is None or oldest > moment - after:
        return recovery.Unheard((), ())
    if publisher.ready(queue):
        if not watch.new_minute:
            return recovery.Unheard((), ())
        # Nothing shows whether a message is among those that wait: a backlog is not a loss.
        return recovery.unheard_runs(session, queue, moment, after=_BACKLOG)
    # A run whose start isn't recorded may be under way as long as its job's time limit.
    unclaimed = {
        job.name: max(after, timedelta(seconds=job.time_limit))
        for job in all_jobs().values()
        if not job.record_start
    }
    return recovery.unheard_runs(session, queue, moment, after=after, unclaimed=unclaimed)


def _send(session: Session, publisher: Publisher, runs: Sequence[UnsentRun]) -> int:
    for first in range(0, len(runs), BATCH):
        batch = runs[first : first + BATCH]
        publisher.send(batch)
        recovery.note_sent(session, [run.id for run in batch])
    return len(runs)
