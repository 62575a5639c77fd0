"""Runs: what came of the tasks, and what people do about it. Superusers only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..errors import TooManyRuns
from ..jobs import all_jobs
from ..jobs.masking import masked_names, own_arguments
from ..models import RunState, TaskResult
from ..shell import error_page
from ..store import results, tasks
from ..store.run_actions import MOST, Matching, matching_runs
from ..store.run_details import count_by_state, count_matching, run_of_launch
from .access import MAX_BIG_ID, ProtectedView, number_of
from .arguments_form import ArgumentsForm
from .choosing import MAX_TICKED, chosen_ids, is_confirmed, is_for_all
from .forms import ConfirmedForm
from .launching import Outcome
from .run_actions import ACTIONS, RETRY, TERMINATE, Question, cancel, retry
from .run_now import run_now
from .run_page import run_page
from .shown_arguments import arguments_of, in_short, value_in_words

_PAGE = 50


class RunsView(ProtectedView):
    """Newest first, of all tasks or of one, page by page behind an id."""

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """Runs, by task (``task``) and by state (``state``), older than a run (``before``)."""
        which = _filter(request.args)
        if which is None:
            return error_page(404)
        task = None
        if which.task_id is not None:
            task = tasks.find_task(self.database, which.task_id)
            if task is None:
                return error_page(404)
        state = request.args.get("state")
        runs = results.page_of_runs(
            self.database,
            task_id=which.task_id,
            state=RunState(state) if state is not None else None,
            before_id=number_of(request.args.get("before"), largest=MAX_BIG_ID),
            limit=_PAGE + 1,
        )
        return self.render(
            "taskadmin/runs/list.html",
            runs=runs[:_PAGE],
            more=len(runs) > _PAGE,
            matching=count_matching(self.database, which),
            most=MOST,
            task=task,
            state=state,
            states=list(RunState),
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
            back_label=f"Run {run.id}",
        )
        return page, 422 if is_sent else 200

    @expose("/action/", methods=("POST",))
    def action_view(self) -> ResponseReturnValue:
        """Retry, cancel, or cancel and terminate: one run, those that are ticked, or all that match."""
        which = _filter(request.form)
        action = request.form.get("action")
        if which is None or action not in ACTIONS:
            return error_page(404)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        back = request.form.get("url") or self.get_url(".index_view", **_given(request.form))
        ticked = request.form.getlist("rowid")
        if len(ticked) > MAX_TICKED:
            flash(f"Nothing was done: select at most {MAX_TICKED:,} runs.", "danger")
            return redirect(back)
        try:
            ids = chosen_ids(
                ticked,
                lambda: [id_ for batch in matching_runs(self.database, which) for id_ in batch],
                largest=MAX_BIG_ID,
            )
        except TooManyRuns as error:
            flash(str(error), "danger")
            return redirect(back)
        asks = is_for_all() or (action != RETRY and not is_confirmed())
        if asks and ids:
            question = Question(action, count_by_state(self.database, ids))
            return self.render("taskadmin/runs/confirm.html", ids=ids, question=question, back=back)
        if action == RETRY:
            return self._done(retry(self.state, ids, request.form.get("request_key")), back)
        return self._done(cancel(self.state, ids, terminate=action == TERMINATE), back)

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


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values[name] for name in ("task", "state") if values.get(name)}


def _filter(values: Mapping[str, str]) -> Matching | None:
    """What an address or a form asks for; None if it can't be meant."""
    task_id = number_of(values["task"]) if "task" in values else None
    state = values.get("state")
    if ("task" in values and task_id is None) or (state is not None and state not in set(RunState)):
        return None
    return Matching(task_id=task_id, states=None if state is None else [RunState(state)])
