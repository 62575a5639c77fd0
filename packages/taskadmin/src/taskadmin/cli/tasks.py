"""The ``flask taskadmin tasks`` commands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from .. import service
from ..errors import TaskAdminError
from ..jobs import all_jobs, get_job
from ..jobs.arguments.masking import mask_secrets
from ..jobs.fields import fields_of
from ..jobs.texts import USE_DEFAULT, parse_text
from ..models import Task, TaskResult, TaskSchedule
from ..service import Sending
from ..state import get_state
from ..store.launches.due import schedules_of
from ..store.runs import results
from ..store.runs.results import why_not
from ..store.tasks import pauses
from ..store.tasks.schedules import schedule_of, words_of
from .as_code import export_command, import_command
from .group import Group, command_line
from .output import as_json, one_line, say, table

#: Number of runs that ``show`` prints.
_SHOWN_RUNS = 5
#: What becomes of queued runs that weren't sent.
_UNSENT = {
    Sending.BROKER_AWAY: "A launcher will send what the broker didn't accept.",
    Sending.BY_LAUNCHER: "A launcher will send them.",
    Sending.NO_QUEUE: "A launcher has to send them: this application has no task queue.",
    Sending.DISABLED: "Nothing is sent to workers while Celery's task_always_eager is on.",
}


@click.group("tasks", cls=Group)
def tasks_cli() -> None:
    """Show, run, pause, resume, export and import tasks."""


tasks_cli.add_command(export_command)
tasks_cli.add_command(import_command)

_json_option = click.option("--json", "for_programs", is_flag=True, help="Print JSON.")
_ids_argument = click.argument("ids", nargs=-1, type=int, required=True)


@tasks_cli.command("list")
@click.option("--job", help="Only tasks of this job.")
@click.option(
    "--state",
    type=click.Choice(["active", "paused", "orphaned", "invalid"]),
    help="Only tasks in this state.",
)
@_json_option
def list_tasks(job: str | None, state: str | None, for_programs: bool) -> None:
    """List tasks."""
    session = get_state().session
    found = [task for task in service.find_tasks(job=job) if state in (None, _state_of(task))]
    schedules = schedules_of(session, [task.id for task in found])
    rows = [_summary(task, schedules.get(task.id)) for task in found]
    if for_programs:
        as_json(rows)
        return
    table(
        ("id", "task", "job", "state", "schedule", "next run", "author"),
        [
            (
                *(row["id"], row["name"] or "–", row["job"], row["state"]),
                *(row["schedule"], row["next_due"], row["author"]),
            )
            for row in rows
        ],
    )


@tasks_cli.command("show")
@click.argument("id", type=int)
@_json_option
def show(id: int, for_programs: bool) -> None:  # noqa: A002 - the argument's name
    """Show the task ID, its schedule and its latest runs."""
    session = get_state().session
    [task] = _found([id])
    job = all_jobs().get(task.job)
    told = _summary(task, schedules_of(session, [task.id]).get(task.id))
    told["arguments"] = (
        job.mask_secrets(task.arguments, task.masked)
        if job
        else mask_secrets(task.arguments, task.masked)
    )
    told["reason"] = why_not(task, job)
    pause = pauses.pauses_of(session, [task.id]).get(task.id)
    told["pause"] = pause and {
        "by": pause.pauser.username if pause.pauser else "taskadmin",
        "at": pause.paused_at.isoformat(),
        "note": pause.note,
        "resume_at": pause.resume_at and pause.resume_at.isoformat(),
    }
    runs = results.page_of_runs(session, task_id=task.id, limit=_SHOWN_RUNS)
    told["runs"] = [_shown_run(run) for run in runs]
    if for_programs:
        as_json(told)
        return
    for name, value in told.items():
        if name != "runs" and value is not None:
            say(f"{name + ':':<10} {one_line(value)}")
    if runs:
        say()
        table(
            ("run", "due", "state", "result"),
            [(run["id"], run["due_at"], run["state"], _outcome(run)) for run in told["runs"]],
        )


@tasks_cli.command("run")
@_ids_argument
@click.option(
    "--arg",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Override an argument for this run; only for a single task.",
)
@click.option(
    "--wait", type=float, help="Seconds to wait for the runs to finish; exits with 1 if one fails."
)
@_json_option
def run(
    ids: tuple[int, ...], given: tuple[str, ...], wait: float | None, for_programs: bool
) -> None:
    """Start one run of each task, paused or not."""
    found = _found(ids)
    if not given:
        started = service.start_tasks([task.id for task in found], actor=command_line())
    elif len(found) > 1:
        raise click.ClickException("--arg works with a single task only.")
    else:
        arguments = _other_arguments(found[0], given)
        started = service.start_task(found[0].id, arguments=arguments, actor=command_line())
    sent = started.sending is Sending.SENT
    runs = _wait_for(started.launch_ids, wait)
    shown_runs = [_shown_run(one) for one in runs]
    if for_programs:
        as_json({"launch": started.launch_ids[0], "sent": sent, "runs": shown_runs})
    else:
        if reason := _UNSENT.get(started.sending):
            say(f"Queued. {reason}")
        table(
            ("run", "task", "state", "result"),
            [(one["id"], one["task"], one["state"], _outcome(one)) for one in shown_runs],
        )
    if any(one.state in ("failed", "skipped", "cancelled") for one in runs):
        raise SystemExit(1)
    if wait is not None and any(one.finished_at is None for one in runs):
        raise click.ClickException(f"Not all runs finished within {wait:g} s.")


@tasks_cli.command("pause")
@_ids_argument
@click.option("--note", help="Reason, shown with the task.")
@click.option("--until", help="Resume at this time, such as 2027-01-01T09:00:00+01:00.")
def pause(ids: tuple[int, ...], note: str | None, until: str | None) -> None:
    """Pause tasks: the launcher skips and records their due times."""
    _found(ids)
    count = service.pause_tasks(ids, note=note, resume_at=_moment(until), actor=command_line())
    say(f"{count} paused.")


@tasks_cli.command("resume")
@_ids_argument
def resume(ids: tuple[int, ...]) -> None:
    """Resume paused tasks."""
    _found(ids)
    count = service.resume_tasks(ids, actor=command_line())
    say(f"{count} resumed.")


def _found(ids: Sequence[int]) -> list[Task]:
    """Return the tasks with these ids; fail before any change if one is unknown."""
    found = {task_id: service.find_task(task_id) for task_id in dict.fromkeys(ids)}
    unknown = [str(task_id) for task_id, task in found.items() if task is None]
    if unknown:
        raise TaskAdminError(f"There is no task {', '.join(unknown)}; nothing was done.")
    return [task for task in found.values() if task is not None]


def _state_of(task: Task) -> str:
    job = all_jobs().get(task.job)
    if job is None:
        return "orphaned"
    if why_not(task, job) is not None:
        return "invalid"
    return "active" if task.enabled else "paused"


def _summary(task: Task, row: TaskSchedule | None) -> dict[str, Any]:
    length = get_state().settings.launch_interval_seconds
    if row is not None:
        next_due = row.next_due
    else:
        next_due = schedule_of(None).next_after(datetime.now(UTC), slot_interval_seconds=length)
    return {
        "id": task.id,
        "name": task.name,
        "job": task.job,
        "state": _state_of(task),
        "schedule": words_of(row, length),
        "next_due": next_due and next_due.isoformat(timespec="seconds"),
        "author": task.author_name,
    }


def _shown_run(run: TaskResult) -> dict[str, Any]:
    return {
        "id": run.id,
        "task": run.task_id,
        "due_at": run.due_at.isoformat(timespec="seconds"),
        "state": str(run.state),
        "result": run.result,
        "output": run.output,
        "error_type": run.error_type,
        "reason": run.reason,
    }


def _outcome(run: dict[str, object]) -> Any:
    for name in ("result", "output", "error_type", "reason"):
        if run[name] is not None:
            return run[name]
    return None


def _other_arguments(task: Task, given: Sequence[str]) -> dict[str, Any]:
    """Return the task's arguments with *given* overrides, not validated yet."""
    job = get_job(task.job)
    arguments = task.arguments
    fields = {field.name: field for field in fields_of(job)}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.ClickException(f"{name} has no value; write {name}=VALUE.")
        if name not in fields:
            raise click.ClickException(
                f"{job.name} takes no {name}; it takes {', '.join(fields) or 'nothing'}."
            )
        read = parse_text(fields[name], value)
        if read is USE_DEFAULT:
            arguments.pop(name, None)
        else:
            arguments[name] = read
    return arguments


def _wait_for(launch_ids: Sequence[int], seconds: float | None) -> Sequence[TaskResult]:
    session = get_state().session
    deadline = time.monotonic() + (seconds or 0)
    while True:
        session.expire_all()
        runs = [run for one in launch_ids for run in results.runs_of_launch(session, one)]
        over = all(run.finished_at is not None for run in runs)
        if over or time.monotonic() >= deadline:
            return runs
        session.rollback()
        time.sleep(0.1)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(
            f"{text} is not a time; write it as 2027-01-01T09:00:00+01:00."
        ) from None
