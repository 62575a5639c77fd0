"""Responses to visitors who have to log in first."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from ..state import get_state
from ..translation.texts import gettext
from .error_pages import error_page
from .page_requests import is_poll
from .redirects import page_of_form, redirect_to_login, return_to_form, this_address


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
    if request.method == "GET":
        return redirect_to_login(this_address())
    return return_to_form(page_of_form() or state.home_url())
