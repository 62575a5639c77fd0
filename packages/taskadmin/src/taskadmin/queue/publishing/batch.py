"""Group the runs of a batch into messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ...jobs import Job, all_jobs
from ...jobs.declaration.decorator import RUN_TASK
from ...store.runs.results import UnsentRun
from ..celery_app.queues import TOGETHER_TASK
from .messages import Kind


class Message(NamedTuple):
    """A message for one or more runs."""

    kind: Kind
    arguments: Sequence[Any]
    #: Indexes of its runs in the batch.
    places: Sequence[int]


def messages_of(runs: Sequence[UnsentRun], sizes: Mapping[str, int]) -> Iterator[Message]:
    """Yield the messages of a batch, ordered by their first runs."""
    jobs = all_jobs()
    together: dict[tuple[str, str], list[int]] = {}
    for place, run in enumerate(runs):
        most = sizes.get(run.job, 1)
        if most == 1:
            yield _message(runs, [place], jobs.get(run.job))
            continue
        places = together.setdefault((run.job, run.queue), [])
        places.append(place)
        if len(places) == most:
            yield _message(runs, places, jobs.get(run.job))
            del together[run.job, run.queue]
    for (job, _), places in together.items():
        yield _message(runs, places, jobs.get(job))


def _message(runs: Sequence[UnsentRun], places: Sequence[int], job: Job | None) -> Message:
    first = runs[places[0]]
    # A worker decides about jobs that aren't registered here.
    celery_task = job.celery_task if job else RUN_TASK
    arguments: Sequence[Any] = (first.id, first.due_at.isoformat())
    if len(places) > 1:
        celery_task = TOGETHER_TASK
        by_due: dict[datetime, list[int]] = {}
        for place in places:
            by_due.setdefault(runs[place].due_at, []).append(runs[place].id)
        arguments = [(due_at.isoformat(), ids) for due_at, ids in by_due.items()]
    return Message(Kind(celery_task, first.queue), arguments, places)
