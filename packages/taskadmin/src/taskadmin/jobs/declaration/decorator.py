"""``@job``: register a function as a job."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar, overload

from pydantic import BaseModel, ConfigDict

from ..invalid import InvalidJob
from ..registry import Job, add_or_replace_job
from .documentation import read_docstring
from .model_checks import check_field, secret_fields
from .options import check_options
from .signature import is_celery_task, model_of, parameters_of, source_of

RUN_TASK = "taskadmin.run"
RUN_QUEUE = "taskadmin.runs"

_Function = TypeVar("_Function", bound=Callable[..., Any])


@overload
def job(
    function: _Function,
    /,
    *,
    name: str | None = None,
    queue: str = RUN_QUEUE,
    max_attempts: int = 1,
    backoff_seconds: float = 10.0,
    soft_time_limit: float | None = None,
    time_limit: float = 1500.0,
    record_start: bool = True,
    masked: Collection[str] = (),
    arguments: type[BaseModel] | None = None,
    celery_task: str = RUN_TASK,
) -> _Function: ...


@overload
def job(
    *,
    name: str | None = None,
    queue: str = RUN_QUEUE,
    max_attempts: int = 1,
    backoff_seconds: float = 10.0,
    soft_time_limit: float | None = None,
    time_limit: float = 1500.0,
    record_start: bool = True,
    masked: Collection[str] = (),
    arguments: type[BaseModel] | None = None,
    celery_task: str = RUN_TASK,
) -> Callable[[_Function], _Function]: ...


def job(
    function: _Function | None = None,
    /,
    *,
    name: str | None = None,
    queue: str = RUN_QUEUE,
    max_attempts: int = 1,
    backoff_seconds: float = 10.0,
    soft_time_limit: float | None = None,
    time_limit: float = 1500.0,
    record_start: bool = True,
    masked: Collection[str] = (),
    arguments: type[BaseModel] | None = None,
    celery_task: str = RUN_TASK,
) -> _Function | Callable[[_Function], _Function]:
    """Register a function or Celery task as a job, and return it unchanged.

    Its annotations define the fields of a task's form and the validation before each run. A
    parameter annotated with ``Run`` receives the run and isn't an argument.

    Args:
        function: The function, called with keyword arguments.
        name: The job's name; by default the function's ``__name__`` or the Celery task's name.
            Up to 100 of ``A-Z a-z 0-9 _ . -``.
        queue: The queue of its runs; workers have to consume it.
        max_attempts: Maximum calls until it succeeds, 1 to 100.
        backoff_seconds: Seconds from the first failure to the second attempt; doubled each time.
        soft_time_limit: Seconds after which ``SoftTimeLimitExceeded`` is raised inside it.
        time_limit: Seconds after which the process is killed; less than 1800.
        record_start: Whether a run is shown as running; False saves a statement per run.
        masked: Parameters that are never shown; those of type ``SecretStr`` are masked anyway.
        arguments: A model of the arguments, instead of one derived from the annotations.
        celery_task: The Celery task whose messages start a run.

    Raises:
        InvalidJob: If the function can't be a job, an option isn't valid, or another job has
            the name.
    """

    def register(function: _Function) -> _Function:
        source = source_of(function)
        fallback = getattr(function, "name", "") if is_celery_task(function) else source.__name__
        job_name = fallback if name is None else name
        check_options(
            name=job_name,
            queue=queue,
            celery_task=celery_task,
            max_attempts=max_attempts,
            backoff_seconds=backoff_seconds,
            soft_time_limit=soft_time_limit,
            time_limit=time_limit,
            record_start=record_start,
        )
        description, help_texts = read_docstring(source)
        parameters, run_parameter = parameters_of(source)
        if arguments is None:
            model = model_of(source, parameters, help_texts)
        else:
            required = {key for key, item in parameters.items() if item.default is item.empty}
            model = _given_model(source.__qualname__, arguments, set(parameters), required)
        add_or_replace_job(
            Job(
                name=job_name,
                function=function,
                arguments=model,
                celery_task=celery_task,
                queue=queue,
                record_start=record_start,
                max_attempts=max_attempts,
                backoff_seconds=backoff_seconds,
                soft_time_limit=soft_time_limit,
                time_limit=time_limit,
                description=description,
                masked=_masked_names(job_name, masked, set(parameters)) | secret_fields(model),
                run_parameter=run_parameter,
            )
        )
        return function

    return register if function is None else register(function)


def _masked_names(name: str, masked: Collection[str], parameters: set[str]) -> frozenset[str]:
    if isinstance(masked, str):
        raise InvalidJob(
            f"masked of the job {name!r} is {masked!r}; expected names in a tuple: ({masked!r},)."
        )
    for parameter in masked:
        if parameter not in parameters:
            raise InvalidJob(
                f"masked of the job {name!r} names {parameter!r}, which isn't one of its parameters."
            )
    return frozenset(masked)


def _given_model(
    where: str, model: type[BaseModel], parameters: set[str], required: set[str]
) -> type[BaseModel]:
    fields = model.model_fields
    if wrong := sorted(required - fields.keys()):
        raise InvalidJob(f"{model.__name__} has no field {wrong[0]}, which {where} needs.")
    if wrong := sorted(fields.keys() - parameters):
        raise InvalidJob(f"{where} has no parameter {wrong[0]}, which {model.__name__} has.")
    if model.model_config.get("extra") == "allow":
        raise InvalidJob(
            f"{model.__name__} allows arguments besides its fields, which {where} can't take: "
            'remove extra="allow".'
        )
    for name, field in fields.items():
        if field.alias or field.validation_alias or field.serialization_alias:
            raise InvalidJob(
                f"The field {name} of {model.__name__} has an alias, but arguments are stored under "
                "their parameters' names: remove it."
            )
        if field.exclude:
            raise InvalidJob(
                f"The field {name} of {model.__name__} is excluded and would be lost: "
                "remove exclude."
            )
    check_field(f"The model {model.__name__} of {where}", lambda: model)
    if model.model_config.get("hide_input_in_errors"):
        return model
    # Keeps the model's name: the error is logged, without the input.
    return type(
        model.__name__,
        (model,),
        {
            "__module__": model.__module__,
            "__doc__": model.__doc__,
            "model_config": ConfigDict(hide_input_in_errors=True),
        },
    )
