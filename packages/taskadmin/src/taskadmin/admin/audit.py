"""The audit trail: who did what to which task, run or user. Read-only, superusers only."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flask import Response, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from ..shell import error_page
from ..store import audit
from ..store.audit import ACTIONS, Entry, Filter
from .access import MAX_BIG_ID, ProtectedView, number_of
from .exports import safe_text

_PAGE = 50
_KINDS = ("task", "run", "user")
_MAX_TEXT = 200
#: What an address may ask for, and which of it are ids.
_NAMES = ("actor", "action", "kind", "id", "text")
_IDS = ("actor", "id")


class AuditView(ProtectedView):
    """Newest first, page by page behind an id; as CSV and JSON, too."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Entries by person, action, subject and text, older than an entry (``before``)."""
        which = _filter()
        if which is None:
            return error_page(404)
        entries = audit.page(
            self.database,
            which,
            before_id=number_of(request.args.get("before"), largest=MAX_BIG_ID),
            limit=_PAGE + 1,
        )
        return self.render(
            "taskadmin/audit/list.html",
            entries=entries[:_PAGE],
            more=len(entries) > _PAGE,
            which=which,
            given=_given(),
            actions=ACTIONS,
            kinds=_KINDS,
        )

    @expose("/export/<any(csv, json):export_type>/")
    def export_view(self, export_type: str) -> ResponseReturnValue:
        """All entries that match, sent while they are read."""
        which = _filter()
        if which is None:
            return error_page(404)
        write, media_type = {"csv": (_csv, "text/csv"), "json": (_json, "application/json")}[
            export_type
        ]
        return Response(
            write(_entries(self.database.get_bind(), which)),
            mimetype=media_type,
            headers={"Content-Disposition": f"attachment; filename=audit.{export_type}"},
        )


def _entries(bind: Engine | Connection, which: Filter) -> Iterator[Entry]:
    """Read by a session of its own: the request's ends before a long export does."""
    with Session(bind) as session:
        yield from audit.entries(session, which)


def _given() -> dict[str, str]:
    return {name: request.args[name] for name in _NAMES if request.args.get(name)}


def _filter() -> Filter | None:
    """What the address asks for; None if it can't be meant."""
    given = _given()
    numbers = {name: number_of(given[name], largest=MAX_BIG_ID) for name in given if name in _IDS}
    known = given.get("kind", "task") in _KINDS and given.get("action", "created") in ACTIONS
    if None in numbers.values() or not known:
        return None
    return Filter(
        actor_id=numbers.get("actor"),
        action=given.get("action"),
        subject_kind=given.get("kind"),
        subject_id=numbers.get("id"),
        text=given.get("text", "").strip()[:_MAX_TEXT] or None,
    )


def _csv(entries: Iterator[Entry]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(Entry._fields)
    for entry in entries:
        writer.writerow([_cell(value) for value in entry])
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case int():
            return str(value)
        case datetime():
            return value.isoformat()
        case str():
            return safe_text(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


def _json(entries: Iterator[Entry]) -> Iterator[str]:
    """An array with an object in each line."""
    yield "["
    separator = "\n"
    for entry in entries:
        row = {**entry._asdict(), "at": entry.at.isoformat()}
        yield separator + json.dumps(row, ensure_ascii=False)
        separator = ",\n"
    yield "\n]\n"
