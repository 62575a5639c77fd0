"""Runs pages. Superusers only."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from flask import Response, flash, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ... import service
from ...errors import SearchTooLong, TooManyRuns
from ...jobs import all_jobs
from ...jobs.arguments.masking import masked_names, own_arguments
from ...models import RunState, TaskResult
from ...search.runs import run_filter
from ...store.reports import matching_runs
from ...store.reports.matching import MAX_MATCHING
from ...store.reports.matching_runs import MatchingRuns
from ...store.reports.run_details import count_retried, count_runs_by_state, newest_finished
from ...store.runs import results
from ...store.tasks import tasks
from ...translation.texts import gettext, ngettext
from ...values.ids import MAX_BIG_ID, parse_id
from ...values.tracebacks import message_of
from ...web.actor import current_actor
from ...web.error_pages import error_page
from ...web.redirects import redirect, requested_url
from ..arguments.display import OF_TEMPLATES
from ..flask_admin.access import ProtectedView
from ..flask_admin.export import download
from ..flask_admin.forms import ConfirmedForm
from ..flask_admin.selection import MAX_TICKED, chosen_ids, is_confirmed, is_for_all
from .actions import DELETE, RETRY, RUN_ACTIONS, TERMINATE, Question, cancel, delete, retry
from .differences import differences_of
from .export import RUN_COLUMNS, exported_runs
from .notices import show_notice
from .page import run_page
from .run_form import run_with_arguments

_RUNS_PER_PAGE = 50
#: Maximum runs to compare with their tasks before a retry: arguments can be large.
_MAX_COMPARED = 200


class RunsView(ProtectedView):
    """Runs, newest first, of all tasks or of one, with keyset pagination."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """List runs that match the URL (``run_filter``), older than ``before``."""
        wanted = run_filter(request.args, self.viewer)
        if wanted is None:
            return error_page(404)
        task = None
        if "task" in wanted.given:
            task = tasks.find_task(self.database, int(wanted.given["task"]))
            if task is None:
                return error_page(404)
            self.database.expunge(task)  # shown after later transactions have ended
        before = parse_id(request.args.get("before"), largest=MAX_BIG_ID)
        counts = matching_runs.RunCounts(None, {})
        if wanted.problem is None:
            counts = matching_runs.count_matching(self.database, wanted.of_any_state)
        runs: Sequence[TaskResult] = ()
        problem = wanted.problem
        try:
            runs = matching_runs.page_of_matching(
                self.database, wanted.which, before_id=before, limit=_RUNS_PER_PAGE + 1
            )
        except SearchTooLong:
            problem = gettext(
                "The search took too long and was stopped. Narrow it by task, launch, error,"
                " or one of the states queued, running and failed."
            )
        return self.render(
            "taskadmin/runs/list.html",
            runs=runs[:_RUNS_PER_PAGE],
            more=len(runs) > _RUNS_PER_PAGE,
            before=before,
            wanted=wanted,
            given=wanted.given,
            counts=counts.by_state,
            total=counts.total,
            matching=counts.by_state.get(wanted.state) if wanted.state else counts.total,
            most=MAX_MATCHING,
            task=task,
            problem=problem,
            states=list(RunState),
            without=lambda *names: {
                name: value for name, value in wanted.given.items() if name not in names
            },
        )

    @expose("/export/<any(csv, json):export_type>/")
    def export_view(self, export_type: str) -> ResponseReturnValue:
        """Stream all matching runs as a file."""
        wanted = run_filter(request.args, self.viewer)
        if wanted is None:
            return error_page(404)
        if wanted.problem:
            return error_page(422, wanted.problem)
        runs = exported_runs(self.database.get_bind(), wanted.which)
        return download(runs, RUN_COLUMNS, f"runs.{export_type}")

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """Show a run; its live parts are polled."""
        run = self._run()
        if run is None:
            return error_page(404)
        return self.render(
            "taskadmin/runs/details.html", run=run, page=run_page(self.database, run)
        )

    @expose("/output/")
    def output_view(self) -> ResponseReturnValue:
        """Download the whole output of a run, and trace it."""
        run = self._run()
        output = None if run is None else run_page(self.database, run).output
        if run is None or output is None:
            return error_page(404)
        filename = f"run-{run.id}.json"
        service.note_export(current_actor(), filename, {})
        disposition = f"attachment; filename={filename}"
        headers = {"Content-Disposition": disposition}
        return Response(output, mimetype="application/json", headers=headers)

    @expose("/again/", methods=("GET", "POST"))
    def again_view(self) -> ResponseReturnValue:
        """Run the task of a run once, with a form that starts with the run's arguments."""
        run = self._run()
        job = all_jobs().get(run.job) if run is not None else None
        if run is None or job is None or run.job != run.task.job:
            return error_page(404)
        return run_with_arguments(
            self.render,
            run.task,
            stored=own_arguments(run.task_params),
            masked=masked_names(run.task_params, job.masked),
            back=self.get_url(".details_view", id=run.id),
            back_label=gettext("Run %(id)s", id=run.id),
        )

    @expose("/action/", methods=("POST",))
    def action_view(self) -> ResponseReturnValue:
        """Apply one of ``RUN_ACTIONS`` to one run, the ticked ones, or all that match."""
        wanted = run_filter(request.form, self.viewer)
        action = request.form.get("action")
        if wanted is None or action not in RUN_ACTIONS:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        back = requested_url() or self.get_url(".index_view", **wanted.given)
        ticked = request.form.getlist("rowid")
        if len(ticked) > MAX_TICKED:
            sentence = ngettext(
                "Nothing was done: select at most %(num)s run.",
                "Nothing was done: select at most %(num)s runs.",
                MAX_TICKED,
            )
            flash(sentence, "danger")
            return redirect(back)
        try:
            ids = chosen_ids(ticked, lambda: self._all(wanted.which), largest=MAX_BIG_ID)
        except TooManyRuns as error:
            flash(str(error), "danger")
            return redirect(back)
        except SearchTooLong:
            sentence = gettext("Nothing was done: the search took too long. Narrow it.")
            flash(sentence, "danger")
            return redirect(back)
        if is_for_all() and wanted.problem:
            flash(gettext("Nothing was done: %(problem)s", problem=wanted.problem), "danger")
            return redirect(back)
        question = None
        if is_for_all() or not is_confirmed():
            question = self._question(action, ids)
        if question is not None:
            return self.render(
                "taskadmin/runs/confirm.html",
                ids=ids,
                only=results.find_run(self.database, ids[0]) if len(ids) == 1 else None,
                question=question,
                back=back,
                is_newest=request.form.get("newest") == "yes" and len(ids) == MAX_MATCHING,
            )
        if action == RETRY:
            return show_notice(retry(ids), back)
        if action == DELETE:
            return show_notice(delete(ids), back)
        return show_notice(cancel(ids, terminate=action == TERMINATE), back)

    def _question(self, action: str, ids: Sequence[int]) -> Question | None:
        """Return what has to be asked before *action*; None if nothing has."""
        if not ids:
            return None
        if action != RETRY:
            return Question(action, count_runs_by_state(self.database, ids))
        question = Question(
            action,
            count_runs_by_state(self.database, ids),
            count_retried(self.database, ids),
            [
                difference
                for run in newest_finished(self.database, ids, limit=_MAX_COMPARED)
                for difference in differences_of(run)
            ],
        )
        return question if is_for_all() or question.needs_answer else None

    def _all(self, which: MatchingRuns) -> list[int]:
        """Return the ids of all matching runs, or of the newest where asked for (``newest``)."""
        if request.form.get("newest") == "yes":
            return matching_runs.newest_matching(self.database, which)
        return [
            run_id
            for batch in matching_runs.matching_runs(self.database, which)
            for run_id in batch
        ]

    def render(self, template: str, **context: object) -> str:
        """Add functions that format arguments, and the key that prevents a double submit."""
        rendered: str = super().render(
            template,
            **context,
            request_key=uuid4(),
            message_of=message_of,
            **OF_TEMPLATES,
        )
        return rendered

    def _run(self) -> TaskResult | None:
        number = parse_id(request.args.get("id"), largest=MAX_BIG_ID)
        return None if number is None else results.find_run(self.database, number)
