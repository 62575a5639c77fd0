"""What people do to tasks: run, pause, resume, clone, delete; one, a selection, or all that match."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.actions import action
from flask_admin.helpers import get_redirect_target

from ..errors import TooManyTasks
from ..jobs import all_jobs
from ..models import Task
from ..shell import error_page
from ..store import pauses, tasks
from ..store.matching_tasks import MatchingTasks, matching_tasks
from ..store.run_details import run_of_launch
from .access import MAX_ID, number_of
from .actor import current_actor
from .arguments_form import ArgumentsForm
from .choosing import MAX_TICKED, chosen_ids, is_confirmed, is_for_all
from .forms import ConfirmedForm
from .model_view import ProtectedModelView, searchable
from .pausing import PauseForm
from .run_now import run_now

_ACTIONS = ("run_now", "resume", "pause", "clone", "delete")
#: The tabs of the list, with the column ``enabled`` of what they show.
STATES = {"active": True, "paused": False}
#: Tasks of one transaction.
_BATCH = 1_000
#: Copies that one click makes: each is a task that somebody has to look at.
_MAX_CLONES = 1_000


def filter_of(values: Mapping[str, str]) -> MatchingTasks | None:
    """What an address or a form asks for; None if it can't be meant."""
    state = values.get("state") or None
    if state is not None and state not in STATES:
        return None
    return MatchingTasks(
        text=searchable(values.get("search")), enabled=None if state is None else STATES[state]
    )


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
            flash(f"Nothing was done: select at most {MAX_TICKED:,} tasks.", "danger")
            return redirect(back)
        if filter_of(request.form) is None:
            return error_page(404)
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

    @action("run_now", "Run now")
    def run_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Start one run for each task, paused or not."""
        numbers = self._chosen(ids)
        if is_for_all() and numbers:
            return self._ask("run_now", numbers)
        outcome = run_now(self.state, self.user, numbers, request.form.get("request_key"))
        flash(outcome.sentence, outcome.category)
        return None

    @action("resume", "Resume")
    def resume_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Let the launcher start tasks again."""
        numbers = self._chosen(ids)
        if is_for_all() and numbers:
            return self._ask("resume", numbers)
        actor = current_actor()
        count = _in_batches(
            numbers, lambda batch: pauses.resume_tasks(self.database, batch, actor=actor)
        )
        flash(f"{tasks_in_words(count)} resumed.", "success")
        return None

    @action("pause", "Pause")
    def action_pause(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Ask why and until when, then keep the launcher from starting the tasks."""
        numbers, form = self._chosen(ids), PauseForm()
        confirmed = is_confirmed() and not is_for_all()
        if not numbers:
            flash("Nothing was paused: select the tasks to pause.", "danger")
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
        flash(f"{tasks_in_words(count)} paused.", "success")
        return None

    @action("clone", "Clone")
    def clone_selected(self, ids: Sequence[str]) -> ResponseReturnValue | None:
        """Copy tasks; the copies are paused, and that of a single one is there to be edited."""
        numbers = self._chosen(ids)
        if len(numbers) > _MAX_CLONES:
            flash(f"Nothing was cloned: clone at most {_MAX_CLONES:,} tasks at once.", "danger")
            return None
        if is_for_all() and numbers:
            return self._ask("clone", numbers)
        copies = self._clone(numbers)
        if not copies:
            flash("Nothing was cloned: the tasks are gone, or none was selected.", "danger")
            return None
        if len(copies) == 1:
            flash("This is a paused copy: change it, and resume it when it is ready.", "success")
            return redirect(self.get_url(".edit_view", id=copies[0]))
        flash(f"{tasks_in_words(len(copies))} cloned: the copies are paused.", "success")
        return None

    @action("delete", "Delete")
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
        which = filter_of(request.form)
        assert which is not None  # handle_action has looked
        return chosen_ids(ids, lambda: matching_tasks(self.database, which), largest=MAX_ID)

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
        count = tasks_in_words(sum(counts.tasks for counts in gone))
        results = sum(counts.results for counts in gone)
        with_results = "1 result" if results == 1 else f"{results:,} results"
        flash(f"{count} and {with_results} deleted.", "success")
        return redirect(self.get_url(".index_view"))


def tasks_in_words(count: int) -> str:
    """So many tasks."""
    return "1 task" if count == 1 else f"{count:,} tasks"


def _in_batches(numbers: Sequence[int], act: Callable[[Sequence[int]], int]) -> int:
    return sum(act(numbers[begin : begin + _BATCH]) for begin in range(0, len(numbers), _BATCH))
