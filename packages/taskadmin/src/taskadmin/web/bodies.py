"""Read request bodies completely, or refuse them."""

from __future__ import annotations

from io import BytesIO

from flask import request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

#: Maximum bytes of a body if the host sets no MAX_CONTENT_LENGTH.
MAX_BYTES = 16_000_000
#: Maximum bytes of account pages, which anyone may send: the longest form has three passwords.
MAX_ACCOUNT_BYTES = 20_000
_ACCOUNT_PAGES = {"taskadmin_accounts", "taskadmin_preferences", "taskadmin_tokens"}


def read_body() -> None:
    """Read the body of a page's request, so that it can't break off during parsing.

    Werkzeug cuts a body with ``Transfer-Encoding: chunked`` at ``MAX_CONTENT_LENGTH`` and parses
    the truncated body, and so it does with a body that ends before its ``Content-Length``.

    Raises:
        BadRequest: If the server can't read the body, or it is shorter than declared.
        RequestEntityTooLarge: If it is longer than ``MAX_CONTENT_LENGTH``, or than an account
            page's form.
    """
    environ = request.environ
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    length = 0 if chunked else request.content_length or 0
    if not (chunked or length):
        return
    most = request.max_content_length or MAX_BYTES
    if request.blueprint in _ACCOUNT_PAGES:
        most = min(most, MAX_ACCOUNT_BYTES)
    if length > most:
        raise RequestEntityTooLarge
    try:
        body = environ["wsgi.input"].read(most + 1 if chunked else length)
    except Exception as error:  # each server raises its own exception
        raise BadRequest from error
    if len(body) > most:
        raise RequestEntityTooLarge
    if len(body) < length:
        raise BadRequest
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
