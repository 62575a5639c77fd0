"""Isolate the steps of a turn from each other's errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from ...errors import BrokerUnavailable
from ...store.database.outage import ErrorKind, first_line, kind_of
from ...store.database.rights import log_once
from ...store.database.transaction import end_failed

log = logging.getLogger("taskadmin.launcher")


class StepErrors:
    """Collects the errors of a turn's steps.

    ``with errors.collect("close launches"): …`` logs and collects an exception of the block.
    Outages of the broker or the database propagate: they would affect every other step, too. A
    missing right is logged once, not in every turn, and reported.
    """

    def __init__(
        self, session: Session, note_missing_right: Callable[[str], None] = lambda _: None
    ) -> None:
        """Start without errors.

        Args:
            note_missing_right: Called with the database's error about a missing right.
        """
        self._session = session
        self._note_right = note_missing_right
        self._errors: list[Exception] = []
        #: Whether a right was missing.
        self.lacks_right = False

    @contextmanager
    def collect(self, what: str) -> Iterator[None]:
        """Log and collect an exception of the block; *what* is what the block does."""
        try:
            yield
        except BrokerUnavailable:
            raise
        except Exception as error:
            kind = kind_of(error)
            if kind is ErrorKind.WAIT:
                raise
            end_failed(self._session, error)
            if kind is ErrorKind.RECONNECT:
                log.warning("The next turn will %s: %s", what, first_line(error))
            elif kind is ErrorKind.NO_RIGHT:
                self.lacks_right = True
                log_once(log, f"The launcher could not {what}: {first_line(error)}")
                self._note_right(first_line(error))
            else:
                log.exception("The launcher could not %s; it continues with the rest", what)
                self._errors.append(error)

    def raise_first(self) -> None:
        """Raise the first error again, so that the turn doesn't count as a success."""
        if self._errors:
            raise self._errors[0]
