"""Review: usernames with the amount of their tasks."""

from __future__ import annotations

from flask import redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..models import User
from ..store import users
from .access import ProtectedView, number_of

_PAGE = 100
_ORDERS = ("username", "tasks")
#: A page further on would be an offset that takes the database minutes to count to.
_MAX_PAGE = 100_000


class ReviewView(ProtectedView):
    """For superusers and reviewers."""

    @staticmethod
    def allows(user: User) -> bool:
        """Superusers and people with ``can_review_tasks``."""
        return user.may_review

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """People, those without tasks too; sorted by ``sort`` and ``desc``, in pages."""
        order = request.args.get("sort", "username")
        if order not in _ORDERS:
            return redirect(self.get_url(".index_view"))
        descending = request.args.get("desc") == "1"
        page = min(number_of(request.args.get("page")) or 0, _MAX_PAGE)
        rows = users.review_rows(
            self.database,
            order_by=order,
            descending=descending,
            limit=_PAGE + 1,
            offset=page * _PAGE,
        )
        if page and not rows:
            return redirect(self.get_url(".index_view"))
        return self.render(
            "taskadmin/review.html",
            rows=rows[:_PAGE],
            more=len(rows) > _PAGE,
            page=page,
            order=order,
            descending=descending,
        )
