"""Errors as problem details: what the API's operations and taskadmin raise."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence

from flask import Blueprint, Response, current_app, request
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, default_exceptions

from .. import errors
from ..schedules import InvalidSchedule
from ..store.database.outage import first_line
from ..web.database_errors import explain_error
from ..web.problems import problem

log = logging.getLogger("taskadmin.api")

#: Status and kind of taskadmin's errors; the most special ones first.
_KINDS: Mapping[type[errors.TaskAdminError], tuple[int, str]] = {
    errors.EditConflict: (412, "edit-conflict"),
    errors.UnknownTask: (404, "unknown-task"),
    errors.SearchTooLong: (422, "search-too-long"),
    errors.TooManyRuns: (422, "too-many-runs"),
    errors.TooManyTasks: (422, "too-many-tasks"),
}
#: Where in the body the cause of an error is.
_POINTERS: Mapping[type[errors.TaskAdminError], str] = {
    errors.UnknownJob: "/job",
    errors.UnknownUser: "/author",
    errors.InvalidPause: "/until",
    errors.InvalidArguments: "/arguments",
}
INVALID = "invalid-request"
Problems = Sequence[Mapping[str, str]]


class Refused(Exception):
    """The request is refused; see ``problem``."""

    def __init__(
        self,
        status: int,
        kind: str | None = None,
        *,
        detail: str = "",
        errors: Problems = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.errors, self.headers = errors, headers


def invalid(detail: str, *, pointer: str = "", parameter: str = "") -> Refused:
    """Return a refusal with 422 that names the wrong part of the body or query."""
    place = {"pointer": pointer} if pointer else {"parameter": parameter}
    return Refused(
        422,
        INVALID,
        detail=detail,
        errors=[{**place, "detail": detail}] if pointer or parameter else (),
    )


def of_validation(error: ValidationError, place: str) -> Refused:
    """Return the refusal of a request that doesn't fit a model.

    Args:
        place: "body", "query" or "headers".
    """
    found = error.errors(include_url=False, include_input=False, include_context=False)
    for one in found:
        if one["type"] == "json_invalid":
            reason = one["msg"].removeprefix("Invalid JSON: ")
            return Refused(
                400, "malformed-json", detail=f"The body can't be read as JSON: {reason}."
            )
    problems = [
        {
            "pointer" if place == "body" else "parameter": _place(one["loc"], place),
            "detail": one["msg"],
        }
        for one in found
    ]
    return Refused(422, INVALID, detail=f"The request's {place} can't be used.", errors=problems)


def _place(path: Sequence[int | str], place: str) -> str:
    if place != "body":
        return ".".join(map(str, path))
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def handle_errors(blueprint: Blueprint) -> None:
    """Register handlers, so that every error of the API is a problem."""
    blueprint.register_error_handler(Refused, _of_refusal)
    blueprint.register_error_handler(errors.TaskAdminError, _of_taskadmin)
    for kind in (DBAPIError, PoolTimeout):
        blueprint.register_error_handler(kind, _of_database)
    # One for each code, or a host's handler for the code would take precedence.
    for code in default_exceptions:
        blueprint.register_error_handler(code, _of_http)


def _of_refusal(refused: Refused) -> Response:
    return problem(
        refused.status,
        refused.kind,
        detail=refused.detail,
        errors=refused.errors,
        headers=refused.headers,
    )


def _of_taskadmin(error: errors.TaskAdminError) -> Response:
    if isinstance(error, errors.TooManyAttempts):
        seconds = round(error.retry_after.total_seconds())
        return problem(429, detail=str(error), retry_after=seconds)
    for kind, (status, name) in _KINDS.items():
        if isinstance(error, kind):
            return problem(status, name, detail=str(error))
    if isinstance(error, InvalidSchedule):
        return _of_refusal(invalid(error.message, pointer=f"/schedule/{error.field}"))
    if isinstance(error, errors.InvalidArguments) and error.problems:
        found = [
            {"pointer": f"/arguments/{name}" if name else "/arguments", "detail": message}
            for name, message in error.problems
        ]
        return problem(422, INVALID, detail="The arguments don't fit the job.", errors=found)
    if isinstance(error, errors.Unstorable):
        pointer = f"/arguments/{error.name}" if error.name else "/name"
        return _of_refusal(invalid(str(error), pointer=pointer))
    for kind, pointer in _POINTERS.items():
        if isinstance(error, kind):
            return _of_refusal(invalid(str(error), pointer=pointer))
    raise error


def _of_database(error: BaseException) -> Response:
    explanation = explain_error(error)
    if explanation is None:
        raise error
    log.error("A request failed because of the database: %s", first_line(error))
    detail = f"{explanation.title}. {explanation.text}"
    if explanation.command is not None:  # the text's last sentence announces it
        detail = f"{detail.removesuffix('.')}: {explanation.command}"
    return problem(503, detail=detail, retry_after=explanation.retry_after)


def _of_http(error: HTTPException) -> Response:
    if error.response is not None:
        return current_app.make_response(error.get_response())
    status = error.code or 500
    kept = ("Allow", "Retry-After")
    headers = {name: value for name, value in error.get_headers() if name in kept}
    if status != 500:
        return problem(status, headers=headers)
    cause = getattr(error, "original_exception", None)
    if cause is not None and explain_error(cause) is not None:
        return _of_database(cause)
    number = secrets.token_hex(4)
    log.error(
        "Error %s: %s on %s %.200r",
        *(number, type(cause or error).__name__, request.method, request.path),
    )
    return problem(500, detail=f"An error in the program; the log has it as error {number}.")
