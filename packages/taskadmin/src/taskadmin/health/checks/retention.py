"""Check that pruning keeps up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ...settings import Settings
from ...state import get_state
from ...store.database.transaction import reading
from ...store.reports.overdue import OldestAges, oldest_ages
from ...store.upkeep import processes, pruning
from ..finding import Answer, english_ago, ok, warning

if TYPE_CHECKING:
    from flask import Flask

#: Statement timeout, in seconds; a migration may lock the tables.
_QUERY_TIMEOUT_SECONDS = 5.0
#: Allowed delays of pruning: by age, and at once or within minutes.
_AGE_DELAY, _PROMPT_DELAY = timedelta(days=1), timedelta(hours=1)
_FIX = (
    "Keep beat and a launcher running, and check its log: it prunes for 2 s of each tick."
    " A smaller TASKADMIN_TICK_SECONDS gives it more time."
)
_FEWER = "Or keep fewer: TASKADMIN_RESULT_RETENTION_DAYS, TASKADMIN_RESULTS_PER_TASK."


def retention(app: Flask) -> Answer:
    """Check that no row is left that a rule should have deleted."""
    settings = get_state(app).settings
    session = get_state(app).session
    age, keep = timedelta(days=settings.result_retention_days), settings.results_per_task
    with reading(session, seconds=_QUERY_TIMEOUT_SECONDS):
        ages = oldest_ages(session, slots_before=age + _AGE_DELAY)
        left = pruning.surplus_per_task(session, keep=keep, overdue=_PROMPT_DELAY) if keep else 0
    found = [*_by_age(ages, settings), *_by_number(left, keep), *_at_once(ages)]
    if not found:
        return ok("Nothing is left that should be deleted.")
    many = _by_age(ages, settings) or left
    return warning(" ".join(found), f"{_FIX}\n{_FEWER}" if many else _FIX)


def _by_age(ages: OldestAges, settings: Settings) -> list[str]:
    days = settings.result_retention_days
    found = []
    if days and ages.launch is not None and ages.launch > timedelta(days=days) + _AGE_DELAY:
        found.append(
            f"The oldest launch was closed {english_ago(ages.launch)}, although results are kept for"
            f" {days:g} days."
        )
    if days and ages.missed_slot is not None:
        found.append(
            f"The oldest missed slot was {english_ago(ages.missed_slot)}, although they are kept for"
            f" {days:g} days."
        )
    return found


def _by_number(left: int, keep: int) -> list[str]:
    if not left:
        return []
    results = "1 result is" if left == 1 else f"{left:,} results are"
    return [f"At least {results} beyond what tasks keep ({keep:,} each), for over an hour."]


def _at_once(ages: OldestAges) -> list[str]:
    found = []
    if ages.deleted_task is not None and ages.deleted_task > _PROMPT_DELAY:
        found.append(
            f"A task that was deleted {english_ago(ages.deleted_task)} is still in the tables."
        )
    if ages.process is not None and ages.process > processes.PROCESS_RETENTION + _PROMPT_DELAY:
        found.append(f"A process that ended {english_ago(ages.process)} is still in the tables.")
    if ages.minute is not None and ages.minute > _PROMPT_DELAY:
        found.append(f"Finished runs were last counted {english_ago(ages.minute)}.")
    return found
