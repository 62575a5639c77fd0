"""Redirects, and checks of addresses in requests."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote, urlsplit

import flask
from flask import request
from werkzeug.wrappers import Response

from ..state import get_state


def is_own_path(target: str | None) -> bool:
    """Whether *target* is an address of this application, in every browser.

    ``//evil``, ``/\\evil`` and control characters lead to other sites in some or all browsers, also
    if a proxy decodes the path once more; ``..`` leads out of the prefix, where the site may have
    other applications.
    """
    if not target or target.startswith("//") or not _is_plain(target):
        return False
    try:
        parts = urlsplit(target)
    except ValueError:
        return False
    if parts.scheme or parts.netloc:
        return False
    # A query stays encoded: a search may contain anything.
    paths = _decoded(parts.path)
    for path in paths:
        if not path.startswith("/") or path.startswith("//") or not _is_plain(path):
            return False
        if any(segment in (".", "..") for segment in path.split("/")):
            return False
    return f"{paths[1]}/".startswith(f"{request.script_root}/")


def _is_plain(text: str) -> bool:
    """Whether *text* has no backslash, which browsers read as a slash, and no control character."""
    return "\\" not in text and all(unicodedata.category(one)[0] != "C" for one in text)


def _decoded(text: str) -> tuple[str, str, str]:
    """Return *text* unchanged, decoded once, and decoded twice."""
    once = unquote(text)
    return text, once, unquote(once)


def this_address() -> str:
    """Return the path and query of the current request, including the prefix."""
    return request.script_root + request.full_path.rstrip("?")


def redirect(target: str) -> Response:
    """Redirect to *target*, or to the start page if it isn't an address of this application.

    All redirects of the package use this function, so none leads to another site.
    """
    return flask.redirect(target if is_own_path(target) else get_state().home_url())


def redirect_to_login(path: str) -> Response:
    """Redirect to the login page, which may be the host's, on another site."""
    login_url = get_state().login_url
    assert login_url is not None
    return flask.redirect(login_url(path))


def requested_url() -> str | None:
    """Return the ``url`` of the form or query; None if it leads elsewhere."""
    target = request.form.get("url", request.args.get("url"))
    return target if is_own_path(target) else None


def leads_elsewhere() -> bool:
    """Whether any ``url`` of the request isn't an address of this application.

    Flask-Admin redirects to one of them after its own check, which accepts ``http:evil.example``.
    """
    targets = request.args.getlist("url") + request.form.getlist("url")
    return not all(is_own_path(target) for target in targets)
