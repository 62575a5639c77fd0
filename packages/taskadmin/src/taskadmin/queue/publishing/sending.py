"""Publish committed runs of launches, and record what was sent."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from celery import Celery
from sqlalchemy.orm import Session

from ...errors import BrokerUnavailable
from ...settings import Settings
from ...store.launches import launches
from ...store.runs.results import UnsentRun
from ...store.upkeep import recovery
from .chunk_sizes import chunk_sizes
from .publisher import Publisher

log = logging.getLogger("taskadmin.launcher")


def postpone_refused(session: Session, publisher: Publisher, runs: Sequence[UnsentRun]) -> int:
    """Postpone runs whose queue is refused, and return how many; the reconciler sends them."""
    waiting = [run.id for run in runs if run.queue in publisher.refused]
    recovery.postpone(session, waiting)
    return len(waiting)


def send_again(
    session: Session,
    publisher: Publisher,
    runs: Sequence[UnsentRun],
    sizes: Mapping[str, int] = MappingProxyType({}),
) -> int:
    """Publish runs again, record those that were confirmed, and return how many.

    Args:
        sizes: Number of runs per message, by job; one for other jobs.

    Raises:
        BrokerUnavailable: If the broker didn't confirm all; the confirmed ones are recorded.
    """
    try:
        publisher.start(runs, sizes, launches.traces_of(session, runs))
        publisher.finish()
    except BrokerUnavailable:
        _record_sent_again(session, publisher, runs)
        raise
    return _record_sent_again(session, publisher, runs)


def _record_sent_again(session: Session, publisher: Publisher, runs: Sequence[UnsentRun]) -> int:
    handled = runs[: publisher.handled]
    postpone_refused(session, publisher, handled)
    sent = [run.id for run in handled if run.queue not in publisher.refused]
    if sent:
        recovery.note_sent(session, sent)
    return len(sent)


class Sent(NamedTuple):
    """The result of one batch."""

    #: Number of confirmed runs; those with a refused queue wait.
    runs: int
    #: Whether runs of the batch or of the launch may be left.
    more: bool


def start_batch(
    session: Session, publisher: Publisher, launch_id: int, owner: UUID
) -> Sequence[UnsentRun]:
    """Publish the first queued runs behind the launch's cursor, ``MAX_UNRECORDED_RUNS`` at most.

    ``finish_batch`` waits for the confirms and moves the cursor.

    Raises:
        BrokerUnavailable: If the broker didn't accept all; the confirmed ones are recorded.
        LaunchLost: If *owner* no longer owns the launch.
    """
    runs = launches.unsent_runs(session, launch_id, limit=launches.MAX_UNRECORDED_RUNS)
    try:
        publisher.start(runs, chunk_sizes(session, runs), launches.traces_of(session, runs))
    except BrokerUnavailable:
        _record(session, publisher, launch_id, owner, runs)
        raise
    return runs


def finish_batch(
    session: Session,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    runs: Sequence[UnsentRun],
    *,
    ownership: timedelta = launches.OWNERSHIP,
) -> Sent:
    """Wait for the confirms of ``start_batch``, and record what was sent.

    Raises:
        BrokerUnavailable: If the broker didn't confirm all; the confirmed ones are recorded.
        LaunchLost: If *owner* no longer owns the launch.
    """
    try:
        publisher.finish()
    except BrokerUnavailable:
        _record(session, publisher, launch_id, owner, runs)
        raise
    sent = _record(session, publisher, launch_id, owner, runs, ownership)
    return Sent(sent, publisher.handled < len(runs) or len(runs) == launches.MAX_UNRECORDED_RUNS)


def _record(
    session: Session,
    publisher: Publisher,
    launch_id: int,
    owner: UUID,
    runs: Sequence[UnsentRun],
    ownership: timedelta = launches.OWNERSHIP,
) -> int:
    handled = runs[: publisher.handled]
    if not handled:
        return 0
    # First, so that the cursor passes no run that would never be sent.
    postponed = postpone_refused(session, publisher, handled)
    launches.mark_sent(session, launch_id, owner, handled[-1].id, ownership)
    return len(handled) - postponed


def publish_launch(
    session: Session,
    celery: Celery,
    settings: Settings,
    launch_id: int,
    owner: UUID,
    *,
    seconds: float | None = None,
) -> int:
    """Publish the runs of a committed launch of *owner*, and return how many.

    Runs with a refused queue wait.

    Args:
        seconds: When to stop; a launcher then sends the remaining runs.

    Raises:
        BrokerUnavailable: If the broker didn't accept all; *owner* still owns the launch.
        LaunchLost: If *owner* no longer owns the launch.
    """
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    timeout = settings.publish_timeout_seconds
    number, is_left = 0, True
    with Publisher(celery, timeout_seconds=timeout, deadline=deadline) as publisher:
        while is_left and time.monotonic() < deadline:
            runs = start_batch(session, publisher, launch_id, owner)
            sent = finish_batch(session, publisher, launch_id, owner, runs)
            number += sent.runs
            is_left = sent.more
            if publisher.handled < launches.MAX_UNRECORDED_RUNS:
                break
    if is_left:
        launches.release(session, launch_id, owner)
    else:
        launches.finish_launch(session, launch_id, owner)
    log.info(
        "Manual launch %d published: %d runs", launch_id, number, extra={"launch_id": launch_id}
    )
    return number
