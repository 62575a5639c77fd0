"""A process's heartbeat without its thread."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from taskadmin.models import ProcessKind
from taskadmin.store import claims, processes
from taskadmin.store.processes import Identity


class StubHeartbeat:
    """Registers a process when it is first asked for its id."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.id: UUID | None = None
        self.given_back: list[tuple[int, str | None]] = []

    def process_id(self) -> UUID:
        """Register when first asked."""
        if self.id is None:
            who = Identity(ProcessKind.CHILD, "w1@host", "host", 1)
            self.id = processes.register(self._session, who)
        return self.id

    def renew(self) -> bool:
        """As the real one does."""
        if processes.beat(self._session, self.process_id()):
            return False
        self.id = None
        self.process_id()
        return True

    def give_back(self, run_id: int, token: UUID, *, problem: str | None = None) -> None:
        """Hand the run back at once, as the real one's thread does soon."""
        self.given_back.append((run_id, problem))
        claims.hand_back(self._session, run_id, token, problem=problem, lost_attempts=3)
