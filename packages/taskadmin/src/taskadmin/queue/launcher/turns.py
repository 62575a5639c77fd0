"""A turn of the launcher, which one of beat's messages starts.

Turns may overlap, be repeated or be killed anywhere: each launch belongs to one turn at a time, and
the next turn continues where the last one stopped. A turn ends after some seconds even with work
left, so that the launcher's connection to the broker stays alive, and requests the next one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from celery import Celery
from sqlalchemy.orm import Session

from ...errors import BrokerUnavailable
from ...settings import Settings
from ...store.upkeep import ledger_state
from ..publishing.publisher import Publisher
from .notifying import notify
from .step_errors import StepErrors
from .steps.closing import close_launches
from .steps.gone_processes import take_runs_back
from .steps.housekeeping import run_housekeeping
from .steps.launching import launch
from .steps.lost_messages import republish_lost
from .steps.missed_slots import record_missed
from .steps.next_turn import request_next_turn
from .steps.opening import open_slot
from .steps.ownership import release_launches, take_launches
from .steps.resuming import resume
from .steps.waiting_runs import send_waiting
from .turn_context import TurnContext, TurnReport

log = logging.getLogger("taskadmin.launcher")

#: Seconds after which a turn starts no new page: well below the broker's heartbeat.
TURN_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class TurnStep:
    """A step of a turn; an error in one doesn't stop the others."""

    #: Description for "The launcher could not …".
    what: str
    do: Callable[[TurnContext], None]
    #: Whether this turn executes it.
    when: Callable[[TurnContext], bool] = lambda _: True


def count(turn: TurnContext) -> None:
    """Add the turn's counts to the counters of all turns."""
    report = turn.report
    ledger_state.increase_counters(
        turn.session,
        resumed=report.resumed,
        taken_back=report.taken_back,
        republished=report.republished,
        given_up=report.given_up,
        missed=report.missed,
        pruned=report.pruned,
    )


#: In order. After a failure of the broker, the turn skips the steps that need it.
TURN_STEPS = (
    TurnStep("record missed slots", record_missed),
    TurnStep("take runs back from gone processes", take_runs_back),
    TurnStep("resume tasks and release waiting runs", resume),
    TurnStep("open the slot that is due", open_slot),
    TurnStep("look for events", notify),
    TurnStep("take launches without an owner", take_launches),
    TurnStep("advance launches", launch),
    TurnStep("send runs that are due again", send_waiting, lambda turn: not turn.is_broker_down),
    TurnStep("look for lost messages", republish_lost, lambda turn: not turn.is_broker_down),
    TurnStep("release launches", release_launches),
    TurnStep("close launches", close_launches),
    TurnStep("request the next turn", request_next_turn, lambda turn: turn.is_unfinished),
    TurnStep("prune", run_housekeeping, lambda turn: not turn.is_unfinished and turn.has_time()),
    TurnStep("update the counters", count),
)


def run_turn(
    session: Session,
    celery: Celery,
    settings: Settings,
    *,
    stopping: Callable[[], bool] = lambda: False,
    note_missing_right: Callable[[str], None] = lambda _: None,
) -> TurnReport:
    """Do everything that is due. Idempotent.

    Args:
        stopping: Whether this process was told to stop: the turn then ends soon.
        note_missing_right: Called with the database's error about a missing right.
    """
    deadline = time.monotonic() + TURN_SECONDS
    watch = ledger_state.begin_turn(
        session,
        lease=timedelta(seconds=settings.lease_seconds),
        tick=timedelta(seconds=settings.tick_seconds),
    )
    with Publisher(celery, timeout_seconds=settings.publish_timeout_seconds) as publisher:
        turn = TurnContext(
            session=session,
            settings=settings,
            publisher=publisher,
            watch=watch,
            owner=uuid4(),
            errors=StepErrors(session, note_missing_right),
            has_time=lambda: time.monotonic() < deadline and not stopping(),
        )
        try:
            for step in TURN_STEPS:
                _take(step, turn)
        except Exception:
            release_launches(turn)
            raise
    turn.errors.raise_first()
    turn.report.lacks_right = turn.errors.lacks_right
    turn.report.is_broker_down = turn.is_broker_down
    return turn.report


def _take(step: TurnStep, turn: TurnContext) -> None:
    if not step.when(turn):
        return
    try:
        with turn.errors.collect(step.what):
            step.do(turn)
    except BrokerUnavailable as error:
        # The rows are committed; the next turn sends them.
        log.warning("Launches %s wait for the broker: %s", turn.launch_ids, error)
        turn.is_broker_down = True
