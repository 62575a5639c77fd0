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
    max_attempts: int = 1

    def call(self, arguments: Mapping[str, Any]) -> Any:
        """Check *arguments* and call the function with them.

        Raises:
            pydantic.ValidationError: If the arguments don't fit.
        """
        checked = self.arguments.model_validate(arguments)
        return self.function(**dict(checked))


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
