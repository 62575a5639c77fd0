"""The registry of jobs."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from ..errors import UnknownJob, Unstorable
from ..translation.texts import gettext
from ..values.storable import check_value
from ..values.type_names import class_name
from .arguments.masking import mask_secrets, masked_names, own_arguments
from .arguments.problems import ArgumentProblem, problems_of
from .arguments.stored import stored_form
from .invalid import InvalidJob

log = logging.getLogger("taskadmin.jobs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A function that tasks can run, and its options.

    ``arguments`` validates a task's arguments in the form and again on the worker; the function
    gets its fields as keyword arguments.
    """

    name: str
    function: Callable[..., Any]
    arguments: type[BaseModel]
    #: Name of the Celery task whose messages start a run.
    celery_task: str
    queue: str
    #: Whether a run is claimed and shown as running before the function is called. Without this, a
    #: run costs one statement less, but is more likely to be executed twice if a worker dies.
    record_start: bool = True
    #: Maximum calls of the function until it succeeds.
    max_attempts: int = 1
    #: Seconds between the first failed attempt and the second; doubled for each further attempt.
    backoff_seconds: float = 10.0
    #: Seconds after which ``SoftTimeLimitExceeded`` is raised inside the function.
    soft_time_limit: float | None = None
    #: Seconds after which the process is killed. Less than half an hour: RabbitMQ then closes the
    #: channel and redelivers the message.
    time_limit: float = 1500.0

    #: The function's docstring, without its parameters.
    description: str = ""
    #: Arguments that are never shown, logged or exported.
    masked: frozenset[str] = frozenset()
    #: The parameter that receives the ``Run``; not an argument.
    run_parameter: str | None = None

    def delay_after(self, attempt: int) -> float:
        """Return the seconds to wait after this failed attempt, counted from 1."""
        return float(min(self.backoff_seconds * 2 ** min(attempt - 1, 30), 3600.0))

    def check(self, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Validate *arguments* and return the function's keyword arguments.

        The keys ``author_id`` and ``_masked``, which taskadmin adds, are ignored.

        Raises:
            pydantic.ValidationError: If *arguments* don't fit.
        """
        # Like the model's iterator, which is slow; models with other fields are refused.
        checked = vars(self.arguments.model_validate(own_arguments(arguments)))
        return {name: value for name, value in checked.items() if not name.startswith("_")}

    def to_json(self, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Return the arguments in stored form: JSON that ``check`` turns into the same values.

        Secrets are in plain text.

        Raises:
            pydantic.ValidationError: If *arguments* don't fit.
            pydantic_core.PydanticSerializationError: If a value can't be written as JSON.
            Unstorable: If some reader couldn't show a value, with the argument's name.
        """
        values = self._stored(arguments)
        for name, value in values.items():
            try:
                check_value({name: value})
            except Unstorable as error:
                raise Unstorable(str(error), name=name) from error
        return values

    def _stored(self, arguments: Mapping[str, object]) -> dict[str, Any]:
        return stored_form(self.arguments.model_validate(own_arguments(arguments)))

    def mask_secrets(
        self, arguments: Mapping[str, object], masked: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return the arguments with secrets masked, even if they aren't valid."""
        return mask_secrets(arguments, self.masked | frozenset(masked))

    def problems(self, arguments: Mapping[str, object]) -> list[ArgumentProblem]:
        """Return why *arguments* can't be stored, in sentences that don't contain the values."""
        return self._problems(self.to_json, arguments)

    def _problems(
        self, check: Callable[[Mapping[str, object]], object], arguments: Mapping[str, object]
    ) -> list[ArgumentProblem]:
        masked = self.masked | masked_names(arguments)
        try:
            check(arguments)
        except ValidationError as error:
            return problems_of(error, self.arguments.model_fields, arguments, masked)
        except Unstorable as error:
            return [ArgumentProblem(error.name, str(error))]
        except PydanticSerializationError:
            return [ArgumentProblem(None, gettext("These arguments can't be stored as JSON."))]
        except (KeyboardInterrupt, SystemExit):
            raise  # ends this process, such as a web server or launcher
        except BaseException as error:  # noqa: BLE001 - a host's validator may raise anything
            # A job's broken validator must not stop launches of other jobs' tasks.
            kind = class_name(type(error))
            log.warning("Validating the arguments of %s raised %s", self.name, kind)
            return [
                ArgumentProblem(
                    None, gettext("Checking these arguments raised %(error)s.", error=kind)
                )
            ]
        return []

    def why_invalid(self, arguments: Mapping[str, object]) -> str | None:
        """Return why the function can't be called with stored *arguments*, in one line, or None.

        Values that an earlier release stored are accepted, even if they couldn't be stored now.
        """
        return " ".join(map(str, self._problems(self._stored, arguments))) or None


_jobs: dict[str, Job] = {}


def add_job(job: Job) -> Job:
    """Register *job* for every application of this process.

    Raises:
        InvalidJob: If another job has this name.
    """
    existing = _jobs.setdefault(job.name, job)
    if existing is not job:
        raise InvalidJob(
            f"There are two jobs called {job.name!r}: rename one. They are "
            f"{_origin(existing)} and {_origin(job)}."
        )
    return job


def add_or_replace_job(job: Job) -> Job:
    """Register *job*, or replace the one from the same function, when a module is reloaded.

    Raises:
        InvalidJob: If a job of another function has this name.
    """
    existing = _jobs.get(job.name)
    if existing is not None and _origin(existing) == _origin(job):
        _jobs[job.name] = job
        return job
    return add_job(job)


def _origin(job: Job) -> str:
    """Return module and qualified name of a job's function, or of a Celery task's ``run``."""
    function = inspect.unwrap(getattr(job.function, "run", job.function))
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}.{name}"


def all_jobs() -> Mapping[str, Job]:
    """Return the registered jobs by name."""
    return MappingProxyType(_jobs)


def get_job(name: str) -> Job:
    """Return the job with this name.

    Raises:
        UnknownJob: If it isn't registered.
    """
    try:
        return _jobs[name]
    except KeyError:
        # Not translated: a worker stores this.
        raise UnknownJob(f"No job named {name} is registered.") from None
