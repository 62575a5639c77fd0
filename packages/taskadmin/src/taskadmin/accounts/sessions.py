"""End sessions from the profile: one of them, or all."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import logout_user

from .. import service
from ..state import get_state
from ..translation.texts import gettext
from ..web.actor import current_actor
from ..web.error_pages import error_page
from ..web.redirects import redirect, redirect_to_login
from .forms import LogoutForm
from .login import current_session
from .reauthentication import ask_for_password

#: How browsers and systems name themselves in a User-Agent header; the first match counts, because
#: most also name the browsers and systems that they resemble.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def add_rules(blueprint: Blueprint) -> None:
    """Add the addresses that the profile's buttons send to."""
    blueprint.add_url_rule("/sessions/end", view_func=end_session, methods=["POST"])
    blueprint.add_url_rule("/sessions/end-all", view_func=end_all_sessions, methods=["POST"])


def end_session() -> ResponseReturnValue:
    """Log out one of the user's sessions."""
    current = current_session()
    if current is None:
        return redirect_to_login(_profile())
    if not LogoutForm().validate_on_submit():
        return error_page(400)
    asked = ask_for_password()
    if asked is not None:
        return asked
    wanted = request.form.get("id", "")
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else 0
    if service.end_session(current.user.id, number, actor=current_actor()):
        flash(gettext("The session has been logged out."), "success")
    else:
        flash(gettext("This session had already ended."), "success")
    return redirect(_profile())


def end_all_sessions() -> ResponseReturnValue:
    """Log out all of the user's sessions, including this one."""
    current = current_session()
    if current is None:
        return redirect_to_login(_profile())
    if not LogoutForm().validate_on_submit():
        return error_page(400)
    asked = ask_for_password()
    if asked is not None:
        return asked
    service.end_sessions(current.user.id, actor=current_actor())
    return log_out(gettext("You are logged out everywhere."))


def log_out(message: str) -> ResponseReturnValue:
    """Remove the session from this browser, and redirect to the login page."""
    logout_user()
    flash(message, "success")
    login_url = get_state().login_url
    assert login_url is not None  # set by taskadmin's accounts
    answer = redirect(login_url(""))
    # Not "storage", where only the theme is kept, nor "cookies": other applications on this host
    # have theirs there (ASVS 5, 14.3.1).
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def browser_of(user_agent: str) -> str:
    """Return a short name for a User-Agent header: ``Firefox on Linux``."""
    browser = next((name for part, name in _BROWSERS.items() if part in user_agent), None)
    system = next((name for part, name in _SYSTEMS.items() if part in user_agent), None)
    if browser is None or system is None:
        return browser or system or user_agent[:40] or gettext("Unknown browser")
    return gettext("%(browser)s on %(system)s", browser=browser, system=system)


def _profile() -> str:
    return url_for("taskadmin_accounts.profile")
