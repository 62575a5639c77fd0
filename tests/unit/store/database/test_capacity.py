"""Whether the database can store more rows."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from taskadmin.store.database.capacity import try_to_write


@pytest.mark.databases("postgresql")
def test_a_database_that_may_not_be_written_refuses(session: Session) -> None:
    """The check's own write is rolled back."""
    for _ in range(2):
        assert try_to_write(session) is None
        session.rollback()
    session.execute(text("SET TRANSACTION READ ONLY"))
    with pytest.raises(DBAPIError, match="read-only"):
        try_to_write(session)


@pytest.mark.databases("sqlite")
def test_a_file_may_grow_up_to_its_disk_and_its_limit(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free pages inside the file count, too."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_345))
    pages, size = (
        session.scalars(text(f"PRAGMA {name}")).one() for name in ("page_count", "page_size")
    )
    session.execute(text(f"PRAGMA max_page_count = {pages + 3}"))
    unused = session.scalars(text("PRAGMA freelist_count")).one()
    assert try_to_write(session) == (12_345, (3 + unused) * size)
