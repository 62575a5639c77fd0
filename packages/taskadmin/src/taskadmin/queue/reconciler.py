"""The reconciler: on every tick it finds what broke, and gives it back.

What it may conclude, and from what, is the ledger's protocol: a process is gone
when it was silent for a lease and somebody watched all the time; a message is lost
when its queue shows none and its run is old enough. A long backlog is neither.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..settings import Settings
from ..store import processes, recovery
from ..store.clock import now
from ..store.ledger_state import Watch
from ..store.recovery import TakenBack
from ..store.results import UnsentRun
from .attempts import Attempts
from .publisher import BATCH, Publisher, set_aside

log = logging.getLogger("taskadmin.reconciler")


#: In a queue that never gets empty: from the first sending to the second.
_BACKLOG = timedelta(minutes=10)


@dataclass(slots=True)
class SentAgain:
    """How many runs were sent once more, and how many were given up."""

    sent: int = 0
    given_up: int = 0


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
    session: Session,
    settings: Settings,
    publisher: Publisher,
    watch: Watch,
    done: SentAgain,
    *,
    attempts: Attempts,
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """R2 and R3: send runs whose wait is over, and runs that are known to have no message.

    Args:
        done: What was done is added to it, whatever is raised.
        go_on: Asked before each queue and each batch; the next turn does the rest.

    Raises:
        BrokerUnavailable: If the broker can't be reached.
    """
    with attempts("send runs whose wait is over"):
        _send(session, publisher, recovery.waiting_runs(session), done, go_on)
    for queue in sorted({job.queue for job in all_jobs().values()}):
        if not go_on():
            return
        with attempts(f"look for lost messages in {queue}"):
            found = _unheard(session, settings, publisher, watch, queue)
            if found.again:
                log.warning(
                    "%d runs in %s have no message and are sent again", len(found.again), queue
                )
            _send(session, publisher, found.again, done, go_on)
            gone = recovery.give_up(session, found.given_up)
            done.given_up += gone
            if gone:
                log.error("%d runs were never claimed and are failed", gone)


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


def _send(
    session: Session,
    publisher: Publisher,
    runs: Sequence[UnsentRun],
    done: SentAgain,
    go_on: Callable[[], bool],
) -> None:
    for first in range(0, len(runs), BATCH):
        if not go_on():
            return
        batch = runs[first : first + BATCH]
        try:
            # Alone: whatever kept it from being done must not keep its neighbours from it again.
            publisher.send(batch, alone=True)
        except BrokerUnavailable:
            _note(session, publisher, batch[: publisher.handled], done)
            raise
        _note(session, publisher, batch[: publisher.handled], done)


def _note(
    session: Session, publisher: Publisher, handled: Sequence[UnsentRun], done: SentAgain
) -> None:
    set_aside(session, publisher, handled)
    sent = [run.id for run in handled if run.queue not in publisher.refused]
    if sent:
        recovery.note_sent(session, sent)
    done.sent += len(sent)
