"""Tasks: list, details, create, edit; what is done to them is in ``task_actions``. Superusers only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from flask import Response, flash, g, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import literal

from .. import i18n
from ..errors import EditConflict
from ..models import Task
from ..shell import error_page
from ..store import audit, clock, tasks
from ..store.audit import Filter
from ..store.matching_tasks import (
    FAILURES,
    MOST,
    MatchingTasks,
    TaskCounts,
    TaskState,
    count_by_state,
    failing_tasks,
)
from ..store.schedules import ScheduleInput, find_schedule, input_of
from ..store.task_lists import ListedRun, charted_runs, last_runs, newest_runs
from ..store.users import usernames_of
from ..texts import gettext
from .access import number_of
from .actor import current_actor
from .schedule_form import ScheduleForm, zones
from .shown_arguments import arguments_of, in_short, value_in_words
from .sparklines import Bar, Sparkline
from .task_actions import TaskActions
from .task_charts import TaskCharts
from .task_export import csv_of, json_of
from .task_filter import TaskFilter
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
    column_default_sort = ("id", True)
    column_auto_select_related = False

    def get_query(self) -> Any:
        """Every task that isn't deleted and that the address asks for."""
        return super().get_query().filter(*self._which().conditions())

    def get_count_query(self) -> Any:
        """How many there are, up to ``MOST`` and one more."""
        # As the tabs count, and no further: over a million tasks it takes long.
        wanted = self._wanted()
        number = self._counts(wanted).by_state[wanted.state] if wanted is not None else 0
        return self.database.query(literal(number))

    def rows_of(
        self, page: int | None, sort_column: Any, *arguments: Any, **options: Any
    ) -> tuple[int | None, Sequence[Task]]:
        """As they are, but failing tasks are looked for once instead of for each statement."""
        wanted = self._wanted()
        failing = self._failing(wanted) if wanted is not None else None
        if failing is None or sort_column is not None:
            found: tuple[int | None, Sequence[Task]] = super().rows_of(
                page, sort_column, *arguments, **options
            )
            return found
        begin = (page or 0) * self.page_size
        ids = failing[begin : begin + self.page_size]
        shown = super().get_query().filter(Task.id.in_(ids)).order_by(Task.id.desc())
        return len(failing), shown.all() if ids else []

    def render(self, template: str, **context: Any) -> str:
        """Add what the list shows beside the tasks themselves."""
        if template == self.list_template:
            context |= self._of_list(context["data"])
        rendered: str = super().render(
            template,
            request_key=uuid4(),
            arguments_of=arguments_of,
            in_short=in_short,
            in_words=value_in_words,
            **context,
        )
        return rendered

    def _of_list(self, shown: list[Task]) -> dict[str, Any]:
        wanted = self._wanted()
        assert wanted is not None  # index_view has looked
        counts = self._counts(wanted)
        runs = last_runs(self.database, [task.id for task in shown])
        return {
            "latest": {task_id: some[-1] for task_id, some in runs.items()},
            "sparklines": {task_id: _sparkline(some) for task_id, some in runs.items()},
            "authors": usernames_of(self.database, {task.created_by for task in shown}),
            "rows": task_rows(
                self.database,
                shown,
                slot_interval_s=self.state.settings.launch_interval_seconds,
                now=wanted.which.moment,
            ),
            "wanted": wanted,
            "search": wanted.search,
            "state": wanted.state,
            "given": wanted.given,
            "states": list(TaskState),
            "counts": counts.by_state,
            "incomplete": _incomplete(wanted, more_failing=counts.more_failing),
            "failures": FAILURES,
            "most": MOST,
        }

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """The tasks, by state (``state``) and by what is searched for (``search``)."""
        if self._wanted() is None:
            return error_page(404)
        page: ResponseReturnValue = super().index_view()
        return page

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> ResponseReturnValue:
        """All tasks that match, sent while they are read."""
        formats = {"csv": (csv_of, "text/csv"), "json": (json_of, "application/json")}
        wanted = self._wanted()
        if wanted is None or export_type not in formats:
            return error_page(404)
        if wanted.problem:
            return error_page(422, wanted.problem)
        write, media_type = formats[export_type]
        lines = write(
            self.database.get_bind(),
            wanted.which,
            slot_interval_s=self.state.settings.launch_interval_seconds,
        )
        return Response(
            lines,
            mimetype=media_type,
            headers={"Content-Disposition": f"attachment; filename=tasks.{export_type}"},
        )

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """A task with its next and its last run; below what the address asks for (``tab``)."""
        tabs = {
            "runs": self._tab_of_runs,
            "chart": self._tab_of_chart,
            "changes": self._tab_of_changes,
            "definition": self._tab_of_definition,
        }
        task, tab = self._task(), request.args.get("tab") or "runs"
        if task is None or tab not in tabs:
            return error_page(404)
        length = self.state.settings.launch_interval_seconds
        runs = last_runs(self.database, [task.id]).get(task.id, ())
        return self.render(
            self.details_template,
            task=task,
            row=task_rows(self.database, [task], slot_interval_s=length)[task.id],
            last=runs[-1] if runs else None,
            sparkline=_sparkline(runs),
            tab=tab,
            **tabs[tab](task),
        )

    def _tab_of_runs(self, task: Task) -> dict[str, Any]:
        return {"runs": newest_runs(self.database, task.id, limit=_RECENT)}

    def _tab_of_chart(self, task: Task) -> dict[str, Any]:
        return {
            "charts": TaskCharts(charted_runs(self.database, task.id)),
            "is_table": request.args.get("as") == "table",
            "seconds": lambda number: timedelta(seconds=number),
        }

    def _tab_of_changes(self, task: Task) -> dict[str, Any]:
        which = Filter(subject_kind="task", subject_id=task.id)
        return {"changes": audit.page(self.database, which, limit=_RECENT)}

    def _tab_of_definition(self, task: Task) -> dict[str, Any]:
        schedule = find_schedule(self.database, task.id)
        timing = ScheduleForm(
            None, stored=input_of(schedule), runs=schedule.runs if schedule is not None else 0
        )
        preview = timing.preview(
            now=clock.now(self.database),
            slot_interval_s=self.state.settings.launch_interval_seconds,
        )
        return {"schedule": schedule, "timing": timing, "preview": preview}

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """A new task."""
        form = self._form(None)
        if form.validate_on_submit():
            task = tasks.create_task(
                self.database, author_id=self.user.id, actor=current_actor(), **form.values
            )
            flash(gettext("%(task)s is created.", task=task), "success")
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
                flash(gettext("%(task)s is saved.", task=task), "success")
                return redirect(self.get_url(".details_view", id=task.id))
        return self._form_page(form, task=task)

    @expose("/preview/")
    def preview_view(self) -> ResponseReturnValue:
        """The next runs of a schedule that is being entered: a part of a page, for its script."""
        task = self._task()
        row = find_schedule(self.database, task.id) if task is not None else None
        timing = ScheduleForm(
            request.args,
            stored=_in_own_zone(input_of(row)),
            runs=row.runs if row is not None else 0,
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
            stored=_in_own_zone(input_of(row)),
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

    def _wanted(self) -> TaskFilter | None:
        # Flask-Admin asks for the query and for the number of rows on its own.
        if "taskadmin_task_filter" not in g:
            g.taskadmin_task_filter = super()._wanted()
        wanted: TaskFilter | None = g.taskadmin_task_filter
        return wanted

    def _counts(self, wanted: TaskFilter) -> TaskCounts:
        """How many tasks there are in each state, counted once for a request."""
        if "taskadmin_task_counts" not in g:
            failing = self._failing(wanted)
            g.taskadmin_task_counts = count_by_state(
                self.database,
                wanted.of_any_state,
                failing=len(failing) if failing is not None else None,
            )
        counts: TaskCounts = g.taskadmin_task_counts
        return counts

    def _failing(self, wanted: TaskFilter) -> Sequence[int] | None:
        """Ids of the failing tasks where those are asked for, looked up once for a request."""
        if wanted.state != TaskState.FAILING:
            return None
        if "taskadmin_failing_tasks" not in g:
            g.taskadmin_failing_tasks = failing_tasks(self.database, wanted.of_any_state)
        failing: Sequence[int] = g.taskadmin_failing_tasks
        return failing

    def _which(self) -> MatchingTasks:
        wanted = self._wanted()
        return wanted.which if wanted is not None else MatchingTasks(nothing=True)


def _incomplete(wanted: TaskFilter, *, more_failing: bool) -> Collection[TaskState | None]:
    """The states (None: all) in which there may be more tasks than are found."""
    if not more_failing:
        return ()
    if TaskState.FAILING in wanted.of_any_state.states:  # the search says so
        return (None, *TaskState)
    return (TaskState.FAILING,)


def _sparkline(runs: Sequence[ListedRun]) -> Sparkline:
    return Sparkline([Bar(run.state, run.took) for run in runs])


def _in_own_zone(stored: ScheduleInput | None) -> ScheduleInput:
    """What is stored; the zone of a schedule that isn't there yet is the reader's."""
    if stored is None or stored.is_plain:
        return ScheduleInput(zone=str(i18n.zone()))
    return stored
