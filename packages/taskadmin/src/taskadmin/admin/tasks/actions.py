"""Actions on tasks: run, pause, resume, clone, delete; on one, a selection, or all that match."""

from __future__ import annotations

from collections.abc import Sequence

from flask import flash, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.actions import action

from ... import service
from ...errors import InvalidPause, TooManyTasks, UnknownTask, Unstorable
from ...jobs import all_jobs
from ...search.tasks import TaskFilter, task_filter
from ...store.database import clock
from ...store.reports.matching_tasks import matching_tasks
from ...store.tasks import tasks
from ...translation.i18n import lazy_gettext
from ...translation.texts import gettext, ngettext
from ...values.ids import MAX_ID, parse_id
from ...web.actor import current_actor
from ...web.error_pages import error_page
from ...web.redirects import redirect, requested_url
from ..flask_admin.forms import ConfirmedForm
from ..flask_admin.model_view import ProtectedModelView
from ..flask_admin.selection import MAX_TICKED, chosen_ids, is_confirmed, is_for_all
from ..runs.notices import notice_of, tasks_are_gone
from ..runs.run_form import run_with_arguments
from .pausing import PauseForm

_TASK_ACTIONS = ("run_now", "resume", "pause", "clone", "delete")
#: Maximum copies per action: each is a task that a person has to review.
_MAX_CLONES = 1_000


class TaskActions(ProtectedModelView):
    """The actions of the tasks view."""

    def get_actions_list(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """Return the actions on a selection, harmless ones first."""
        actions, confirmations = super().get_actions_list()
        return sorted(actions, key=lambda pair: _TASK_ACTIONS.index(pair[0])), confirmations

    def handle_action(self, return_view: str | None = None) -> ResponseReturnValue:
        """Run the chosen action, unless too many tasks are selected."""
        back = requested_url() or self.get_url(".index_view")
        if len(request.form.getlist("rowid")) > MAX_TICKED:
            sentence = ngettext(
                "Nothing was done: select at most %(num)s task.",
                "Nothing was done: select at most %(num)s tasks.",
                MAX_TICKED,
            )
            flash(sentence, "danger")
            return redirect(back)
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        wanted = self._wanted()
        if wanted is None or request.form.get("action") not in _TASK_ACTIONS:
            return error_page(404)
        if is_for_all() and wanted.problem:
            flash(gettext("Nothing was done: %(problem)s", problem=wanted.problem), "danger")
            return redirect(back)
        try:
            return super().handle_action(return_view)
        except TooManyTasks as error:
            flash(str(error), "danger")
            return redirect(back)

    @expose("/run/", methods=("GET", "POST"))
    def run_view(self) -> ResponseReturnValue:
        """Run a task once, with a form that starts with its own arguments."""
        number = parse_id(request.args.get("id"))
        task = None if number is None else tasks.find_task(self.database, number)
        job = all_jobs().get(task.job) if task is not None else None
        if task is None or job is None:
            return error_page(404)
        return run_with_arguments(
            self.render,
            task,
            stored=task.arguments,
            masked=job.masked | frozenset(task.masked),
            back=self.get_url(".details_view", id=task.id),
            back_label=str(task),
        )

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> ResponseReturnValue:
        """Delete the task that the form names."""
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        asked = self.state.ask_for_password(None)
        if asked is not None:
            return asked
        number = parse_id(request.form.get("id"))
        return self._delete([] if number is None else [number])

    @action("run_now", lazy_gettext("Run now"))
    def run_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Start one run of each task, paused or not."""
        numbers = self._chosen(ids)
        if is_for_all() and numbers:
            return self._ask("run_now", numbers)
        if not numbers:
            flash(gettext("No run was started: select at least one task."), "danger")
            return None
        key = request.form.get("request_key")
        started = service.start_tasks(numbers, actor=current_actor(), request_key=key)
        notice = notice_of(started, gone=tasks_are_gone())
        flash(notice.sentence, notice.category)
        return None

    @action("resume", lazy_gettext("Resume"))
    def resume_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Let the launcher start the tasks again."""
        numbers = self._chosen(ids)
        if is_for_all() and numbers:
            return self._ask("resume", numbers)
        count = service.resume_tasks(numbers, actor=current_actor())
        if count:
            flash(ngettext("%(num)s task resumed.", "%(num)s tasks resumed.", count), "success")
        else:
            flash(
                gettext("Nothing was resumed: no task was selected, or the tasks no longer exist."),
                "danger",
            )
        return None

    @action("pause", lazy_gettext("Pause"))
    def action_pause(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Ask for a note and an end, then pause the tasks."""
        numbers, form = self._chosen(ids), PauseForm()
        confirmed = is_confirmed() and not is_for_all()
        if not numbers:
            flash(gettext("Nothing was paused: select at least one task."), "danger")
            return None
        count = None
        if confirmed and form.validate():
            try:
                count = service.pause_tasks(
                    numbers, note=form.note.data, resume_at=form.moment, actor=current_actor()
                )
            except InvalidPause:
                form.refuse_moment()
        if count is None:
            page = self.render(
                "taskadmin/tasks/pause.html", ids=numbers, form=form, back=requested_url()
            )
            return page, 422 if confirmed else 200
        if count:
            flash(ngettext("%(num)s task paused.", "%(num)s tasks paused.", count), "success")
        else:
            flash(gettext("Nothing was paused: the tasks no longer exist."), "danger")
        return None

    @action("clone", lazy_gettext("Clone"))
    def clone_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Clone tasks; the copies are paused. The copy of a single task is opened for editing."""
        numbers = self._chosen(ids)
        if len(numbers) > _MAX_CLONES:
            sentence = ngettext(
                "Nothing was cloned: select at most %(num)s task.",
                "Nothing was cloned: select at most %(num)s tasks.",
                _MAX_CLONES,
            )
            flash(sentence, "danger")
            return None
        if is_for_all() and numbers:
            return self._ask("clone", numbers)
        copies, refusals = self._clone(numbers)
        for refusal in refusals:
            flash(refusal, "danger")
        if not copies and refusals:
            return None
        if not copies:
            sentence = gettext(
                "Nothing was cloned: no task was selected, or the tasks no longer exist."
            )
            flash(sentence, "danger")
            return None
        if len(copies) == 1:
            sentence = gettext("This is a paused copy. Edit it, then resume it.")
            flash(sentence, "success")
            return redirect(self.get_url(".edit_view", id=copies[0]))
        sentence = ngettext(
            "%(num)s task cloned: the copy is paused.",
            "%(num)s tasks cloned: the copies are paused.",
            len(copies),
        )
        flash(sentence, "success")
        return None

    @action("delete", lazy_gettext("Delete"))
    def action_delete(self, ids: Sequence[str]) -> ResponseReturnValue:
        """Ask for confirmation with the number of rows, then delete."""
        asked = self.state.ask_for_password(None)
        if asked is not None:
            return asked
        numbers = self._chosen(ids)
        if is_confirmed() and not is_for_all():
            return self._delete(numbers)
        counts = tasks.count_tasks(self.database, numbers)
        return self.render(
            "taskadmin/tasks/delete.html", ids=numbers, counts=counts, back=requested_url()
        )

    def _chosen(self, ids: Sequence[str]) -> list[int]:
        wanted = self._wanted()
        assert wanted is not None  # checked by handle_action
        return chosen_ids(ids, lambda: matching_tasks(self.database, wanted.which), largest=MAX_ID)

    def _wanted(self) -> TaskFilter | None:
        """Parse the filter of the form or of the URL."""
        values = request.form if request.method == "POST" else request.args
        return task_filter(values, moment=clock.now(self.database))

    def _ask(self, name: str, numbers: Sequence[int]) -> ResponseReturnValue:
        return self.render(
            "taskadmin/tasks/confirm.html", action=name, ids=numbers, back=requested_url()
        )

    def _clone(self, numbers: Sequence[int]) -> tuple[list[int], list[str]]:
        """Return the ids of the copies, and messages for tasks that can't be stored any more."""
        actor, copies, refusals = current_actor(), [], []
        for number in numbers:
            try:
                copies.append(service.clone_task(number, actor=actor).id)
            except UnknownTask:
                continue
            except Unstorable as error:
                refusals.append(f"{service.find_task(number) or number}: {error}")
        return copies, refusals

    def _delete(self, numbers: Sequence[int]) -> ResponseReturnValue:
        count, results = service.delete_tasks(numbers, actor=current_actor())
        if not count:
            flash(
                gettext("Nothing was deleted: no task was selected, or the tasks no longer exist."),
                "danger",
            )
            return redirect(self.get_url(".index_view"))
        sentence = gettext(
            "%(tasks)s and %(results)s deleted.",
            tasks=ngettext("%(num)s task", "%(num)s tasks", count),
            results=ngettext("%(num)s result", "%(num)s results", results),
        )
        flash(sentence, "success")
        return redirect(self.get_url(".index_view"))
