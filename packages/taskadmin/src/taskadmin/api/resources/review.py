"""The review: users with their tasks, for reviewers."""

from __future__ import annotations

from ...models import User
from ...state import get_state
from ...store.reports import review
from ...values.ids import can_be_id
from ..access import Right
from ..cursors import PageQuery, next_link, page_of
from ..errors import Refused
from ..models.fields import PersonOut
from ..models.reports import ReviewLine, ReviewPage
from ..models.tasks import TaskPage
from ..operations import operation
from .tasks import tasks_out

#: Beyond this, the offset would take the database minutes.
_MAX_OFFSET = 10_000_000


@operation("GET", "/review", tag="review", returns=ReviewPage, right=Right.REVIEW)
def list_reviews(query: PageQuery) -> ReviewPage:
    """List all users by username, with the number of their tasks, last run and failures."""
    offset = min(query.before or 0, _MAX_OFFSET)  # users don't come and go as rows do
    found = review.review_page(get_state().session, limit=query.limit + 1, offset=offset)
    items = [
        ReviewLine(
            user=PersonOut(id=row.user_id, username=row.username),
            is_active=row.is_active,
            tasks=row.tasks,
            last_run=row.last_run,
            last_run_is_known=row.last_run_is_known,
            failures=row.failures,
        )
        for row in found.rows[: query.limit]
    ]
    more = len(found.rows) > query.limit
    return ReviewPage(
        items=items,
        next=next_link(offset + query.limit) if more else None,
        is_capped=found.is_capped,
    )


@operation("GET", "/review/<int:user_id>/tasks", tag="review", returns=TaskPage, right=Right.REVIEW)
def list_tasks_of_user(user_id: int, query: PageQuery) -> TaskPage:
    """List a user's tasks, newest first."""
    session = get_state().session
    person = session.get(User, user_id) if can_be_id(user_id) else None
    if person is None:
        raise Refused(404, "unknown-user", detail=f"There is no user {user_id}.")
    rows = review.tasks_of(session, user_id, before_id=query.before, limit=query.limit + 1)
    shown, following = page_of(query, rows)
    return TaskPage(items=tasks_out(shown), next=following)
