"""The checks of ``flask taskadmin doctor``, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..state import get_state
from .checks import database, host, ledger, processes, queues, retention, storage
from .finding import Answer, Finding, Status, problem, warning

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["Finding", "Status", "examine"]


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    look: Callable[[Flask], Answer]
    #: Checks that must not have found a problem, since this one depends on them.
    needs: tuple[str, ...] = ()


_LEDGER = ("database", "migrations")
_CHECKS = (
    _Check("SECRET_KEY", host.secret_key),
    _Check("database", database.database),
    _Check("pooler", database.pooler, ("database",)),
    _Check("clock skew", database.clock_skew, ("database",)),
    _Check("migrations", database.schema, ("database",)),
    _Check("rights", storage.rights, _LEDGER),
    _Check("room", storage.room, _LEDGER),
    _Check("include_object", host.include_object),
    _Check("broker", queues.broker),
    _Check("queues", queues.queues, ("broker",)),
    _Check("settings", queues.settings),
    _Check("beat", ledger.beat, _LEDGER),
    _Check("launcher", ledger.launcher, (*_LEDGER, "beat")),
    _Check("workers", ledger.workers, _LEDGER),
    _Check("held messages", processes.held_messages, _LEDGER),
    _Check("one stack", processes.one_stack, (*_LEDGER, "broker")),
    _Check("missed slots", ledger.missed_slots, _LEDGER),
    _Check("stuck runs", ledger.stuck_runs, _LEDGER),
    _Check("retention", retention.retention, _LEDGER),
    _Check("table growth", ledger.table_growth, _LEDGER),
)


def examine(app: Flask) -> Iterator[Finding]:
    """Run all checks in order; a failed check doesn't stop the others.

    Raises:
        RegistrationError: If taskadmin isn't initialized on *app*.
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
    except Exception as error:  # noqa: BLE001 - a failed check is a finding
        cause = str(getattr(error, "orig", None) or error).strip()
        first = cause.splitlines()[0] if cause else ""
        return problem(
            f"The check failed: {type(error).__name__}{f': {first}' if first else ''}",
            "Fix this, then run flask taskadmin doctor again.",
        )
