"""The ``flask taskadmin jobs`` commands."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import func, select

from ..jobs import Job, all_jobs
from ..jobs.fields import fields_of
from ..models import Task
from ..state import get_state
from .group import Group
from .output import as_json, table


@click.group("jobs", cls=Group)
def jobs_cli() -> None:
    """List the jobs that tasks can run."""


@jobs_cli.command("list")
@click.option("--json", "for_programs", is_flag=True, help="Print JSON.")
def list_jobs(for_programs: bool) -> None:
    """List registered jobs with their arguments."""
    query = select(Task.job, func.count()).where(Task.deleted_at.is_(None)).group_by(Task.job)
    rows = get_state().session.execute(query).all()
    counts: dict[str, int] = {row[0]: row[1] for row in rows}
    found = [_shown(job, counts.get(job.name, 0)) for job in _sorted()]
    if for_programs:
        as_json(found)
        return
    lines = [
        (
            job["name"],
            ", ".join(_argument(argument) for argument in job["arguments"]) or "none",
            job["queue"],
            job["max_attempts"],
            job["tasks"],
        )
        for job in found
    ]
    table(("job", "arguments", "queue", "attempts", "tasks"), lines)


def _sorted() -> list[Job]:
    return [job for _, job in sorted(all_jobs().items())]


def _shown(job: Job, tasks: int) -> dict[str, Any]:
    return {
        "name": job.name,
        "description": job.description,
        "queue": job.queue,
        "max_attempts": job.max_attempts,
        "backoff_seconds": job.backoff_seconds,
        "soft_time_limit": job.soft_time_limit,
        "time_limit": job.time_limit,
        "record_start": job.record_start,
        "arguments": [
            {
                "name": one.name,
                "kind": one.kind,
                "required": one.required,
                "default": one.default,
                "masked": one.name in job.masked,
                "help": one.help,
            }
            for one in fields_of(job)
        ],
        "tasks": tasks,
    }


def _argument(argument: dict[str, object]) -> str:
    text = f"{argument['name']}: {argument['kind']}"
    if argument["required"] or argument["masked"]:
        return text
    return f"{text} = {argument['default']}"
