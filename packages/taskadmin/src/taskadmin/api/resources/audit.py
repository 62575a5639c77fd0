"""The audit trail."""

from __future__ import annotations

from ...state import get_state
from ...store.people import audit
from ...store.people.audit import Filter
from ..cursors import page_of
from ..models.reports import AuditPage, AuditQuery
from ..operations import operation


@operation("GET", "/audit", tag="audit", returns=AuditPage)
def list_audit(query: AuditQuery) -> AuditPage:
    """List who did what, newest first."""
    which = Filter(
        actor_id=query.actor,
        action=query.action and query.action.value,
        subject_kind=query.kind,
        subject_id=query.id,
        text=query.text,
    )
    rows = audit.page(get_state().session, which, before_id=query.before, limit=query.limit + 1)
    shown, following = page_of(query, rows)
    return AuditPage(items=list(shown), next=following)
