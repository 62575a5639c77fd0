"""Derive the pydantic model of the arguments from a function's signature."""

from __future__ import annotations

import inspect
import types
import typing
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from ..arguments.masking import LEDGER_KEYS
from ..context import Run
from ..invalid import InvalidJob
from .model_checks import check_field

_VARIADIC = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}

_CONFIG = ConfigDict(
    extra="forbid",
    hide_input_in_errors=True,  # a typo must not log a secret
    validate_default=True,  # a SecretStr may have a text as its default
    protected_namespaces=(),  # a parameter may be called model_size
)


def source_of(function: Any) -> Any:
    """Return the function with the signature: a Celery task's ``run``, or the function itself.

    Raises:
        InvalidJob: If *function* isn't a plain function.
    """
    source = function.run if is_celery_task(function) else function
    if not inspect.isroutine(source) or inspect.isbuiltin(source):
        raise InvalidJob(
            f"{function!r} can't be a job; expected a function, or a Celery task. "
            "Pass options by name: @job(name='…')."
        )
    inner = inspect.unwrap(source)
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise InvalidJob(
            f"{inner.__qualname__} is async, but a worker calls plain functions. "
            "Register one that calls asyncio.run()."
        )
    if inspect.isgeneratorfunction(inner):
        raise InvalidJob(
            f"{inner.__qualname__} is a generator, so calling it does nothing; "
            "register a function that returns."
        )
    return source


def is_celery_task(function: object) -> bool:
    """Whether *function* is a Celery task, by its attributes: jobs don't import Celery."""
    return callable(getattr(function, "run", None)) and isinstance(
        getattr(function, "name", None), str
    )


def parameters_of(source: Any) -> tuple[dict[str, inspect.Parameter], str | None]:
    """Return the parameters that are arguments, and the name of the one that takes the run.

    Raises:
        InvalidJob: If a parameter can't be passed by name, or its name is reserved.
    """
    where = source.__qualname__
    arguments: dict[str, inspect.Parameter] = {}
    run_parameter: str | None = None
    for name, parameter in inspect.signature(source).parameters.items():
        if parameter.kind in _VARIADIC:
            raise InvalidJob(
                f"{where} takes {_VARIADIC[parameter.kind]}{name}, but the form needs to know each "
                "parameter: name each one."
            )
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise InvalidJob(
                f"The parameter {name} of {where} is positional-only; arguments are passed "
                "by name: remove the / after it."
            )
        if _takes_run(source, parameter):
            if run_parameter is not None:
                raise InvalidJob(f"{where} takes the Run twice: as {run_parameter} and {name}.")
            run_parameter = name
            continue
        if name in LEDGER_KEYS or name.startswith("_") or hasattr(_Reserved, name):
            raise InvalidJob(f"The parameter {name} of {where} has a reserved name: rename it.")
        arguments[name] = parameter
    return arguments, run_parameter


class _Reserved:
    """Names of pydantic's own attributes, which a model's fields can't have."""


for _name in dir(BaseModel):
    if _name.startswith("model_"):
        setattr(_Reserved, _name, None)


def model_of(
    source: Any, parameters: Mapping[str, inspect.Parameter], help_texts: Mapping[str, str]
) -> type[BaseModel]:
    """Build the model of these parameters.

    Args:
        source: The function that they belong to.
        parameters: As ``parameters_of`` returns them.
        help_texts: Descriptions from the docstring, for parameters whose ``Field`` has none.

    Raises:
        InvalidJob: If a parameter has no annotation, one that no JSON value fits, or a
            default that doesn't fit it.
    """
    fields: dict[str, Any] = {}
    for name, parameter in parameters.items():
        fields[name] = _definition(source, parameter, help_texts.get(name))
        where = f"The parameter {name} of {source.__qualname__}"
        check_field(where, partial(_model, "One", {name: fields[name]}))
    words = source.__name__.strip("_").split("_")
    model = _model("".join(map(str.capitalize, words)) + "Arguments", fields)
    model.__module__ = source.__module__
    model.__doc__ = f"The arguments of {source.__qualname__}."
    return model


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    with warnings.catch_warnings():
        # Parameters named copy, json or schema shadow deprecated methods that aren't called here.
        warnings.filterwarnings("ignore", message=".*shadows an attribute", category=UserWarning)
        return create_model(name, __config__=_CONFIG, **fields)


def _definition(source: Any, parameter: inspect.Parameter, help_text: str | None) -> Any:
    name, where = parameter.name, source.__qualname__
    if parameter.annotation is parameter.empty:
        raise InvalidJob(
            f"The parameter {name} of {where} has no annotation; add one, as in `{name}: int`."
        )
    try:
        annotation = _resolved(source, parameter.annotation)
    except Exception as error:  # evaluating an annotation may raise anything
        raise InvalidJob(
            f"The annotation of {name} of {where} can't be evaluated: {error}. Import what it names "
            "when the module is loaded, not behind TYPE_CHECKING."
        ) from error
    default = ... if parameter.default is parameter.empty else parameter.default
    declared = [default] if isinstance(default, FieldInfo) else []
    if get_origin(annotation) is Annotated:
        declared += [item for item in get_args(annotation)[1:] if isinstance(item, FieldInfo)]
    if any(item.alias or item.validation_alias or item.serialization_alias for item in declared):
        raise InvalidJob(
            f"The parameter {name} of {where} has an alias; arguments are stored under their "
            "parameters' names: remove it, or use Field(title=…)."
        )
    if help_text and not any(item.description for item in declared):
        annotation = Annotated[annotation, Field(description=help_text)]
    return (annotation, default)


def _resolved(source: Any, annotation: Any) -> Any:
    inner = inspect.unwrap(source)
    namespace = getattr(inner, "__globals__", {})
    closure = inspect.getclosurevars(inspect.unwrap(getattr(inner, "__func__", inner))).nonlocals
    # Only this annotation: others may be importable for type checkers only.
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    return typing.get_type_hints(holder, namespace, dict(closure), include_extras=True)["it"]


def _takes_run(source: Callable[..., object], parameter: inspect.Parameter) -> bool:
    try:
        annotation = _resolved(source, parameter.annotation)
    except Exception:  # noqa: BLE001 - reported where the annotation is needed
        return False
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        return Run in get_args(annotation)
    return annotation is Run
