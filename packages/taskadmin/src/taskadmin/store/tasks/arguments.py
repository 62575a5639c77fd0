"""Arguments without secrets, for pages, exports and the API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...jobs import all_jobs, mask_secrets
from ...models import Task, TaskResult
from ...values.showable import showable


def arguments_of(row: Task | TaskResult) -> dict[str, Any]:
    """Return the arguments of a task or run without secrets, even if its job is gone."""
    if isinstance(row, Task):
        return without_secrets(row.job, row.arguments, row.masked)
    return without_secrets(row.job, row.task_params)


def without_secrets(
    job_name: str, given: Mapping[str, object], more: Collection[str] = ()
) -> dict[str, Any]:
    """Return *given* with secrets masked: those of the job, and those named by *more*."""
    job = all_jobs().get(job_name)
    masked = job.masked if job is not None else frozenset()
    return dict(showable(mask_secrets(given, masked | frozenset(more))))
