"""Which jobs there are."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from ..errors import UnknownJob
from ..texts import gettext
from .invalid import InvalidJob
from .masking import masked_names, own_arguments, shown
from .problems import Problem, problems_of
from .stored import stored

log = logging.getLogger("taskadmin.jobs")


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

    #: What the function's docstring says about it, without its parameters.
    description: str = ""
    #: Arguments that are never shown, logged or exported.
    masked: frozenset[str] = frozenset()
    #: The parameter that gets the ``Run``; it is none of the arguments.
    run_parameter: str | None = None

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after this failed attempt, counted from 1."""
        return float(min(self.backoff_seconds * 2 ** min(attempt - 1, 30), 3600.0))

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The function's keyword arguments.

        The ledger's own keys, ``author_id`` and ``_masked``, are passed over.

        Raises:
            pydantic.ValidationError: If *arguments* don't fit.
        """
        # As the model's iterator does it, which is slow: models with other fields are refused.
        checked = vars(self.arguments.model_validate(own_arguments(arguments)))
        return {name: value for name, value in checked.items() if not name.startswith("_")}

    def to_json(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as they are stored: JSON that ``check`` turns into the same values.

        Secrets are in plain text.

        Raises:
            pydantic.ValidationError: If *arguments* don't fit.
            pydantic_core.PydanticSerializationError: If a value can't be written as JSON.
        """
        return stored(self.arguments.model_validate(own_arguments(arguments)))

    def shown(self, arguments: Mapping[str, Any], masked: Collection[str] = ()) -> dict[str, Any]:
        """The arguments as people may see them, whether they fit or not."""
        return shown(arguments, self.masked | frozenset(masked))

    def problems(self, arguments: Mapping[str, Any]) -> list[Problem]:
        """What is wrong with *arguments*, in sentences that don't repeat them."""
        masked = self.masked | masked_names(arguments)
        try:
            self.to_json(arguments)
        except ValidationError as error:
            return problems_of(error, self.arguments.model_fields, arguments, masked)
        except PydanticSerializationError:
            return [Problem(None, gettext("These arguments can't be stored as JSON."))]
        except Exception as error:  # noqa: BLE001 - a host's own validator may raise anything
            # One job's broken validator must not keep the tasks of all others from being launched.
            kind = type(error).__name__
            log.warning("Checking the arguments of %s raised %s", self.name, kind)
            return [
                Problem(None, gettext("Checking these arguments raised %(error)s.", error=kind))
            ]
        return []

    def why_invalid(self, arguments: Mapping[str, Any]) -> str | None:
        """What is wrong with *arguments* in one line, or None."""
        return " ".join(map(str, self.problems(arguments))) or None


_jobs: dict[str, Job] = {}


def add_job(job: Job) -> Job:
    """Register *job* for every application of this process.

    Raises:
        InvalidJob: If another job has the name.
    """
    there = _jobs.setdefault(job.name, job)
    if there is not job:
        raise InvalidJob(
            f"There are two jobs called {job.name!r}: rename one. They are "
            f"{_origin(there)} and {_origin(job)}."
        )
    return job


def add_or_replace_job(job: Job) -> Job:
    """Register *job*, also in place of one that the same lines defined: a module was reloaded.

    Raises:
        InvalidJob: If another function's job has the name.
    """
    there = _jobs.get(job.name)
    if there is not None and _origin(there) == _origin(job):
        _jobs[job.name] = job
        return job
    return add_job(job)


def _origin(job: Job) -> str:
    """Module and qualified name of a job's function; of a Celery task, what it runs."""
    function = inspect.unwrap(getattr(job.function, "run", job.function))
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}.{name}"


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
        # A worker stores this: it isn't marked.
        raise UnknownJob(f"No job is registered under the name {name}.") from None
