"""Responses to visitors who have to log in first."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from ..state import get_state
from ..translation.texts import gettext
from .error_pages import error_page
from .page_requests import is_poll
from .redirects import redirect_to_login, this_address


def ask_to_log_in() -> ResponseReturnValue:
    """Redirect visitors to the login page; without one, say that they have to log in."""
    state = get_state()
    if state.has_other_user():  # the host's login page would redirect back at once
        return error_page(403)
    if is_poll():
        return error_page(401)  # our script shows it on the open page
    if state.login_url is None:
        return error_page(
            403,
            gettext("Log in to the application, then open this page again."),
            title=gettext("Log in first"),
        )
    # A POST can't be repeated after logging in, so continue at the home page.
    return redirect_to_login(this_address() if request.method == "GET" else state.home_url())
