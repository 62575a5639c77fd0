"""R6: prune rows that are too old or too many, and count minutes, a little in each turn."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ....settings import Settings
from ....store.database.outage import first_line, took_too_long
from ....store.database.time_limits import TimeLimits, limit_time
from ....store.database.transaction import end_failed
from ....store.notifications import sending
from ....store.people import api_requests, sessions, throttle
from ....store.upkeep import minute_counts, processes, pruning
from ..step_errors import StepErrors
from ..turn_context import TurnContext

log = logging.getLogger("taskadmin.launcher")

#: Seconds of housekeeping in one turn, and maximum seconds to wait for a lock.
HOUSEKEEPING_SECONDS, HOUSEKEEPING_LOCK_SECONDS = 2.0, 1.0
#: Target duration of one call, in seconds.
_TARGET_SECONDS = 0.5


@dataclass(slots=True)
class _PruningRule:
    what: str
    #: Processes a share of the maximum batch; returns the number of deleted rows, and whether there
    #: may be more.
    apply: Callable[[float], tuple[int, bool]]
    #: Small at first, since the database's current speed is unknown.
    share: float = 1 / 64


def run_housekeeping(turn: TurnContext) -> None:
    """Apply the rules for a short time."""
    session = turn.session
    until = time.monotonic() + HOUSEKEEPING_SECONDS
    # PostgreSQL cancels statements soon after that.
    limits = TimeLimits(
        statement_seconds=HOUSEKEEPING_SECONDS, lock_seconds=HOUSEKEEPING_LOCK_SECONDS, until=until
    )
    end_limits = limit_time(session, limits)
    try:
        rules = _rules(session, turn.settings)
        pruned = _take_turns(
            session, rules, turn.errors, lambda: time.monotonic() < until and turn.has_time()
        )
    finally:
        end_limits()
    turn.report.pruned = pruned
    if pruned:
        log.info("Pruned %d old rows", pruned)


def _take_turns(
    session: Session, rules: list[_PruningRule], errors: StepErrors, has_time: Callable[[], bool]
) -> int:
    """Apply the rules alternately while there is time; a failed or slow one doesn't stop others."""
    pruned = 0
    # In random order: otherwise, if one call takes all the time, the same rules would never run.
    random.shuffle(rules)
    while rules:
        for rule in list(rules):
            if not has_time():
                return pruned
            more = False
            with errors.collect(rule.what):
                deleted, more = _apply(session, rule)
                pruned += deleted
            if not more:
                rules.remove(rule)
    return pruned


def _apply(session: Session, rule: _PruningRule) -> tuple[int, bool]:
    begun = time.monotonic()
    try:
        deleted, more = rule.apply(rule.share)
    except DBAPIError as error:
        if not took_too_long(error):
            raise
        end_failed(session, error)
        log.warning("Skipped, too slow for now: %s (%s)", rule.what, first_line(error))
        return 0, False
    took = max(time.monotonic() - begun, _TARGET_SECONDS / 4)
    rule.share = min(1.0, rule.share * max(0.5, _TARGET_SECONDS / took))
    return deleted, more


def _rules(session: Session, settings: Settings) -> list[_PruningRule]:
    """Return the rules for this turn."""

    def batch(share: float) -> int:
        return max(1, int(pruning.MAX_RESULTS_PER_TRANSACTION * share))

    def each(prune: Callable[..., int], **given: object) -> Callable[[float], tuple[int, bool]]:
        def apply(share: float) -> tuple[int, bool]:
            deleted = prune(session, batch=batch(share), **given)
            return deleted, deleted > 0

        return apply

    def per_task(share: float) -> tuple[int, bool]:
        keep = settings.results_per_task
        deleted, all_tasks = pruning.prune_per_task(session, keep=keep, batch=batch(share))
        return deleted, not all_tasks

    def count(share: float) -> tuple[int, bool]:
        return 0, minute_counts.count_minutes(
            session, at_once=minute_counts.MAX_SPAN_PER_TRANSACTION * share
        )

    rules = [_PruningRule("remove deleted tasks", each(pruning.prune_deleted))]
    if settings.result_retention_days:
        age = timedelta(days=settings.result_retention_days)
        rules.append(_PruningRule("prune old results", each(pruning.prune_old, older_than=age)))
        rules.append(_PruningRule("prune missed slots", each(pruning.prune_missed, older_than=age)))
    # Not ``turn.watch.new_minute``: turns with much to send skip housekeeping.
    new_minute = minute_counts.are_uncounted(session)
    if new_minute:
        rules.append(_PruningRule("count minutes", count))
        rules.append(_PruningRule("delete gone processes", each(processes.delete_gone)))
        limits = settings.session_limits
        rules.append(
            _PruningRule("delete old sessions", each(sessions.prune_sessions, limits=limits))
        )
        rules.append(_PruningRule("delete old counters of log ins", each(throttle.prune)))
        rules.append(_PruningRule("delete old notices", each(sending.prune_notices)))
        rules.append(_PruningRule("delete old requests", each(api_requests.prune_requests)))
    # A round over all tasks continues in every turn; a new one starts once a minute.
    if settings.results_per_task and (new_minute or pruning.is_under_way(session)):
        rules.append(_PruningRule("prune results per task", per_task))
    return rules
