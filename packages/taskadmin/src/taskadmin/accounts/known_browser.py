"""Recognize browsers in which a user has logged in before, by a signed cookie.

Guessed passwords block log ins to the account, but not in these browsers. OWASP calls this a device
cookie (https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies).
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from flask import current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from ..models import User
from ..service import KnownBrowser

_COOKIE = "taskadmin_browser"
_MAX_AGE = timedelta(days=365)


def known_browser() -> KnownBrowser | None:
    """Return the browser in the request's cookie; None without a valid cookie."""
    try:
        user_id, nonce = _serializer().loads(
            request.cookies.get(_cookie_name(), ""), max_age=int(_MAX_AGE.total_seconds())
        )
    except BadData:
        return None
    return KnownBrowser(user_id, nonce)


def remember_browser(response: Response, user: User) -> None:
    """Set the cookie, with the attributes of the session cookie."""
    cookies = current_app.session_interface
    response.set_cookie(
        _cookie_name(),
        str(_serializer().dumps([user.id, secrets.token_urlsafe(4)])),
        max_age=_MAX_AGE,
        path=cookies.get_cookie_path(current_app),
        domain=cookies.get_cookie_domain(current_app),
        secure=cookies.get_cookie_secure(current_app),
        httponly=True,
        samesite="Lax",
    )


def _cookie_name() -> str:
    """Return a name that other hosts and plain HTTP can't set, if the attributes allow it."""
    cookies = current_app.session_interface
    if not cookies.get_cookie_secure(current_app):
        return _COOKIE
    path, domain = cookies.get_cookie_path(current_app), cookies.get_cookie_domain(current_app)
    return f"__Host-{_COOKIE}" if path == "/" and not domain else f"__Secure-{_COOKIE}"


def _serializer() -> URLSafeTimedSerializer:
    # The newest key comes last, because the last one signs.
    keys = [*(current_app.config.get("SECRET_KEY_FALLBACKS") or ()), current_app.secret_key]
    return URLSafeTimedSerializer(keys, salt="taskadmin.browser")
