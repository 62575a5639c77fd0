"""Tasks: list, details, create, edit, delete, run now. Superusers only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from flask_admin.actions import action

from ..errors import EditConflict
from ..models import GENERATE_RANDOM_NUMBER, Task
from ..shell import error_page
from ..store import results, tasks
from .access import MAX_ID, number_of
from .exports import formula_safe
from .forms import ConfirmedForm, TaskForm
from .model_view import ProtectedModelView
from .run_now import run_now

#: Runs shown on a task's page.
_RECENT_RUNS = 20
#: Twenty pages of the list; SQLite takes 32,766 parameters, PostgreSQL 65,535.
_MAX_SELECTION = 1000
_ACTIONS = ("run_now", "enable", "disable", "delete")


class TasksView(ProtectedModelView):
    """What superusers manage."""

    list_template = "taskadmin/tasks/list.html"
    details_template = "taskadmin/tasks/details.html"
    form = TaskForm
    column_list = ("name", "lower_limit", "upper_limit", "enabled", "author", "updated_at")
    column_sortable_list = ("name", "lower_limit", "upper_limit", "enabled", "updated_at")
    column_searchable_list = ("name",)
    column_default_sort = ("id", True)
    column_select_related_list = (Task.author,)
    can_export = True
    export_max_rows = 100_000
    column_export_list = (
        *("id", "name", "job", "lower_limit", "upper_limit", "enabled"),
        *("author", "created_at", "updated_at"),
    )
    column_formatters_export = dict.fromkeys(("name", "job", "author"), formula_safe)

    def get_query(self) -> Any:
        """Every task that isn't deleted."""
        return super().get_query().filter(Task.deleted_at.is_(None))

    def get_count_query(self) -> Any:
        """How many there are."""
        return super().get_count_query().filter(Task.deleted_at.is_(None))

    def get_actions_list(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """The actions on a selection, the harmless first; Flask-Admin sorts them by method."""
        actions, confirmations = super().get_actions_list()
        return sorted(actions, key=lambda pair: _ACTIONS.index(pair[0])), confirmations

    def render(self, template: str, **context: Any) -> str:
        """Add what the list shows beside the tasks themselves."""
        if template == self.list_template:
            ids = [task.id for task in context["data"]]
            context["latest"] = results.latest_runs(self.database, ids)
        rendered: str = super().render(template, request_key=uuid4(), **context)
        return rendered

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """A task with its last runs."""
        task = self._task()
        if task is None:
            return error_page(404)
        runs = results.page_of_runs(self.database, task_id=task.id, limit=_RECENT_RUNS)
        return self.render(self.details_template, task=task, runs=runs)

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """A new task."""
        form = TaskForm()
        if form.validate_on_submit():
            task = tasks.create_task(
                self.database,
                author_id=self.user.id,
                name=form.name.data,
                arguments=form.arguments,
                enabled=form.enabled.data,
            )
            flash(f"{task} is created.", "success")
            return redirect(self.get_url(".details_view", id=task.id))
        return self._form_page(form, task=None)

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """Change a task; its author stays."""
        task = self._task()
        if task is None:
            return error_page(404)
        form = TaskForm(obj=task)
        if task.job != GENERATE_RANDOM_NUMBER:
            form.keep_arguments(task.arguments)
        if form.validate_on_submit():
            try:
                tasks.update_task(
                    self.database,
                    task,
                    version=number_of(request.form.get("version")) or 0,
                    name=form.name.data,
                    arguments=form.arguments,
                    enabled=form.enabled.data,
                )
            except EditConflict as conflict:
                task = self._task()  # another look: it may be gone
                if task is None:
                    return error_page(404)
                flash(str(conflict), "danger")
                return self._form_page(form, task, 409)
            else:
                flash(f"{task} is saved.", "success")
                return redirect(self.get_url(".details_view", id=task.id))
        return self._form_page(form, task=task)

    @expose("/delete/", methods=("POST",))
    def delete_view(self) -> ResponseReturnValue:
        """Delete the task that the form names."""
        if not ConfirmedForm().validate_on_submit():
            return error_page(400)
        return self._delete(_ids([request.form.get("id", "")]))

    def handle_action(self, return_view: str | None = None) -> ResponseReturnValue:
        """Do the chosen action, unless more tasks are selected than one statement can name."""
        if len(request.form.getlist("rowid")) > _MAX_SELECTION:
            flash(f"Nothing was done: select at most {_MAX_SELECTION:,} tasks.", "danger")
            return redirect(self.get_url(".index_view"))
        return super().handle_action(return_view)

    @action("run_now", "Run now")
    def run_selected(self, ids: Sequence[str]) -> None:
        """Start one run for each selected task, or for the one whose button it was."""
        only = request.args.get("only")
        numbers = _ids(ids if only is None else [only])
        flash(*run_now(self.state, self.user, numbers, request.form.get("request_key")))

    @action("enable", "Enable")
    def enable_selected(self, ids: Sequence[str]) -> None:
        """Let the launcher start the selected tasks."""
        count = tasks.set_enabled(self.database, _ids(ids), True)
        flash(f"{_tasks(count)} enabled.", "success")

    @action("disable", "Disable")
    def disable_selected(self, ids: Sequence[str]) -> None:
        """Keep the launcher from starting the selected tasks."""
        count = tasks.set_enabled(self.database, _ids(ids), False)
        flash(f"{_tasks(count)} disabled.", "success")

    @action("delete", "Delete")
    def action_delete(self, ids: Sequence[str]) -> ResponseReturnValue:
        """Ask with the number of rows that would go, then delete."""
        numbers = _ids(ids)
        if request.form.get("confirmed") == "yes":
            return self._delete(numbers)
        counts = tasks.count_tasks(self.database, numbers)
        return self.render("taskadmin/tasks/delete.html", ids=numbers, counts=counts)

    def _task(self) -> Task | None:
        number = number_of(request.args.get("id"))
        return None if number is None else tasks.find_task(self.database, number)

    def _form_page(
        self, form: TaskForm, task: Task | None, status: int | None = None
    ) -> ResponseReturnValue:
        page = self.render("taskadmin/tasks/form.html", form=form, task=task)
        return page, status or (422 if form.errors else 200)

    def _delete(self, ids: Sequence[int]) -> ResponseReturnValue:
        gone = tasks.delete_tasks(self.database, ids)
        flash(f"{_tasks(gone.tasks)} and {_results(gone.results)} deleted.", "success")
        return redirect(self.get_url(".index_view"))


def _ids(texts: Sequence[str]) -> list[int]:
    numbers = (number_of(text, largest=MAX_ID) for text in texts)
    return [number for number in numbers if number is not None]


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count:,} tasks"


def _results(count: int) -> str:
    return "1 result" if count == 1 else f"{count:,} results"
