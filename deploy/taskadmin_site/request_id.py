"""An id for each request: in every line it logs and in the answer's ``X-Request-ID``."""

from __future__ import annotations

import re
import uuid

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"
#: Whoever sends an id writes into the log: no more than what ids are made of.
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{8,128}")


def init_app(app: Flask) -> None:
    """Give each request of *app* the id a proxy sent, or a new one, and send it back."""
    app.before_request(_set)
    app.after_request(_send_back)


def _set() -> None:
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _ACCEPTED.fullmatch(sent) else str(uuid.uuid4())


def _send_back(response: Response) -> Response:
    if "request_id" in g:
        response.headers[HEADER] = g.request_id
    return response
