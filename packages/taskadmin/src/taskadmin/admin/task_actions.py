"""What people do to tasks: run, pause, resume, clone, delete; one, a selection, or all that match."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.actions import action
from flask_admin.helpers import get_redirect_target

from ..errors import TooManyTasks
from ..i18n import lazy_gettext
from ..jobs import all_jobs
from ..models import Task
from ..shell import error_page
from ..store import clock, pauses, tasks
from ..store.matching_tasks import matching_tasks
from ..store.run_details import run_of_launch
from ..texts import gettext, ngettext
from .access import MAX_ID, number_of
from .actor import current_actor
from .arguments_form import ArgumentsForm
from .choosing import MAX_TICKED, chosen_ids, is_confirmed, is_for_all
from .forms import ConfirmedForm
from .model_view import ProtectedModelView
from .pausing import PauseForm
from .run_now import run_now
from .task_filter import TaskFilter, task_filter

_ACTIONS = ("run_now", "resume", "pause", "clone", "delete")
#: Tasks of one transaction.
_BATCH = 1_000
#: Copies that one click makes: each is a task that somebody has to look at.
_MAX_CLONES = 1_000


class TaskActions(ProtectedModelView):
    """The actions of the view of tasks."""

    def get_actions_list(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """The actions on a selection, the harmless first; Flask-Admin sorts them by method."""
        actions, confirmations = super().get_actions_list()
        return sorted(actions, key=lambda pair: _ACTIONS.index(pair[0])), confirmations

    def handle_action(self, return_view: str | None = None) -> ResponseReturnValue:
        """Do the chosen action, unless it is for more tasks than one action may be."""
        back = get_redirect_target() or self.get_url(".index_view")
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
        if wanted is None or request.form.get("action") not in _ACTIONS:
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
        """Run a task once, with arguments that begin as its own."""
        number = number_of(request.args.get("id"))
        task = None if number is None else tasks.find_task(self.database, number)
        job = all_jobs().get(task.job) if task is not None else None
        if task is None or job is None:
            return error_page(404)
        is_sent = request.method == "POST"
        form = ArgumentsForm(
            job,
            stored=task.arguments,
            masked=tuple(job.masked | frozenset(task.masked)),
            typed=request.form if is_sent else None,
        )
        back = self.get_url(".details_view", id=task.id)
        token = ConfirmedForm()
        if is_sent and token.validate_on_submit() and form.validate():
            outcome = run_now(
                self.state,
                self.user,
                [task.id],
                request.form.get("request_key"),
                arguments=form.values,
                masked=form.masked,
            )
            flash(outcome.sentence, outcome.category)
            launch_id = outcome.launch_id
            run_id = None if launch_id is None else run_of_launch(self.database, launch_id)
            if run_id is None:
                return redirect(back)
            return redirect(self.get_url("taskadmin_runs.details_view", id=run_id))
        if not is_sent:
            form.check_stored()
        page = self.render(
            "taskadmin/runs/arguments.html",
            form=form,
            token=token,
            job=job,
            task=task,
            back=back,
            back_label=str(task),
        )
        return page, 422 if is_sent else 200

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> ResponseReturnValue:
        """Delete the task that the form names."""
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        number = number_of(request.form.get("id"))
        return self._delete([] if number is None else [number])

    @action("run_now", lazy_gettext("Run now"))
    def run_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Start one run for each task, paused or not."""
        numbers = self._chosen(ids)
        if is_for_all() and numbers:
            return self._ask("run_now", numbers)
        outcome = run_now(self.state, self.user, numbers, request.form.get("request_key"))
        flash(outcome.sentence, outcome.category)
        return None

    @action("resume", lazy_gettext("Resume"))
    def resume_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Let the launcher start tasks again."""
        numbers = self._chosen(ids)
        if is_for_all() and numbers:
            return self._ask("resume", numbers)
        actor = current_actor()
        count = _in_batches(
            numbers, lambda batch: pauses.resume_tasks(self.database, batch, actor=actor)
        )
        if count:
            flash(ngettext("%(num)s task resumed.", "%(num)s tasks resumed.", count), "success")
        else:
            flash(
                gettext("Nothing was resumed: the tasks are gone, or none was selected."), "danger"
            )
        return None

    @action("pause", lazy_gettext("Pause"))
    def action_pause(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Ask why and until when, then keep the launcher from starting the tasks."""
        numbers, form = self._chosen(ids), PauseForm()
        confirmed = is_confirmed() and not is_for_all()
        if not numbers:
            flash(gettext("Nothing was paused: select the tasks to pause."), "danger")
            return None
        if not (confirmed and form.validate()):
            page = self.render(
                "taskadmin/tasks/pause.html", ids=numbers, form=form, back=get_redirect_target()
            )
            return page, 422 if confirmed else 200
        actor = current_actor()
        count = _in_batches(
            numbers,
            lambda batch: pauses.pause_tasks(
                self.database,
                batch,
                actor=actor,
                note=form.note.data,
                resume_at=form.moment,
            ),
        )
        if count:
            flash(ngettext("%(num)s task paused.", "%(num)s tasks paused.", count), "success")
        else:
            flash(gettext("Nothing was paused: the tasks are gone."), "danger")
        return None

    @action("clone", lazy_gettext("Clone"))
    def clone_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Copy tasks; the copies are paused, and that of a single one is there to be edited."""
        numbers = self._chosen(ids)
        if len(numbers) > _MAX_CLONES:
            sentence = ngettext(
                "Nothing was cloned: clone at most %(num)s task at once.",
                "Nothing was cloned: clone at most %(num)s tasks at once.",
                _MAX_CLONES,
            )
            flash(sentence, "danger")
            return None
        if is_for_all() and numbers:
            return self._ask("clone", numbers)
        copies = self._clone(numbers)
        if not copies:
            sentence = gettext("Nothing was cloned: the tasks are gone, or none was selected.")
            flash(sentence, "danger")
            return None
        if len(copies) == 1:
            sentence = gettext("This is a paused copy: change it, and resume it when it is ready.")
            flash(sentence, "success")
            return redirect(self.get_url(".edit_view", id=copies[0]))
        sentence = ngettext(
            "%(num)s task cloned: the copies are paused.",
            "%(num)s tasks cloned: the copies are paused.",
            len(copies),
        )
        flash(sentence, "success")
        return None

    @action("delete", lazy_gettext("Delete"))
    def action_delete(self, ids: Sequence[str]) -> ResponseReturnValue:
        """Ask with the number of rows that would go, then delete."""
        numbers = self._chosen(ids)
        if is_confirmed() and not is_for_all():
            return self._delete(numbers)
        counts = tasks.count_tasks(self.database, numbers)
        return self.render(
            "taskadmin/tasks/delete.html", ids=numbers, counts=counts, back=get_redirect_target()
        )

    def _chosen(self, ids: Sequence[str]) -> list[int]:
        wanted = self._wanted()
        assert wanted is not None  # handle_action has looked
        return chosen_ids(ids, lambda: matching_tasks(self.database, wanted.which), largest=MAX_ID)

    def _wanted(self) -> TaskFilter | None:
        """The tasks that the form, or the address, asks for."""
        values = request.form if request.method == "POST" else request.args
        return task_filter(values, moment=clock.now(self.database))

    def _ask(self, name: str, numbers: Sequence[int]) -> ResponseReturnValue:
        return self.render(
            "taskadmin/tasks/confirm.html", action=name, ids=numbers, back=get_redirect_target()
        )

    def _clone(self, numbers: Sequence[int]) -> list[int]:
        author_id, actor = self.user.id, current_actor()
        slot_interval_s = self.state.settings.launch_interval_seconds
        copies = []
        for number in numbers:
            task: Task | None = tasks.find_task(self.database, number)
            if task is not None:
                copy = tasks.clone_task(
                    self.database,
                    task,
                    author_id=author_id,
                    slot_interval_s=slot_interval_s,
                    actor=actor,
                )
                copies.append(copy.id)
        return copies

    def _delete(self, numbers: Sequence[int]) -> ResponseReturnValue:
        actor = current_actor()
        gone = [
            tasks.delete_tasks(self.database, numbers[begin : begin + _BATCH], actor=actor)
            for begin in range(0, len(numbers), _BATCH)
        ]
        count = sum(counts.tasks for counts in gone)
        if not count:
            flash(
                gettext("Nothing was deleted: the tasks are gone, or none was selected."), "danger"
            )
            return redirect(self.get_url(".index_view"))
        results = sum(counts.results for counts in gone)
        sentence = gettext(
            "%(tasks)s and %(results)s deleted.",
            tasks=ngettext("%(num)s task", "%(num)s tasks", count),
            results=ngettext("%(num)s result", "%(num)s results", results),
        )
        flash(sentence, "success")
        return redirect(self.get_url(".index_view"))


def _in_batches(numbers: Sequence[int], act: Callable[[Sequence[int]], int]) -> int:
    return sum(act(numbers[begin : begin + _BATCH]) for begin in range(0, len(numbers), _BATCH))
