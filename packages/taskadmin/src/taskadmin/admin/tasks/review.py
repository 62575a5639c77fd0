"""Review pages: users with their tasks, last run and failures. Read-only."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ...models import User
from ...search.language import searchable
from ...store.reports import review
from ...store.runs import results
from ...store.runs.lists import newest_runs
from ...store.tasks.tasks import find_task
from ...values.ids import parse_id
from ...values.tracebacks import message_of
from ...web.error_pages import error_page
from ...web.redirects import redirect
from ..arguments.display import OF_TEMPLATES
from ..flask_admin.access import ProtectedView
from ..flask_admin.fragment_cache import cache_fragments
from .rows import task_rows

#: Users per page.
_USERS_PER_PAGE = 100
#: Tasks per page.
_TASKS_PER_PAGE = 50
#: Runs on a task's page.
_NEWEST_RUNS = 100
#: Beyond this, the offset would take the database minutes.
_MAX_PAGE = 100_000


class ReviewView(ProtectedView):
    """Open to superusers and reviewers; read-only."""

    @staticmethod
    def allows(user: User) -> bool:
        """Return whether *user* is a superuser or a reviewer."""
        return user.may_review

    @expose("/")
    @cache_fragments
    def index_view(self) -> ResponseReturnValue:
        """List users, also those without tasks; ordered by ``sort`` and ``desc``, in pages.

        ``search`` is a part of their names.
        """
        order = request.args.get("sort", "username")
        if order not in review.SORT_ORDERS:
            return redirect(self.get_url(".index_view"))
        descending = request.args.get("desc") == "1"
        page = min(parse_id(request.args.get("page")) or 0, _MAX_PAGE)
        search = searchable(request.args.get("search"))
        found = review.review_page(
            self.database,
            order_by=order,
            descending=descending,
            part=search,
            limit=_USERS_PER_PAGE + 1,
            offset=page * _USERS_PER_PAGE,
        )
        if page and not found.rows:
            return redirect(self.get_url(".index_view"))
        rows = found.rows[:_USERS_PER_PAGE]
        return self.render(
            "taskadmin/tasks/review.html",
            rows=rows,
            more=len(found.rows) > _USERS_PER_PAGE,
            page=page,
            order=order,
            descending=descending,
            search=search,
            is_capped=found.is_capped,
            has_unknown=any(not row.last_run_is_known for row in rows),
            newest=review.SEARCHED_RUNS,
            most_failures=review.COUNTED_FAILURES,
        )

    @expose("/tasks/")
    def tasks_view(self) -> ResponseReturnValue:
        """List the tasks of a user (``user``), newest first, older than ``before``.

        With ``failed``, only those that failed within 24 hours.
        """
        number = parse_id(request.args.get("user"))
        person = None if number is None else self.database.get(User, number)
        if person is None:
            return error_page(404)
        tasks = review.tasks_of(
            self.database,
            person.id,
            failed="failed" in request.args,
            before_id=parse_id(request.args.get("before")),
            limit=_TASKS_PER_PAGE + 1,
        )
        shown = tasks[:_TASKS_PER_PAGE]
        return self.render(
            "taskadmin/tasks/review_tasks.html",
            person=person,
            tasks=shown,
            more=len(tasks) > _TASKS_PER_PAGE,
            failed="failed" in request.args,
            before=parse_id(request.args.get("before")),
            latest=results.latest_runs(self.database, [task.id for task in shown]),
            rows=task_rows(
                self.database,
                shown,
                slot_interval_seconds=self.state.settings.launch_interval_seconds,
            ),
            **OF_TEMPLATES,
            may_manage=self.user.may_manage,
        )

    @expose("/runs/")
    def runs_view(self) -> ResponseReturnValue:
        """List the newest runs of a task (``task``)."""
        number = parse_id(request.args.get("task"))
        task = None if number is None else find_task(self.database, number)
        if task is None:
            return error_page(404)
        return self.render(
            "taskadmin/tasks/review_runs.html",
            task=task,
            runs=newest_runs(self.database, task.id, limit=_NEWEST_RUNS),
            most=_NEWEST_RUNS,
            message_of=message_of,
            **OF_TEMPLATES,
        )
