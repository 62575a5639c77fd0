"""Parts of a turn that don't need each other: an error in one doesn't end the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from ..errors import BrokerUnavailable
from ..store.outage import is_outage

log = logging.getLogger("taskadmin.launcher")


class Attempts:
    """What went wrong in a turn.

    ``with attempts("close launches"): …``; what is raised inside is logged and kept. An
    outage of the broker or the database passes through: it would meet every other part too.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._errors: list[Exception] = []

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        try:
            yield
        except BrokerUnavailable:
            raise
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("The launcher could not %s; it goes on with the rest", what)
            self._session.rollback()
            self._errors.append(error)

    def raise_first(self) -> None:
        """Raise the first error again, so that the turn isn't taken for a success."""
        if self._errors:
            raise self._errors[0]
