"""``flask taskadmin tasks``: look at tasks, and act on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import click

from ..errors import BrokerUnavailable, TaskAdminError
from ..jobs import all_jobs, get_job
from ..jobs.fields import fields_of
from ..jobs.masking import shown
from ..jobs.texts import USE_DEFAULT, parse_text
from ..models import Task, TaskResult, TaskSchedule
from ..schedules import in_words
from ..state import get_state
from ..store import launches, pauses, results, tasks
from ..store.by_hand import launch_by_hand
from ..store.due import next_dues
from ..store.matching_tasks import MatchingTasks, matching_tasks
from ..store.results import why_not
from ..store.schedules import schedule_of
from .as_code import export_command, import_command
from .group import Group, command_line
from .output import as_json, table

#: Runs that ``show`` prints.
_LAST = 5


@click.group("tasks", cls=Group)
def tasks_cli() -> None:
    """Look at tasks, run, pause and resume them, keep them as code."""


tasks_cli.add_command(export_command)
tasks_cli.add_command(import_command)

_json_option = click.option("--json", "for_programs", is_flag=True, help="For programs.")
_ids_argument = click.argument("ids", nargs=-1, type=int, required=True)


@tasks_cli.command("list")
@click.option("--job", help="Tasks of this job only.")
@click.option("--state", type=click.Choice(["active", "paused", "orphaned", "invalid"]))
@_json_option
def list_tasks(job: str | None, state: str | None, for_programs: bool) -> None:
    """List tasks."""
    session = get_state().session
    found = [
        task
        for task_id in matching_tasks(session, MatchingTasks())
        if (task := tasks.find_task(session, task_id)) is not None
        and job in (None, task.job)
        and state in (None, _state_of(task))
    ]
    schedules = next_dues(session, [task.id for task in found])
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
    """Show the task ID: what it runs, when, and what came of it lately."""
    session = get_state().session
    [task] = _found([id])
    job = all_jobs().get(task.job)
    told = _summary(task, next_dues(session, [task.id]).get(task.id))
    told["arguments"] = (
        job.shown(task.arguments, task.masked) if job else shown(task.arguments, task.masked)
    )
    told["reason"] = why_not(task, job)
    pause = pauses.pauses_of(session, [task.id]).get(task.id)
    told["pause"] = pause and {
        "by": pause.pauser.username if pause.pauser else "taskadmin",
        "at": pause.paused_at.isoformat(),
        "note": pause.note,
        "resume_at": pause.resume_at and pause.resume_at.isoformat(),
    }
    runs = results.page_of_runs(session, task_id=task.id, limit=_LAST)
    told["runs"] = [_shown_run(run) for run in runs]
    if for_programs:
        as_json(told)
        return
    for name, value in told.items():
        if name != "runs" and value is not None:
            click.echo(f"{name + ':':<10} {value}")
    if runs:
        click.echo()
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
    help="Another argument than the task's, this once; for one task.",
)
@click.option("--wait", type=float, help="Seconds to wait for the end; 1 is returned if it failed.")
@_json_option
def run(
    ids: tuple[int, ...], given: tuple[str, ...], wait: float | None, for_programs: bool
) -> None:
    """Start one run of each task, paused or not."""
    state = get_state()
    session = state.session
    found = _found(ids)
    arguments, masked = None, frozenset[str]()
    if given:
        if len(found) > 1:
            raise click.ClickException("Other arguments are for one task.")
        arguments, masked = _other_arguments(found[0], given), get_job(found[0].job).masked
    owner = uuid4()
    started = launch_by_hand(
        session,
        [task.id for task in found],
        requested_by=None,
        request_key=uuid4(),
        owner=owner,
        jobs=all_jobs(),
        arguments=arguments,
        masked=masked,
        actor=command_line(),
    )
    sent = True
    try:
        if state.publish is None or not started.runs:
            launches.release(session, started.launch_id, owner)
            sent = False
        else:
            state.publish(started.launch_id, owner)
    except BrokerUnavailable:
        launches.release(session, started.launch_id, owner)
        sent = False
    runs = _wait_for(started.launch_id, wait)
    shown_runs = [_shown_run(one) for one in runs]
    if for_programs:
        as_json({"launch": started.launch_id, "sent": sent, "runs": shown_runs})
    else:
        if started.runs and not sent:
            click.echo("Queued; a launcher sends what the broker didn't take now.")
        table(
            ("run", "task", "state", "result"),
            [(one["id"], one["task"], one["state"], _outcome(one)) for one in shown_runs],
        )
    if any(one.state in ("failed", "skipped", "cancelled") for one in runs):
        raise SystemExit(1)
    if wait is not None and any(one.finished_at is None for one in runs):
        raise click.ClickException(f"Not everything was finished after {wait:g} s.")


@tasks_cli.command("pause")
@_ids_argument
@click.option("--note", help="Why, for whoever looks at it.")
@click.option("--until", help="When it is resumed: a time such as 2027-01-01T09:00:00+01:00.")
def pause(ids: tuple[int, ...], note: str | None, until: str | None) -> None:
    """Keep the launcher from starting tasks; their due times are recorded as skipped."""
    _found(ids)
    count = pauses.pause_tasks(
        get_state().session, ids, actor=command_line(), note=note, resume_at=_moment(until)
    )
    click.echo(f"{count} paused.")


@tasks_cli.command("resume")
@_ids_argument
def resume(ids: tuple[int, ...]) -> None:
    """Let the launcher start tasks again."""
    _found(ids)
    count = pauses.resume_tasks(get_state().session, ids, actor=command_line())
    click.echo(f"{count} resumed.")


def _found(ids: Sequence[int]) -> list[Task]:
    """The tasks of these ids; if one is unknown, nothing is done to any."""
    session = get_state().session
    found = {task_id: tasks.find_task(session, task_id) for task_id in dict.fromkeys(ids)}
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
        next_due = schedule_of(None).next_after(datetime.now(UTC), slot_interval_s=length)
    return {
        "id": task.id,
        "name": task.name,
        "job": task.job,
        "state": _state_of(task),
        "schedule": in_words(schedule_of(row), length),
        "next_due": next_due and next_due.isoformat(timespec="seconds"),
        "author": task.author.username,
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


def _outcome(run: dict[str, Any]) -> Any:
    for name in ("result", "output", "error_type", "reason"):
        if run[name] is not None:
            return run[name]
    return None


def _other_arguments(task: Task, given: Sequence[str]) -> dict[str, Any]:
    """The task's arguments with these texts in their places, as the job stores them."""
    job = get_job(task.job)
    arguments = task.arguments
    fields = {field.name: field for field in fields_of(job)}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.ClickException(f"{name} has no value: write {name}=VALUE.")
        if name not in fields:
            raise click.ClickException(
                f"{job.name} takes no {name}; it takes {', '.join(fields) or 'nothing'}."
            )
        read = parse_text(fields[name], value)
        if read is USE_DEFAULT:
            arguments.pop(name, None)
        else:
            arguments[name] = read
    problems = job.problems(arguments)
    if problems:
        raise click.ClickException(" ".join(map(str, problems)))
    return job.to_json(arguments)


def _wait_for(launch_id: int, seconds: float | None) -> Sequence[TaskResult]:
    session = get_state().session
    deadline = time.monotonic() + (seconds or 0)
    while True:
        session.expire_all()
        runs = results.runs_of_launch(session, launch_id)
        over = all(run.finished_at is not None for run in runs)
        if over or time.monotonic() >= deadline:
            return runs
        session.rollback()
        time.sleep(0.1)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(
            f"{text} is no time; write it as 2027-01-01T09:00:00+01:00."
        ) from None
    if moment.tzinfo is None:
        raise click.ClickException(f"{text} has no zone: add one, such as +00:00.")
    if moment <= datetime.now(UTC):
        raise click.ClickException(f"{text} is over.")
    return moment
