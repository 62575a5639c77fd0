"""Redirects, and checks of addresses in requests."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote, urlsplit

import flask
from flask import current_app, flash, request, session
from werkzeug.wrappers import Response

from ..state import get_state
from ..translation.texts import gettext

#: Key in Flask's session, and category of messages.
UNSENT = "taskadmin_unsent"


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


def return_to_form(target: str) -> Response:
    """Redirect to a page whose form was refused: nobody was logged in, or it had expired.

    The script fills the form in again: the message's category tells it to.
    """
    tell_unsent()
    state = get_state()
    if state.login_url is None or state.current_user() is not None:
        return redirect(target)
    # For the message after the log in.
    session[UNSENT] = request.endpoint != "taskadmin_accounts.login"
    return redirect_to_login(target)


def tell_unsent() -> None:
    """Say that a form wasn't sent."""
    sentence = gettext(
        "You were logged out, or this page had expired: the form wasn't sent, and nothing was"
        " changed. Check it and send it again."
    )
    flash(sentence, UNSENT)


def page_of_form() -> str | None:
    """Return the page from which the request was sent, if it can be opened again."""
    referrer = request.referrer or ""
    target = referrer.removeprefix(request.host_url.rstrip("/"))
    if target == referrer or not is_own_path(target):
        return None
    adapter = current_app.create_url_adapter(request)
    path = urlsplit(target).path.removeprefix(request.script_root)
    return target if adapter is not None and adapter.test(unquote(path), "GET") else None


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
