"""Times are aware and in UTC."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from taskadmin.models import Launch


def test_times_need_a_zone(session: Session) -> None:
    """A naive time is an error."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake
    launch = {"kind": "manual", "state": "opening", "opened_at": naive}
    with pytest.raises(Exception, match="has no time zone; times in taskadmin are aware"):
        session.execute(insert(Launch), [launch])
