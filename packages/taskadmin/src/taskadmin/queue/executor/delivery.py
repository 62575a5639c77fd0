"""``Delivery``: one delivery of a message to a worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from ...store.runs.results import UnsentRun
from ..worker.heartbeat import Heartbeat

NamedRun = tuple[int, datetime]
#: Publishes messages for runs; several runs share one unless the last argument is true.
Send = Callable[[Session, Sequence[UnsentRun], bool], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery of a message to a worker."""

    #: Ids and due times of its runs.
    runs: Sequence[NamedRun]
    worker: str
    #: Whether it was delivered before: that worker may have executed it.
    redelivered: bool
    #: Returns this process's heartbeat, for claims.
    heartbeat: Callable[[], Heartbeat]
    #: The queues that the message may have come from; None if unknown.
    queues: Collection[str] | None = None
    #: Whether this is the last delivery: afterwards, the reconciler sends its runs.
    is_last: bool = False
    send: Send = lambda *_: None
    #: Creates another session, for other threads; None if there are none.
    other_session: Callable[[], AbstractContextManager[Session]] | None = None
