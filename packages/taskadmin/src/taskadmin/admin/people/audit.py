"""Audit page: who did what to which task, run or user. Read-only, superusers only."""

from __future__ import annotations

from dataclasses import asdict

from flask import request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import Connection, Engine

from ...search.times import Span, read_times
from ...store.people import audit
from ...store.people.audit import AUDIT_ACTIONS, AUDIT_COLUMNS, Filter
from ...values.ids import MAX_BIG_ID, parse_id
from ...web.error_pages import error_page
from ..flask_admin.access import ProtectedView
from ..flask_admin.export import Batches, download, own_session

_ENTRIES_PER_PAGE = 50
_SUBJECT_KINDS = ("task", "run", "user", "channel", "page")
_MAX_TEXT = 200
#: Query arguments of the filter, and which of them are ids.
_FILTER_ARGUMENTS = ("actor", "action", "kind", "id", "text")
_ID_ARGUMENTS = ("actor", "id")


class AuditView(ProtectedView):
    """Audit entries, newest first, with keyset pagination and exports."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """List acts by user, action, subject, text and time, older than ``before``.

        With ``each``, every entry is an act of its own.
        """
        times = read_times(request.args, self.viewer)
        which = _filter(times.span)
        if which is None:
            return error_page(404)
        each = request.args.get("each", "")
        acts, more = audit.acts(
            self.database,
            which,
            before_id=parse_id(request.args.get("before"), largest=MAX_BIG_ID),
            limit=_ENTRIES_PER_PAGE,
            are_apart=bool(each),
        )
        return self.render(
            "taskadmin/people/audit.html",
            acts=acts,
            more=more,
            each=each,
            which=which,
            given={**_given(), **times.given},
            others=_given(),
            problem=times.problem,
            actions=AUDIT_ACTIONS,
            kinds=_SUBJECT_KINDS,
        )

    @expose("/export/<any(csv, json):export_type>/")
    def export_view(self, export_type: str) -> ResponseReturnValue:
        """Stream all matching entries as a file."""
        times = read_times(request.args, self.viewer)
        which = _filter(times.span)
        if which is None:
            return error_page(404)
        if times.problem:
            return error_page(422, times.problem)
        entries = _entries(self.database.get_bind(), which)
        return download(entries, AUDIT_COLUMNS, f"audit.{export_type}")


def _entries(bind: Engine | Connection, which: Filter) -> Batches:
    with own_session(bind) as session:
        for entry in audit.entries(session, which):
            yield [asdict(entry)]


def _given() -> dict[str, str]:
    return {name: request.args[name] for name in _FILTER_ARGUMENTS if request.args.get(name)}


def _filter(span: Span) -> Filter | None:
    """Parse the filter of the URL, besides its times; None if it is invalid."""
    given = _given()
    numbers = {
        name: parse_id(given[name], largest=MAX_BIG_ID) for name in given if name in _ID_ARGUMENTS
    }
    known = (
        given.get("kind", "task") in _SUBJECT_KINDS
        and given.get("action", "created") in AUDIT_ACTIONS
    )
    if None in numbers.values() or not known:
        return None
    return Filter(
        actor_id=numbers.get("actor"),
        action=given.get("action"),
        subject_kind=given.get("kind"),
        subject_id=numbers.get("id"),
        text=given.get("text", "").strip()[:_MAX_TEXT] or None,
        **span._asdict(),
    )
