"""A request id that is logged with every line and returned as ``X-Request-ID``."""

from __future__ import annotations

import re
import uuid

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
#: A client's id is written to the log, so only safe characters are accepted.
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,128}")


def init_app(app: Flask) -> None:
    """Give each request the proxy's id or a new one, and return it in the response."""
    app.before_request(_set)
    app.after_request(_send_back)


def _set() -> None:
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _ACCEPTED.fullmatch(sent) else str(uuid.uuid4())


def _send_back(response: Response) -> Response:
    if "request_id" in g:
        response.headers[HEADER] = g.request_id
    return response
