"""Tasks: list, details, create, edit; what is done to them is in ``task_actions``. Superusers only."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose

from ..errors import EditConflict
from ..models import Task
from ..shell import error_page
from ..store import audit, clock, results, tasks
from ..store.audit import Filter
from ..store.matching_tasks import MatchingTasks
from ..store.schedules import find_schedule, input_of
from .access import number_of
from .actor import current_actor
from .exports import formula_safe
from .schedule_form import ScheduleForm, zones
from .shown_arguments import arguments_of, in_short, value_in_words
from .task_actions import STATES, TaskActions, filter_of
from .task_form import TaskFields, TaskForm
from .task_rows import task_rows

#: Runs and changes shown on a task's page.
_RECENT = 20


class TasksView(TaskActions):
    """What superusers manage."""

    list_template = "taskadmin/tasks/list.html"
    details_template = "taskadmin/tasks/details.html"
    form = TaskFields
    column_list = ("name", "author")
    column_sortable_list = ("name",)
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
        """Every task that isn't deleted, and is in the state that the address asks for."""
        return super().get_query().filter(*self._which().conditions())

    def get_count_query(self) -> Any:
        """How many there are."""
        return super().get_count_query().filter(*self._which().conditions())

    def render(self, template: str, **context: Any) -> str:
        """Add what the list shows beside the tasks themselves."""
        if template == self.list_template:
            ids = [task.id for task in context["data"]]
            context["latest"] = results.latest_runs(self.database, ids)
            context["rows"] = task_rows(
                self.database,
                context["data"],
                slot_interval_s=self.state.settings.launch_interval_seconds,
            )
            context["state"] = request.args.get("state") or None
            context["states"] = list(STATES)
        rendered: str = super().render(
            template,
            request_key=uuid4(),
            arguments_of=arguments_of,
            in_short=in_short,
            in_words=value_in_words,
            **context,
        )
        return rendered

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The tasks, by state (``state``) and by name (``search``)."""
        if filter_of(request.args) is None:
            return error_page(404)
        page: ResponseReturnValue = super().index_view()
        return page

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """A task with its next and its last runs, and who changed what."""
        task = self._task()
        if task is None:
            return error_page(404)
        length = self.state.settings.launch_interval_seconds
        schedule = find_schedule(self.database, task.id)
        timing = ScheduleForm(
            None, stored=input_of(schedule), runs=schedule.runs if schedule is not None else 0
        )
        return self.render(
            self.details_template,
            task=task,
            row=task_rows(self.database, [task], slot_interval_s=length)[task.id],
            schedule=schedule,
            timing=timing,
            preview=timing.preview(now=clock.now(self.database), slot_interval_s=length),
            runs=results.page_of_runs(self.database, task_id=task.id, limit=_RECENT),
            changes=audit.page(
                self.database, Filter(subject_kind="task", subject_id=task.id), limit=_RECENT
            ),
        )

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """A new task."""
        form = self._form(None)
        if form.validate_on_submit():
            task = tasks.create_task(
                self.database, author_id=self.user.id, actor=current_actor(), **form.values
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
        form = self._form(task)
        if form.validate_on_submit():
            version = number_of(request.form.get("version")) or 0
            try:
                tasks.update_task(
                    self.database, task, version=version, actor=current_actor(), **form.values
                )
            except EditConflict as conflict:
                task = self._task()  # another look: it may be gone
                if task is None:
                    return error_page(404)
                flash(str(conflict), "danger")
                form.forget_secrets()
                return self._form_page(form, task, 409)
            else:
                flash(f"{task} is saved.", "success")
                return redirect(self.get_url(".details_view", id=task.id))
        return self._form_page(form, task=task)

    @expose("/preview/")
    def preview_view(self) -> ResponseReturnValue:
        """The next runs of a schedule that is being entered: a part of a page, for its script."""
        task = self._task()
        row = find_schedule(self.database, task.id) if task is not None else None
        timing = ScheduleForm(
            request.args, stored=input_of(row), runs=row.runs if row is not None else 0
        )
        now = clock.now(self.database)
        length = self.state.settings.launch_interval_seconds
        timing.read(now=now, slot_interval_s=length)
        return self.render(
            "taskadmin/tasks/preview.html",
            timing=timing,
            preview=timing.preview(now=now, slot_interval_s=length),
        )

    def _task(self) -> Task | None:
        number = number_of(request.args.get("id"))
        return None if number is None else tasks.find_task(self.database, number)

    def _form(self, task: Task | None) -> TaskForm:
        row = find_schedule(self.database, task.id) if task is not None else None
        return TaskForm(
            task,
            stored=input_of(row),
            runs=row.runs if row is not None else 0,
            now=clock.now(self.database),
            slot_interval_s=self.state.settings.launch_interval_seconds,
        )

    def _form_page(
        self, form: TaskForm, task: Task | None, status: int | None = None
    ) -> ResponseReturnValue:
        page = self.render(
            "taskadmin/tasks/form.html",
            form=form,
            task=task,
            preview=form.preview(),
            zones=zones(),
            conflict=status == 409,
        )
        failed = form.has_errors and request.method == "POST"
        return page, status or (422 if failed else 200)

    def _which(self) -> MatchingTasks:
        return filter_of({"state": request.args.get("state", "")}) or MatchingTasks()

    def _apply_search(
        self, query: Any, count_query: Any, joins: Any, count_joins: Any, search: str
    ) -> Any:
        # Flask-Admin's own name. The same rule as for "all that match", which is done unseen.
        conditions = MatchingTasks(text=search).conditions()
        if count_query is not None:
            count_query = count_query.filter(*conditions)
        return query.filter(*conditions), count_query, joins, count_joins
