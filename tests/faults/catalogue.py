"""Which faults there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .stage import Stage

#: Does the fault; what stands behind its ``yield`` is looked at when all runs are finished.
Scenario = Callable[["Stage"], Iterator[None]]


class Unexpected(Exception):
    """Something that should have come about didn't."""


class TooLate(Exception):
    """A slow machine was past the moment that the fault is about: nothing was shown by it."""


class NotHere(Exception):
    """This machine lacks something that the fault needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break the system."""

    name: str
    area: str
    scenario: Scenario
    #: Executions allowed above the plan: those that were under way when the fault came.
    extra: int = 0
    #: From the fault's end until everything is finished.
    deadline_seconds: float = 60.0
    #: Takes too long for the short form.
    long: bool = False
    #: Is about processes that execute jobs beside the worker's own.
    processes: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """The scenario's docstring in one line."""
        return " ".join((self.scenario.__doc__ or "").split())


#: In the order in which they are listed and played.
AREAS = ("worker", "launcher", "broker", "link", "database", "clock", "message")
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
