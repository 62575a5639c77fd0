"""Errors for programs: problem details (RFC 9457), and wrong methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, abort, current_app, request, request_started
from werkzeug.exceptions import MethodNotAllowed

PROBLEM_TYPE = "application/problem+json"
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address doesn't accept this method; the header Allow has those it does.",
    413: "The body is larger than this site accepts.",
}


def problem(
    status: int,
    kind: str | None = None,
    *,
    detail: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response with problem details.

    Args:
        kind: What went wrong, if the status doesn't tell: the end of the problem's ``type``.
        errors: For each part of the request that is wrong, its ``pointer`` (RFC 6901) or
            ``parameter``, and a ``detail``.
        retry_after: Seconds to wait.
    """
    title = HTTPStatus(status).phrase
    body: dict[str, object] = {
        "type": "about:blank" if kind is None else f"urn:taskadmin:problem:{kind}",
        "title": title,
        "status": status,
        "detail": detail or _SENTENCES.get(status, f"{title}."),
    }
    if errors:
        body["errors"] = list(errors)
    response: Response = current_app.response_class(
        json.dumps(body), status, headers, mimetype=PROBLEM_TYPE
    )
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def refuse_other_methods(app: Flask, path: str, answer: Callable[[], Response]) -> None:
    """Respond to other methods than GET at *path* with *answer* instead of a page."""

    def begin(_app: Flask, **_: Any) -> None:
        if request.path == path and isinstance(request.routing_exception, MethodNotAllowed):
            response = answer()
            response.headers["Allow"] = "GET, HEAD"
            abort(response)

    # Before the before_request functions, which render pages.
    request_started.connect(begin, app, weak=False)
