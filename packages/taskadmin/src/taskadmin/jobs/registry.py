"""Which jobs there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from ..errors import UnknownJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A function that tasks can run, and how it is run.

    ``arguments`` checks a task's arguments in the form and again on the worker;
    the function gets its fields as keyword arguments.
    """

    name: str
    function: Callable[..., Any]
    arguments: type[BaseModel]
    #: Name of the Celery task whose messages start a run.
    celery_task: str
    queue: str
    #: Whether a run is claimed and shown as running before the function is called. Without it
    #: a run costs one statement less, and a worker that dies may have it executed twice sooner.
    record_start: bool = True
    #: How often the function is called until it succeeds.
    max_attempts: int = 1
    #: Seconds from the first failed attempt to the second; each further wait is twice as long.
    backoff_seconds: float = 10.0
    #: Seconds after which ``SoftTimeLimitExceeded`` is raised inside the function.
    soft_time_limit: float | None = None
    #: Seconds after which the process is killed. Below half an hour: RabbitMQ then takes the
    #: message back and closes the connection.
    time_limit: float = 1500.0

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after this failed attempt, counted from 1."""
        return float(min(self.backoff_seconds * 2 ** min(attempt - 1, 30), 3600.0))

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The function's keyword arguments.

        Raises:
            pydantic.ValidationError: If *arguments* don't fit.
        """
        return dict(self.arguments.model_validate(arguments))


_jobs: dict[str, Job] = {}


def add_job(job: Job) -> Job:
    """Register *job* for every application of this process.

    Raises:
        ValueError: If another job has the name.
    """
    if _jobs.setdefault(job.name, job) is not job:
        raise ValueError(f"There are two jobs called {job.name!r}: rename one.")
    return job


def all_jobs() -> Mapping[str, Job]:
    """The registered jobs by name."""
    return MappingProxyType(_jobs)


def get_job(name: str) -> Job:
    """The job of this name.

    Raises:
        UnknownJob: If there is none.
    """
    try:
        return _jobs[name]
    except KeyError:
        raise UnknownJob(f"No job is registered under the name {name}.") from None
