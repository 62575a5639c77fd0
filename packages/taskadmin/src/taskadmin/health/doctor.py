"""The checks of ``flask taskadmin doctor``, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..state import get_state
from . import database_checks, host_checks, ledger_checks, queue_checks
from .finding import Answer, Finding, Status, problem, warning

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["Finding", "Status", "examine"]


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    look: Callable[[Flask], Answer]
    #: Checks that must not have found a problem; without what they look at this one can't look.
    needs: tuple[str, ...] = ()


_LEDGER = ("database", "migrations")
_CHECKS = (
    _Check("database", database_checks.database),
    _Check("clock skew", database_checks.clock_skew, ("database",)),
    _Check("migrations", database_checks.schema, ("database",)),
    _Check("include_object", host_checks.include_object),
    _Check("broker", queue_checks.broker),
    _Check("queues", queue_checks.queues, ("broker",)),
    _Check("settings", queue_checks.settings),
    _Check("beat", ledger_checks.beat, _LEDGER),
    _Check("launcher", ledger_checks.launcher, (*_LEDGER, "beat")),
    _Check("workers", ledger_checks.workers, _LEDGER),
    _Check("missed slots", ledger_checks.missed_slots, _LEDGER),
    _Check("stuck runs", ledger_checks.stuck_runs, _LEDGER),
    _Check("table growth", ledger_checks.table_growth, _LEDGER),
)


def examine(app: Flask) -> Iterator[Finding]:
    """Look at everything, one after the other; what fails stops no other check.

    Raises:
        RegistrationError: If taskadmin isn't initialised on *app*.
    """
    get_state(app)
    broken: set[str] = set()
    for check in _CHECKS:
        missing = [name for name in check.needs if name in broken]
        answer = warning(f"Not checked: see {missing[0]}.") if missing else _look(check, app)
        if missing or answer.status == Status.PROBLEM:
            broken.add(check.name)
        yield Finding(check.name, *answer)


def _look(check: _Check, app: Flask) -> Answer:
    try:
        return check.look(app)
    except Exception as error:  # noqa: BLE001 - a check that fails is a finding, and others follow
        cause = str(getattr(error, "orig", None) or error).strip()
        first = cause.splitlines()[0] if cause else ""
        return problem(
            f"The check failed: {type(error).__name__}{f': {first}' if first else ''}",
            "Mend this, then run flask taskadmin doctor again.",
        )
