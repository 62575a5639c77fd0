"""Tasks pages: list, details, create and edit. Superusers only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from flask import flash, g, request
from flask.typing import ResponseReturnValue
from flask_admin import expose
from sqlalchemy import literal

from ... import service
from ...errors import EditConflict, InvalidArguments, UnknownTask
from ...models import Task
from ...schedules import InvalidSchedule
from ...search.tasks import TaskFilter
from ...store.database import clock
from ...store.notifications.channels import list_rules
from ...store.people import audit
from ...store.people.audit import Filter
from ...store.people.users import usernames_of
from ...store.reports.matching import MAX_MATCHING
from ...store.reports.matching_tasks import (
    SEARCHED_FAILURES,
    MatchingTasks,
    TaskCounts,
    TaskState,
    count_tasks_by_state,
    failing_task_ids,
)
from ...store.runs.lists import ListedRun, charted_runs, last_runs, newest_runs
from ...store.tasks import tasks
from ...store.tasks.schedules import ScheduleInput, find_schedule, input_of
from ...translation import i18n
from ...translation.texts import gettext
from ...values.ids import parse_id
from ...values.tracebacks import message_of
from ...web.actor import current_actor
from ...web.error_pages import error_page
from ...web.redirects import redirect
from ..arguments.display import OF_TEMPLATES
from ..drawing.sparklines import Bar, Sparkline
from ..flask_admin.export import download
from .actions import TaskActions
from .charts import TaskCharts
from .export import TASK_COLUMNS, exported_tasks
from .form import TaskFields, TaskForm
from .rows import task_rows
from .schedule_form import ScheduleForm, zones

#: Number of runs and changes on a task's page.
_RECENT_ROWS = 20


class TasksView(TaskActions):
    """The tasks view."""

    list_template = "taskadmin/tasks/list.html"
    details_template = "taskadmin/tasks/details.html"
    form = TaskFields
    column_list = ("name", "author")
    column_sortable_list = ("name",)
    column_default_sort = ("id", True)
    column_auto_select_related = False

    def get_query(self) -> Any:
        """Query the tasks that match the URL and aren't deleted."""
        return super().get_query().filter(*self._which().conditions())

    def get_count_query(self) -> Any:
        """Count the matching tasks, up to ``MAX_MATCHING`` + 1."""
        # Uses the capped counts of the tabs: a full count of a million tasks is slow.
        wanted = self._wanted()
        number = self._counts(wanted).by_state[wanted.state] if wanted is not None else 0
        return self.database.query(literal(number))

    def rows_of(
        self, page: int | None, sort_column: Any, *arguments: Any, **options: Any
    ) -> tuple[int | None, Sequence[Task]]:
        """Return the rows of a page; failing tasks are looked up only once per request."""
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
        """Add what the list shows besides the tasks themselves."""
        if template == self.list_template:
            context |= self._of_list(context["data"])
        ids = context.get("ids", ())
        if len(ids) == 1:  # pages that ask about one task name it
            context["only"] = tasks.find_task(self.database, ids[0])
        rendered: str = super().render(
            template,
            **context,
            request_key=uuid4(),
            message_of=message_of,
            can_tell=self.state.check_channel_address is not None,
            **OF_TEMPLATES,
        )
        return rendered

    def _of_list(self, shown: list[Task]) -> dict[str, Any]:
        wanted = self._wanted()
        assert wanted is not None  # checked by index_view
        counts = self._counts(wanted)
        runs = last_runs(self.database, [task.id for task in shown])
        return {
            "latest": {task_id: some[-1] for task_id, some in runs.items()},
            "sparklines": {task_id: _sparkline(some) for task_id, some in runs.items()},
            "authors": usernames_of(self.database, {task.created_by for task in shown}),
            "rows": task_rows(
                self.database,
                shown,
                slot_interval_seconds=self.state.settings.launch_interval_seconds,
                now=wanted.which.moment,
            ),
            "wanted": wanted,
            "search": wanted.search,
            "state": wanted.state,
            "given": wanted.given,
            "states": list(TaskState),
            "counts": counts.by_state,
            "incomplete": _incomplete(wanted, more_failing=counts.more_failing),
            "failures": SEARCHED_FAILURES,
            "most": MAX_MATCHING,
        }

    @expose("/")
    def index_view(self) -> ResponseReturnValue:
        """List tasks by state (``state``) and search (``search``)."""
        if self._wanted() is None:
            return error_page(404)
        page: ResponseReturnValue = super().index_view()
        return page

    @expose("/export/<export_type>/")
    def export(self, export_type: str) -> ResponseReturnValue:
        """Stream all matching tasks as a file."""
        wanted = self._wanted()
        if wanted is None or export_type not in ("csv", "json"):
            return error_page(404)
        if wanted.problem:
            return error_page(422, wanted.problem)
        tasks_ = exported_tasks(
            self.database.get_bind(),
            wanted.which,
            slot_interval_seconds=self.state.settings.launch_interval_seconds,
        )
        return download(tasks_, TASK_COLUMNS, f"tasks.{export_type}")

    @expose("/details/")
    def details_view(self) -> ResponseReturnValue:
        """Show a task with its next and last run, and the tab in the URL (``tab``)."""
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
            row=task_rows(self.database, [task], slot_interval_seconds=length)[task.id],
            last=runs[-1] if runs else None,
            sparkline=_sparkline(runs),
            tab=tab,
            **tabs[tab](task),
        )

    def _tab_of_runs(self, task: Task) -> dict[str, Any]:
        return {"runs": newest_runs(self.database, task.id, limit=_RECENT_ROWS)}

    def _tab_of_chart(self, task: Task) -> dict[str, Any]:
        return {
            "charts": TaskCharts(charted_runs(self.database, task.id)),
            "is_table": request.args.get("as") == "table",
            "seconds": lambda number: timedelta(seconds=number),
        }

    def _tab_of_changes(self, task: Task) -> dict[str, Any]:
        which = Filter(subject_kind="task", subject_id=task.id)
        return {"changes": audit.page(self.database, which, limit=_RECENT_ROWS)}

    def _tab_of_definition(self, task: Task) -> dict[str, Any]:
        schedule = find_schedule(self.database, task.id)
        timing = ScheduleForm(
            None, stored=input_of(schedule), runs=schedule.runs if schedule is not None else 0
        )
        preview = timing.preview(
            now=clock.now(self.database),
            slot_interval_seconds=self.state.settings.launch_interval_seconds,
        )
        told = dict.fromkeys(channel.name for _, channel, _ in list_rules(self.database, task))
        return {"schedule": schedule, "timing": timing, "preview": preview, "told": told}

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        """Create a task."""
        form = self._form(None)
        if form.validate_on_submit():
            try:
                task = service.create_task(actor=current_actor(), **form.values)
            except (InvalidArguments, InvalidSchedule) as error:
                form.refuse(error)
            else:
                flash(gettext("%(task)s created.", task=task), "success")
                return redirect(self.get_url(".details_view", id=task.id))
        return self._form_page(form, task=None)

    @expose("/edit/", methods=("GET", "POST"))
    def edit_view(self) -> ResponseReturnValue:
        """Edit a task; its author stays the same."""
        task = self._task()
        if task is None:
            return error_page(404)
        form = self._form(task)
        if form.validate_on_submit():
            version = parse_id(request.form.get("version")) or 0
            try:
                service.edit_task(task.id, version=version, actor=current_actor(), **form.values)
            except (EditConflict, UnknownTask) as conflict:
                task = self._task()  # look again: it may have been deleted
                if task is None:
                    return error_page(404)
                flash(str(conflict), "danger")
                form.forget_secrets()
                return self._form_page(form, task, 409)
            except (InvalidArguments, InvalidSchedule) as error:
                form.refuse(error)
            else:
                flash(gettext("%(task)s saved.", task=task), "success")
                return redirect(self.get_url(".details_view", id=task.id))
        return self._form_page(form, task=task)

    @expose("/preview/")
    def preview_view(self) -> ResponseReturnValue:
        """Return the preview of a schedule form as an HTML fragment."""
        task = self._task()
        row = find_schedule(self.database, task.id) if task is not None else None
        timing = ScheduleForm(
            request.args,
            stored=_in_own_zone(input_of(row)),
            runs=row.runs if row is not None else 0,
        )
        now = clock.now(self.database)
        length = self.state.settings.launch_interval_seconds
        timing.read(now=now, slot_interval_seconds=length)
        return self.render(
            "taskadmin/tasks/preview.html",
            timing=timing,
            preview=timing.preview(now=now, slot_interval_seconds=length),
        )

    def _task(self) -> Task | None:
        number = parse_id(request.args.get("id"))
        return None if number is None else tasks.find_task(self.database, number)

    def _form(self, task: Task | None) -> TaskForm:
        row = find_schedule(self.database, task.id) if task is not None else None
        return TaskForm(
            task,
            stored=_in_own_zone(input_of(row)),
            runs=row.runs if row is not None else 0,
            now=clock.now(self.database),
            slot_interval_seconds=self.state.settings.launch_interval_seconds,
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
        # Flask-Admin asks for the query and the row count separately.
        if "taskadmin_task_filter" not in g:
            g.taskadmin_task_filter = super()._wanted()
        wanted: TaskFilter | None = g.taskadmin_task_filter
        return wanted

    def _counts(self, wanted: TaskFilter) -> TaskCounts:
        """Return the number of tasks in each state, counted once per request."""
        if "taskadmin_task_counts" not in g:
            failing = self._failing(wanted)
            g.taskadmin_task_counts = count_tasks_by_state(
                self.database,
                wanted.of_any_state,
                failing=len(failing) if failing is not None else None,
            )
        counts: TaskCounts = g.taskadmin_task_counts
        return counts

    def _failing(self, wanted: TaskFilter) -> Sequence[int] | None:
        """Return the ids of failing tasks if the filter needs them, looked up once per request."""
        if wanted.state != TaskState.FAILING:
            return None
        if "taskadmin_failing_tasks" not in g:
            g.taskadmin_failing_tasks = failing_task_ids(self.database, wanted.of_any_state)
        failing: Sequence[int] = g.taskadmin_failing_tasks
        return failing

    def _which(self) -> MatchingTasks:
        wanted = self._wanted()
        return wanted.which if wanted is not None else MatchingTasks(nothing=True)


def _incomplete(wanted: TaskFilter, *, more_failing: bool) -> Collection[TaskState | None]:
    """Return the states (None: all) that may have more tasks than were found."""
    if not more_failing:
        return ()
    if TaskState.FAILING in wanted.of_any_state.states:  # named in the search
        return (None, *TaskState)
    return (TaskState.FAILING,)


def _sparkline(runs: Sequence[ListedRun]) -> Sparkline:
    return Sparkline([Bar(run.state, run.took) for run in runs])


def _in_own_zone(stored: ScheduleInput | None) -> ScheduleInput:
    """Return the stored schedule; a new one starts in the reader's zone."""
    if stored is None or stored.is_plain:
        return ScheduleInput(zone=i18n.zone_name())
    return stored
