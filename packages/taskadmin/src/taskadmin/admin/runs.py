"""Runs: what came of the tasks, and what people do about it. Superusers only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from flask import Response, flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..errors import SearchTooLong, TooManyRuns
from ..jobs import all_jobs
from ..jobs.masking import masked_names, own_arguments
from ..models import RunState, TaskResult
from ..shell import error_page
from ..store import matching_runs, results, tasks
from ..store.matching_runs import MOST, Matching
from ..store.run_details import count_by_state, run_of_launch
from ..texts import gettext, ngettext
from .access import MAX_BIG_ID, ProtectedView, number_of
from .arguments_form import ArgumentsForm
from .choosing import MAX_TICKED, chosen_ids, is_confirmed, is_for_all
from .forms import ConfirmedForm
from .launching import Outcome
from .run_actions import ACTIONS, DISCARD, RETRY, TERMINATE, Question, cancel, discard, retry
from .run_export import csv_of, json_of
from .run_filter import run_filter
from .run_now import run_now
from .run_page import run_page
from .shown_arguments import arguments_of, in_short, value_in_words

_PAGE = 50


class RunsView(ProtectedView):
    """Newest first, of all tasks or of one, page by page behind an id."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Runs by what the address says (``run_filter``), older than a run (``before``)."""
        wanted = run_filter(request.args)
        if wanted is None:
            return error_page(404)
        task = None
        if "task" in wanted.given:
            task = tasks.find_task(self.database, int(wanted.given["task"]))
            if task is None:
                return error_page(404)
            self.database.expunge(task)  # shown after transactions that end before the page does
        before = number_of(request.args.get("before"), largest=MAX_BIG_ID)
        counts = matching_runs.Counts(None, {})
        if wanted.problem is None:
            counts = matching_runs.count_matching(self.database, wanted.of_any_state)
        runs: Sequence[TaskResult] = ()
        problem = wanted.problem
        try:
            runs = matching_runs.page_of_matching(
                self.database, wanted.which, before_id=before, limit=_PAGE + 1
            )
        except SearchTooLong:
            problem = gettext(
                "Looking for these runs took too long, so it was given up. Narrow the search:"
                " by task, launch, error, or one of the states queued, running and failed."
            )
        return self.render(
            "taskadmin/runs/list.html",
            runs=runs[:_PAGE],
            more=len(runs) > _PAGE,
            before=before,
            wanted=wanted,
            given=wanted.given,
            counts=counts.by_state,
            total=counts.total,
            matching=counts.by_state.get(wanted.state) if wanted.state else counts.total,
            most=MOST,
            task=task,
            problem=problem,
            states=list(RunState),
            without=lambda *names: {
                name: value for name, value in wanted.given.items() if name not in names
            },
        )

    @expose("/export/<any(csv, json):export_type>/")
    def export_view(self, export_type: str) -> ResponseReturnValue:
        """All runs that match, sent while they are read."""
        wanted = run_filter(request.args)
        if wanted is None:
            return error_page(404)
        if wanted.problem:
            return error_page(422, wanted.problem)
        write, media_type = {"csv": (csv_of, "text/csv"), "json": (json_of, "application/json")}[
            export_type
        ]
        return Response(
            write(self.database.get_bind(), wanted.which),
            mimetype=media_type,
            headers={"Content-Disposition": f"attachment; filename=runs.{export_type}"},
        )

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """One run with everything that is known of it; its script asks for it again and again."""
        run = self._run()
        if run is None:
            return error_page(404)
        return self.render(
            "taskadmin/runs/details.html", run=run, page=run_page(self.database, run)
        )

    @expose("/again/", methods=("GET", "POST"))
    def again_view(self) -> ResponseReturnValue:
        """Run the task of a run once, with arguments that begin as the run's."""
        run = self._run()
        job = all_jobs().get(run.job) if run is not None else None
        if run is None or job is None or run.job != run.task.job:
            return error_page(404)
        is_sent = request.method == "POST"
        back = self.get_url(".details_view", id=run.id)
        form = ArgumentsForm(
            job,
            stored=own_arguments(run.task_params),
            masked=tuple(masked_names(run.task_params, job.masked)),
            typed=request.form if is_sent else None,
        )
        token = ConfirmedForm()
        if is_sent and token.validate_on_submit() and form.validate():
            outcome = run_now(
                self.state,
                self.user,
                [run.task_id],
                request.form.get("request_key"),
                arguments=form.values,
                masked=form.masked,
            )
            return self._done(outcome, back)
        if not is_sent:
            form.check_stored()
        page = self.render(
            "taskadmin/runs/arguments.html",
            form=form,
            token=token,
            job=job,
            task=run.task,
            back=back,
            back_label=gettext("Run %(id)s", id=run.id),
        )
        return page, 422 if is_sent else 200

    @expose("/action/", methods=("POST",))
    def action_view(self) -> ResponseReturnValue:
        """Do one of ``ACTIONS``: to one run, to those that are ticked, or to all that match."""
        wanted = run_filter(request.form)
        action = request.form.get("action")
        if wanted is None or action not in ACTIONS:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        back = request.form.get("url") or self.get_url(".index_view", **wanted.given)
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
            sentence = gettext(
                "Nothing was done: looking for the runs took too long. Narrow the search."
            )
            flash(sentence, "danger")
            return redirect(back)
        if is_for_all() and wanted.problem:
            flash(gettext("Nothing was done: %(problem)s", problem=wanted.problem), "danger")
            return redirect(back)
        asks = is_for_all() or (action != RETRY and not is_confirmed())
        if asks and ids:
            question = Question(action, count_by_state(self.database, ids))
            return self.render(
                "taskadmin/runs/confirm.html",
                ids=ids,
                question=question,
                back=back,
                is_newest=request.form.get("newest") == "yes" and len(ids) == MOST,
            )
        if action == RETRY:
            return self._done(retry(self.state, ids, request.form.get("request_key")), back)
        if action == DISCARD:
            return self._done(discard(self.state, ids), back)
        return self._done(cancel(self.state, ids, terminate=action == TERMINATE), back)

    def _all(self, which: Matching) -> list[int]:
        """All that match, or the newest of them where that is asked for (``newest``)."""
        if request.form.get("newest") == "yes":
            return matching_runs.newest_matching(self.database, which)
        return [id_ for batch in matching_runs.matching_runs(self.database, which) for id_ in batch]

    def render(self, template: str, **context: Any) -> str:
        """Add what shows arguments, and the key that keeps a form from being sent twice."""
        rendered: str = super().render(
            template,
            **context,
            request_key=uuid4(),
            arguments_of=arguments_of,
            in_short=in_short,
            in_words=value_in_words,
        )
        return rendered

    def _done(self, outcome: Outcome, back: str) -> ResponseReturnValue:
        """Say what happened, on the page of the new run if there is one."""
        flash(outcome.sentence, outcome.category)
        if outcome.launch_id is not None:
            run_id = run_of_launch(self.database, outcome.launch_id)
            if run_id is not None:
                return redirect(self.get_url(".details_view", id=run_id))
        return redirect(back)

    def _run(self) -> TaskResult | None:
        number = number_of(request.args.get("id"), largest=MAX_BIG_ID)
        return None if number is None else results.find_run(self.database, number)
