"""A process's heartbeat, without its thread."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from taskadmin.models import ProcessKind
from taskadmin.store.runs import transitions
from taskadmin.store.upkeep import processes
from taskadmin.store.upkeep.processes import ProcessIdentity


class StubHeartbeat:
    """Registers a process on the first use of its id."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.id: UUID | None = None
        self.given_back: list[tuple[int, str | None]] = []

    def process_id(self) -> UUID:
        """Register on first use."""
        if self.id is None:
            who = ProcessIdentity(ProcessKind.CHILD, "w1@host", "host", 1)
            self.id = processes.register_process(self._session, who)
        return self.id

    def renew(self) -> bool:
        """Renew like the real one."""
        if processes.record_heartbeat(self._session, self.process_id()):
            return False
        self.id = None
        self.process_id()
        return True

    def give_back(self, run_id: int, token: UUID, *, problem: str | None = None) -> None:
        """Return the run at once; the real one's thread does so soon."""
        self.given_back.append((run_id, problem))
        if problem is None:
            transitions.give_back(self._session, [run_id], token)
        else:
            transitions.fail_worker(self._session, run_id, token, problem=problem, lost_attempts=3)
