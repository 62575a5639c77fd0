"""Streamed exports as CSV and JSON, for any number of rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from flask import Response, request
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from ... import service
from ...store.database.time_limits import TimeLimits, limit_time
from ...store.database.transaction import close
from ...translation.texts import untranslated
from ...values.cells import cell, plain
from ...web.actor import current_actor
from ...web.page_requests import PAGE_LOCK_SECONDS

#: Limits for reading some hundred rows; a filter may match few rows of a large table.
_EXPORT_LIMITS = TimeLimits(statement_seconds=60, lock_seconds=PAGE_LOCK_SECONDS)

#: Rows of a file, some at a time; every row has the same names.
Batches = Iterator[Sequence[Mapping[str, Any]]]


@contextmanager
def own_session(bind: Engine | Connection) -> Iterator[Session]:
    """Open a session for a streamed response: the request's session ends before it does."""
    session = Session(bind)
    limit_time(session, _EXPORT_LIMITS)
    try:
        yield session
    finally:
        close(session)


def download(batches: Batches, columns: Sequence[str], filename: str) -> Response:
    """Stream rows as a file, and trace it; the extension says whether it is CSV or JSON."""
    service.note_export(current_actor(), filename, request.args)
    is_csv = filename.endswith(".csv")
    parts = _csv(batches, columns) if is_csv else _json(batches)
    with untranslated():  # as the later parts, which are produced outside of the request
        first = next(parts)  # an error while reading the first rows can still be shown
    return Response(
        chain([first], parts),
        mimetype="text/csv" if is_csv else "application/json",
        headers={"Content-Disposition": f"attachment; filename={filename}"},
    )


def _csv(batches: Batches, columns: Sequence[str]) -> Iterator[str]:
    """A line for each row, safe for spreadsheets."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for rows in batches:
        writer.writerows([[cell(row[name]) for name in columns] for row in rows])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _json(batches: Batches) -> Iterator[str]:
    """An array with an object in each line."""
    separator = "[\n"
    for rows in batches:
        lines = [json.dumps(row, ensure_ascii=False, default=plain) for row in rows]
        yield separator + ",\n".join(lines)
        separator = ",\n"
    yield "\n]\n" if separator == ",\n" else "[\n]\n"
