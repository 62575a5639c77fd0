"""The state that a turn's steps share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session

from ...settings import Settings
from ...store.upkeep.ledger_state import Watch
from ..publishing.publisher import Publisher
from .step_errors import StepErrors


@dataclass(slots=True)
class TurnReport:
    """Counts of what one turn did."""

    opened: int = 0
    #: Due tasks with their own schedules.
    due: int = 0
    resumed: int = 0
    sent: int = 0
    finished: int = 0
    closed: int = 0
    missed: int = 0
    taken_back: int = 0
    republished: int = 0
    given_up: int = 0
    pruned: int = 0
    #: Whether the broker accepts no messages, so that nothing is launched.
    is_broker_down: bool = False
    #: Whether the database's role lacks a right that a step needs.
    lacks_right: bool = False


@dataclass(slots=True, kw_only=True)
class TurnContext:
    """A turn's resources, its launches and its report."""

    session: Session
    settings: Settings
    publisher: Publisher
    watch: Watch
    #: Owner token of the launches that this turn takes.
    owner: UUID
    errors: StepErrors
    #: Whether there is time for more work.
    has_time: Callable[[], bool]
    report: TurnReport = field(default_factory=TurnReport)
    #: Launches that this turn owns.
    launch_ids: list[int] = field(default_factory=list)
    is_broker_down: bool = False
    #: Whether unfinished launches were released.
    is_unfinished: bool = False
