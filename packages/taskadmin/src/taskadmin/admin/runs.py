"""Runs: what came of the tasks. Read-only, superusers only."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..models import RunState
from ..shell import error_page
from ..store import results, tasks
from .access import MAX_BIG_ID, ProtectedView, number_of

_PAGE = 50


class RunsView(ProtectedView):
    """Newest first, of all tasks or of one, page by page behind an id."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Runs, by task (``task``) and by state (``state``), older than a run (``before``)."""
        task = None
        if "task" in request.args:
            number = number_of(request.args["task"])
            task = None if number is None else tasks.find_task(self.database, number)
            if task is None:
                return error_page(404)
        state = request.args.get("state")
        if state is not None and state not in set(RunState):
            return error_page(404)
        runs = results.page_of_runs(
            self.database,
            task_id=task.id if task is not None else None,
            state=RunState(state) if state is not None else None,
            before_id=number_of(request.args.get("before"), largest=MAX_BIG_ID),
            limit=_PAGE + 1,
        )
        return self.render(
            "taskadmin/runs/list.html",
            runs=runs[:_PAGE],
            more=len(runs) > _PAGE,
            task=task,
            state=state,
            states=list(RunState),
        )

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """One run with everything that is known of it."""
        number = number_of(request.args.get("id"), largest=MAX_BIG_ID)
        run = None if number is None else results.find_run(self.database, number)
        if run is None:
            return error_page(404)
        return self.render("taskadmin/runs/details.html", run=run)
