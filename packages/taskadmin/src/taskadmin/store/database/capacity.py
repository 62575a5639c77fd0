"""Check whether the database accepts more rows: its disk may be full, or it may be read-only."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import delete, false, text
from sqlalchemy.orm import Session

from ...models import LedgerState

# Writes a megabyte to the disk of the database's tables; no other session sees it, and it is
# dropped at the end of the transaction. PostgreSQL doesn't compress rows of a kilobyte.
_A_MEGABYTE = text(
    "CREATE TEMPORARY TABLE taskadmin_room ON COMMIT DROP AS"
    " SELECT repeat(md5(n::text), 31) FROM generate_series(1, 1000) AS n"
)


class FreeSpace(NamedTuple):
    """Bytes that a SQLite file can still grow by."""

    #: Free bytes on its disk.
    free: int
    #: Bytes left until ``max_page_count``.
    allowed: int


def try_to_write(session: Session) -> FreeSpace | None:
    """Write something that is rolled back; on SQLite, return the space that is left.

    Raises:
        sqlalchemy.exc.DBAPIError: If the database refuses the write.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_A_MEGABYTE)
        return None
    # SQLite writes when it commits, but reports a read-only file now.
    session.execute(delete(LedgerState).where(false()))
    pages, unused, most, size = session.execute(
        text(
            "SELECT page_count, freelist_count, max_page_count, page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_max_page_count, pragma_page_size"
        )
    ).one()
    file = session.execute(
        text("SELECT file FROM pragma_database_list WHERE name = 'main'")
    ).scalar_one()
    free = shutil.disk_usage(Path(file).parent).free if file else size * most
    return FreeSpace(free, (most - pages + unused) * size)
