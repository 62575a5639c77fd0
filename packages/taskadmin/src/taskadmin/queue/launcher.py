"""The launcher: opens the slot that is due, queues its runs page by page, and sends them.

One turn is what a beat message starts. Turns may overlap, repeat or be killed
anywhere: each launch belongs to one turn at a time, and the next turn goes on
where the last one stopped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID, uuid4

from celery import Celery
from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..settings import Settings
from ..store import launches
from ..store.launches import LaunchLost
from .publisher import Publisher, open_publisher, send_queued

log = logging.getLogger("taskadmin.launcher")


@dataclass(slots=True)
class Turn:
    """What one turn did."""

    opened: int = 0
    sent: int = 0
    finished: int = 0
    closed: int = 0


def run_turn(session: Session, celery: Celery, settings: Settings) -> Turn:
    """Do what is due now. Idempotent: a turn with nothing to do writes nothing."""
    turn, owner = Turn(), uuid4()
    mine: list[int] = []
    try:
        _work(session, celery, settings, owner, mine, turn)
    except BrokerUnavailable as error:
        # The rows are committed; whoever has the next turn sends them.
        log.warning("Launches %s wait for the broker: %s", mine, error)
        for launch_id in mine:
            launches.release(session, launch_id, owner)
    turn.closed = launches.close_finished(session)
    return turn


def _work(
    session: Session,
    celery: Celery,
    settings: Settings,
    owner: UUID,
    mine: list[int],
    turn: Turn,
) -> None:
    """Take what is open and bring it forward page by page until nothing is left.

    *mine* holds the launches this turn owns. Each round gives every one of them a page and
    looks for a slot that came due meanwhile, so that a long launch starves none.
    """
    _take_open_launches(session, settings, owner, mine, turn)
    if not mine:
        return
    with open_publisher(celery, timeout_seconds=settings.publish_timeout_seconds) as publisher:
        while mine:
            for launch_id in list(mine):
                try:
                    done = _bring_forward(session, settings, publisher, launch_id, owner, turn)
                except LaunchLost:
                    log.warning(
                        "Launch %d was taken over by another launcher",
                        launch_id,
                        extra={"launch_id": launch_id},
                    )
                    done = True
                if done:
                    mine.remove(launch_id)
            _take_open_launches(session, settings, owner, mine, turn)


def _take_open_launches(
    session: Session, settings: Settings, owner: UUID, mine: list[int], turn: Turn
) -> None:
    """Open the slot that is due and add every launch that nobody works on to *mine*."""
    opened = launches.open_slot(session, settings.launch_interval_seconds)
    if opened is not None:
        turn.opened += 1
        log.info("Launch %d opened", opened, extra={"launch_id": opened})
    mine += [id_ for id_ in launches.resumable(session) if launches.take(session, id_, owner)]


def _bring_forward(
    session: Session,
    settings: Settings,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    turn: Turn,
) -> bool:
    """Send what is queued, queue one page, send it; True when the launch is published."""
    turn.sent += send_queued(session, publisher, launch_id, owner)
    page = launches.queue_page(
        session, launch_id, owner, page_size=settings.page_size, jobs=all_jobs()
    )
    turn.sent += send_queued(session, publisher, launch_id, owner)
    if page.more:
        return False
    launch = launches.finish_launch(session, launch_id, owner)
    turn.finished += 1
    log.info(
        "Launch %d published: %d runs queued, %d skipped",
        launch_id,
        launch.queued,
        launch.skipped,
        extra={"launch_id": launch_id},
    )
    return True


def publish_launch(
    session: Session, celery: Celery, settings: Settings, launch_id: int, owner: UUID
) -> int:
    """Send the runs of a committed launch that *owner* owns, finish it, and return how many.

    Raises:
        BrokerUnavailable: If the broker didn't take them; the launch is still *owner*'s.
        LaunchLost: If it isn't *owner*'s any more.
    """
    with open_publisher(celery, timeout_seconds=settings.publish_timeout_seconds) as publisher:
        sent = send_queued(session, publisher, launch_id, owner)
    launches.finish_launch(session, launch_id, owner)
    log.info("Launch %d sent by hand: %d runs", launch_id, sent, extra={"launch_id": launch_id})
    return sent
