"""The list of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stages.stage import Stage

#: Injects the fault; checks after ``yield`` run when all runs have finished.
Scenario = Callable[["Stage"], Iterator[None]]


class Unexpected(Exception):
    """An expected event didn't happen."""


class TooLate(Exception):
    """The machine was too slow for the fault to hit the right moment; the result says nothing."""


class NotHere(Exception):
    """This machine lacks something that the fault requires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break the system."""

    name: str
    area: str
    scenario: Scenario
    #: Additional executions allowed: those that were in progress when the fault happened.
    extra: int = 0
    #: From the end of the fault until everything has finished.
    deadline_seconds: float = 60.0
    #: Takes too long for the short form.
    long: bool = False
    #: Requires a pool with separate processes.
    processes: bool = False
    #: The only broker that has it: "rabbitmq" or "redis".
    broker: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """The scenario's docstring on one line."""
        return " ".join((self.scenario.__doc__ or "").split())


#: In the order in which they are listed and run.
AREAS = (
    *("worker", "pool", "launcher", "broker", "link", "database", "role", "disk", "clock"),
    *("restart", "deployment", "message"),
)
FAULTS: list[Fault] = []


def fault(name: str, *, area: str, **options: Any) -> Callable[[Scenario], Scenario]:
    """Add a scenario to the catalogue."""

    def add(scenario: Scenario) -> Scenario:
        if any(each.name == name for each in FAULTS):
            raise ValueError(f"There are two faults called {name!r}.")
        FAULTS.append(Fault(name=name, area=area, scenario=scenario, **options))
        FAULTS.sort(key=lambda each: AREAS.index(each.area))
        return scenario

    return add
