"""Review: who has how many tasks, when they ran last and how many runs failed; read-only."""

from __future__ import annotations

from flask import redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..models import User
from ..shell import error_page
from ..store import results, review
from .access import ProtectedView, number_of
from .shown_arguments import arguments_of, in_short
from .task_rows import task_rows

#: People on a page.
_PAGE = 100
#: Tasks on a page.
_TASKS = 50
#: A page further on would be an offset that takes the database minutes to count to.
_MAX_PAGE = 100_000


class ReviewView(ProtectedView):
    """For superusers and reviewers; nothing can be done here."""

    @staticmethod
    def allows(user: User) -> bool:
        """Superusers and people with ``can_review_tasks``."""
        return user.may_review

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """People, those without tasks too; sorted by ``sort`` and ``desc``, in pages."""
        order = request.args.get("sort", "username")
        if order not in review.ORDERS:
            return redirect(self.get_url(".index_view"))
        descending = request.args.get("desc") == "1"
        page = min(number_of(request.args.get("page")) or 0, _MAX_PAGE)
        found = review.review_page(
            self.database,
            order_by=order,
            descending=descending,
            limit=_PAGE + 1,
            offset=page * _PAGE,
        )
        if page and not found.rows:
            return redirect(self.get_url(".index_view"))
        rows = found.rows[:_PAGE]
        return self.render(
            "taskadmin/review.html",
            rows=rows,
            more=len(found.rows) > _PAGE,
            page=page,
            order=order,
            descending=descending,
            is_capped=found.is_capped,
            has_unknown=any(not row.last_run_is_known for row in rows),
            newest=review.NEWEST,
            most_failures=review.FAILURES,
        )

    @expose("/tasks/")
    def tasks_view(self) -> ResponseReturnValue:
        """The tasks of a person (``user``), the newest first, older than a task (``before``)."""
        number = number_of(request.args.get("user"))
        person = None if number is None else self.database.get(User, number)
        if person is None:
            return error_page(404)
        tasks = review.tasks_of(
            self.database,
            person.id,
            before_id=number_of(request.args.get("before")),
            limit=_TASKS + 1,
        )
        shown = tasks[:_TASKS]
        return self.render(
            "taskadmin/review_tasks.html",
            person=person,
            tasks=shown,
            more=len(tasks) > _TASKS,
            before=number_of(request.args.get("before")),
            latest=results.latest_runs(self.database, [task.id for task in shown]),
            rows=task_rows(
                self.database,
                shown,
                slot_interval_s=self.state.settings.launch_interval_seconds,
            ),
            arguments_of=arguments_of,
            in_short=in_short,
            may_manage=self.user.may_manage,
        )
