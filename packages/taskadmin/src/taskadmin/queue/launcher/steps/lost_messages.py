"""R3: send runs again whose messages were lost.

A message counts as lost if its queue shows none and its run is old enough, during which launchers
watched without a gap. A long backlog isn't a loss.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from ....jobs import all_jobs
from ....store.database.clock import now
from ....store.upkeep import recovery
from ...executor.execution import MESSAGE_SECONDS
from ..turn_context import TurnContext
from .waiting_runs import send_again

log = logging.getLogger("taskadmin.reconciler")

#: Minimum time between the first publish and the second, in a queue that is never empty.
_BACKLOG_WAIT = timedelta(minutes=10)


def republish_lost(turn: TurnContext) -> None:
    """Send them again, queue by queue, or fail those that were sent too often.

    Raises:
        BrokerUnavailable: If the broker is unreachable.
    """
    for queue in sorted({job.queue for job in all_jobs().values()}):
        if not turn.has_time():
            return
        with turn.errors.collect(f"look for lost messages in {queue}"):
            lost = _runs_to_republish(turn, queue)
            number = len(lost.first) + len(lost.again)
            if number:
                log.warning("Sending %d runs in %s again, whose messages were lost", number, queue)
            send_again(turn, lost.first, alone=False)
            send_again(turn, lost.again)
            gone = recovery.give_up(turn.session, lost.given_up)
            turn.report.given_up += gone
            if gone:
                log.error("Failed %d runs that were never claimed", gone)


def _runs_to_republish(turn: TurnContext, queue: str) -> recovery.RunsToRepublish:
    # Read before asking the broker: messages confirmed before this time were in the queue.
    moment = now(turn.session)
    after = timedelta(seconds=turn.settings.republish_after_seconds)
    oldest = recovery.oldest_publish(turn.session, queue)
    if oldest is None or oldest > moment - after:
        return recovery.RunsToRepublish()
    if moment - turn.watch.since < after:
        # No launcher watched long enough: workers may have prefetched many messages.
        return recovery.RunsToRepublish()
    if turn.publisher.ready(queue):
        if not turn.watch.new_minute:
            return recovery.RunsToRepublish()
        # A message may be among the waiting ones: a backlog isn't a loss.
        after = _BACKLOG_WAIT
    # A run of a job that doesn't record its start may be running for the job's time limit, and may
    # have waited before that for others in its message.
    unclaimed = {
        job.name: max(after, timedelta(seconds=job.time_limit + MESSAGE_SECONDS))
        for job in all_jobs().values()
        if not job.record_start
    }
    return recovery.runs_to_republish(turn.session, queue, moment, after=after, unclaimed=unclaimed)
