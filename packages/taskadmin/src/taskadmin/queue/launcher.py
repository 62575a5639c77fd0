"""The launcher: opens the slot that is due, queues its runs page by page, and sends them.

One turn is what a beat message starts. Turns may overlap, repeat or be killed
anywhere: each launch belongs to one turn at a time, and the next turn goes on
where the last one stopped. A turn ends after some seconds even when work is left,
so that the launcher answers its broker, and asks for the next one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from celery import Celery
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..jobs import all_jobs
from ..settings import Settings
from ..store import closing, launches, ledger_state
from ..store.due import launch_due
from ..store.launches import LaunchLost, Page
from ..store.ledger_state import Watch
from ..store.missed import MissedSlots, record_missed_slots
from ..store.overlap import release_waiting
from ..store.pauses import resume_due
from .attempts import Attempts
from .housekeeping import keep_house
from .publisher import Publisher, send_batch, send_queued
from .reconciler import SentAgain, send_again, take_back_runs

log = logging.getLogger("taskadmin.launcher")

#: Seconds after which a turn begins no new page: well below the broker's heartbeat.
TURN_SECONDS = 8.0


@dataclass(slots=True)
class Turn:
    """What one turn did."""

    opened: int = 0
    #: Tasks with schedules of their own that were due.
    due: int = 0
    #: Pauses that were over.
    resumed_tasks: int = 0
    resumed: int = 0
    sent: int = 0
    finished: int = 0
    closed: int = 0
    missed: int = 0
    taken_back: int = 0
    republished: int = 0
    given_up: int = 0
    pruned: int = 0
    #: Launches that this turn owns.
    mine: list[int] = field(default_factory=list)


def run_turn(
    session: Session,
    celery: Celery,
    settings: Settings,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Turn:
    """Do what is due now. Idempotent: what is done already isn't done again.

    Args:
        stopping: Whether this process was told to end: the turn then ends, too, soon.
    """
    turn, owner = Turn(), uuid4()
    deadline = time.monotonic() + TURN_SECONDS

    def go_on() -> bool:
        return time.monotonic() < deadline and not stopping()

    watch = ledger_state.begin_turn(
        session,
        lease=timedelta(seconds=settings.lease_seconds),
        tick=timedelta(seconds=settings.tick_seconds),
    )
    attempts, again = Attempts(session), SentAgain()
    with attempts("record missed slots"):
        _record_missed(session, settings, turn)
    with attempts("take runs back from processes that are gone"):
        back = take_back_runs(session, settings, watch)
        turn.taken_back, turn.given_up = back.queued, back.failed
    waits = False
    with Publisher(
        celery,
        timeout_seconds=settings.publish_timeout_seconds,
        runs_per_message=settings.runs_per_message,
    ) as publisher:
        try:
            _launch(session, settings, publisher, watch, owner, turn, attempts, go_on)
            send_again(session, settings, publisher, watch, again, attempts=attempts, go_on=go_on)
        except BrokerUnavailable as error:
            # The rows are committed; whoever has the next turn sends them.
            log.warning("Launches %s wait for the broker: %s", turn.mine, error)
            waits = True
        except Exception:
            _release(session, owner, turn)
            raise
        unfinished = bool(turn.mine) and not waits
        _release(session, owner, turn)
        turn.republished += again.sent
        turn.given_up += again.given_up
        with attempts("close launches"):
            turn.closed = closing.close_finished(session)
        if unfinished:
            _ask_for_another(publisher)
    if not unfinished and go_on():
        with attempts("prune"):
            turn.pruned = keep_house(session, settings, watch)
    ledger_state.count(
        session,
        resumed=turn.resumed,
        taken_back=turn.taken_back,
        republished=turn.republished,
        given_up=turn.given_up,
        missed=turn.missed,
        pruned=turn.pruned,
    )
    attempts.raise_first()
    return turn


def _record_missed(session: Session, settings: Settings, turn: Turn) -> None:
    recorded = record_missed_slots(
        session,
        settings.launch_interval_seconds,
        policy=MissedSlots(settings.missed_slots),
        grace=timedelta(seconds=settings.missed_slot_grace_seconds),
    )
    turn.missed = recorded.missed
    if recorded.missed or recorded.late:
        log.warning(
            "Nothing launched for a while: %d slots are recorded as missed, %d are launched late",
            recorded.missed,
            recorded.late,
        )


def _launch(
    session: Session,
    settings: Settings,
    publisher: Publisher,
    watch: Watch,
    owner: UUID,
    turn: Turn,
    attempts: Attempts,
    go_on: Callable[[], bool],
) -> None:
    """Take what is open and bring it forward page by page, each launch in its turn."""
    ownership = timedelta(seconds=settings.ownership_seconds)
    with attempts("resume tasks and let runs go on that waited"):
        turn.resumed_tasks = resume_due(session)
        release_waiting(session)
    with attempts("open the slot that is due"):
        opened = launches.open_slot(session, settings.launch_interval_seconds)
        if opened is not None:
            turn.opened += 1
            log.info("Launch %d opened", opened, extra={"launch_id": opened})
    for found in launches.resumable(session):
        if launches.take(session, found.id, owner, ownership):
            turn.mine.append(found.id)
            if found.abandoned:
                turn.resumed += 1
                log.warning(
                    "Launch %d was left by its launcher; this one goes on",
                    found.id,
                    extra={"launch_id": found.id},
                )
    due = True
    while go_on():
        if due:
            due = False
            with attempts("launch tasks with schedules of their own"):
                due = _launch_due(session, settings, watch, owner, turn)
        if not (turn.mine or due):
            break
        for launch_id in list(turn.mine):
            if not go_on():
                break
            done = failed = True
            with attempts(f"bring launch {launch_id} forward"):
                done = _or_lost(session, settings, publisher, launch_id, owner, turn)
                failed = False
            if done:
                turn.mine.remove(launch_id)
            if failed:  # the next turn tries it again
                with attempts(f"give launch {launch_id} back"):
                    launches.release(session, launch_id, owner)


def _launch_due(
    session: Session, settings: Settings, watch: Watch, owner: UUID, turn: Turn
) -> bool:
    """Launch the tasks that are longest due; True if more may be."""
    launched = launch_due(
        session,
        owner=owner,
        jobs=all_jobs(),
        since=watch.since,
        slot_interval_s=settings.launch_interval_seconds,
        ownership=timedelta(seconds=settings.ownership_seconds),
    )
    if launched is None:
        return False
    turn.due += launched.tasks
    if launched.launch_id is not None:
        turn.mine.append(launched.launch_id)
        log.info(
            "Launch %d opened for %d tasks that are due: %d runs queued, %d skipped",
            *launched,
            extra={"launch_id": launched.launch_id},
        )
    return True


def _or_lost(
    session: Session,
    settings: Settings,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    turn: Turn,
) -> bool:
    """Bring a launch forward; True also when it isn't this turn's any more."""
    try:
        return _bring_forward(session, settings, publisher, launch_id, owner, turn)
    except LaunchLost:
        log.warning(
            "Launch %d was taken over by another launcher",
            launch_id,
            extra={"launch_id": launch_id},
        )
        return True


def _bring_forward(
    session: Session,
    settings: Settings,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    turn: Turn,
) -> bool:
    """Send a batch of what is queued while a page is queued; True when the launch is published."""
    ownership = timedelta(seconds=settings.ownership_seconds)
    page: Page | None = None

    def queue_page() -> None:
        nonlocal page
        page = launches.queue_page(
            session,
            launch_id,
            owner,
            page_size=settings.page_size,
            jobs=all_jobs(),
            ownership=ownership,
        )

    sent = send_batch(
        session, publisher, launch_id, owner, ownership=ownership, meanwhile=queue_page
    )
    turn.sent += sent.runs
    assert page is not None  # send_batch has called it
    if sent.more or page.runs or page.more:
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


def _release(session: Session, owner: UUID, turn: Turn) -> None:
    """Give the launches of this turn back, so that the next one goes on at once."""
    try:
        for launch_id in turn.mine:
            launches.release(session, launch_id, owner)
    except SQLAlchemyError as error:
        # They are free when the ownership runs out.
        log.warning("Launches %s could not be given back: %s", turn.mine, error)


def _ask_for_another(publisher: Publisher) -> None:
    try:
        publisher.send_tick()
    except BrokerUnavailable as error:
        log.warning("The next tick goes on: %s", error)


def publish_launch(
    session: Session,
    celery: Celery,
    settings: Settings,
    launch_id: int,
    owner: UUID,
    *,
    seconds: float | None = None,
) -> int:
    """Send the runs of a committed launch that *owner* owns, and return how many.

    Args:
        seconds: When to stop at the latest; a launcher then sends the rest.

    Raises:
        BrokerUnavailable: If the broker didn't take them; the launch is still *owner*'s.
        LaunchLost: If it isn't *owner*'s any more.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    timeout = settings.publish_timeout_seconds
    with Publisher(celery, timeout_seconds=timeout, deadline=deadline) as publisher:
        sent, all_of_them = send_queued(
            session, publisher, launch_id, owner, go_on=lambda: time.monotonic() < deadline
        )
    if all_of_them:
        launches.finish_launch(session, launch_id, owner)
    else:
        launches.release(session, launch_id, owner)
    log.info("Launch %d sent by hand: %d runs", launch_id, sent, extra={"launch_id": launch_id})
    return sent
