"""Log in with a second factor: the code comes after the password."""

from __future__ import annotations

import time

from flask import Blueprint, flash, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from ... import service
from ...models import User
from ...settings import Settings
from ...state import get_state, is_page
from ...store.people.codes import is_recovery_code
from ...store.people.second_factors import count_recovery_codes
from ...translation.texts import gettext, ngettext
from ...web.actor import visitor
from ...web.error_pages import error_page
from ...web.page_requests import is_poll
from ...web.redirects import redirect
from ..known_browser import known_browser, remember_browser
from ..login import PENDING, after_login, current_session, sign_in
from .forms import CodeForm

#: Maximum seconds between the password and the code.
PENDING_SECONDS = 5 * 60
#: Pages for users who still have to set up a required second factor.
_ALLOWED_ENDPOINTS = {
    "taskadmin_accounts.choose_password",
    "taskadmin_accounts.set_up_second_factor",
    "taskadmin_accounts.logout",
    "taskadmin_preferences.preferences",
}


def add_rules(blueprint: Blueprint) -> None:
    """Add the page that asks for the code."""
    blueprint.add_url_rule("/login/code", view_func=enter_code, methods=["GET", "POST"])


def enter(logged_in: service.LoggedIn) -> ResponseReturnValue:
    """Begin a session of a user whose password was right, or ask for the code first."""
    if logged_in.needs_code:
        # Signed by Flask; it doesn't log the user in.
        session[PENDING] = [logged_in.user.id, logged_in.nonce, int(time.time())]
        target = url_for("taskadmin_accounts.enter_code", next=request.args.get("next"))
        return redirect(target)
    return _begin(logged_in.user, logged_in.nonce)


def enter_code() -> ResponseReturnValue:
    """Log in with the code of the second factor, after the password."""
    if get_state().current_user() is not None:
        return redirect(after_login())
    user = _pending_user()
    if user is None:
        session.pop(PENDING, None)
        flash(gettext("Log in again: this took too long."), "danger")
        return redirect(url_for("taskadmin_accounts.login", next=request.args.get("next")))
    form = CodeForm()
    if form.validate_on_submit():
        code, browser = form.code.data or "", known_browser()
        if service.log_in_with_code(user, code, visitor=visitor(), browser=browser):
            tell_what_is_left(user, code)
            return _begin(user, nonce=session[PENDING][1])
        form.code.errors = [wrong_code()]
    page = render_template("taskadmin/accounts/code.html", form=form)
    return page, 422 if form.errors else 200


def tell_what_is_left(user: User, code: str) -> None:
    """Tell a user who has used a recovery code how many are left."""
    if is_recovery_code(code):
        left = count_recovery_codes(get_state().session, user.id)
        sentence = ngettext(
            "You used a recovery code: %(num)s code is left.",
            "You used a recovery code: %(num)s codes are left.",
            left,
        )
        flash(sentence, "success")


def wrong_code() -> str:
    """Return the message for a wrong code."""
    return gettext("This code is wrong or has already been used.")


def is_demanded(settings: Settings, user: User) -> bool:
    """Return whether this user must have a second factor."""
    wanted = settings.second_factor
    return wanted == "everyone" or (wanted == "superusers" and user.is_superuser)


def demand() -> ResponseReturnValue | None:
    """Redirect users without a required second factor to the page that sets it up."""
    settings = get_state().settings
    if (
        settings.second_factor == "optional"
        or not is_page()
        or request.endpoint in _ALLOWED_ENDPOINTS
    ):
        return None
    current = current_session()
    if current is None or current.has_second_factor or not is_demanded(settings, current.user):
        return None
    if current.user.must_change_password:
        return None  # that comes first
    if is_poll():
        return error_page(403)
    return redirect(url_for("taskadmin_accounts.set_up_second_factor"))


def _begin(user: User, nonce: str) -> ResponseReturnValue:
    sign_in(user, nonce)
    answer = redirect(after_login())
    remember_browser(answer, user)
    return answer


def _pending_user() -> User | None:
    """Return the user whose password was just entered, unless the user has changed since."""
    if PENDING not in session:
        return None
    user_id, nonce, entered_at = session[PENDING]
    if not 0 <= time.time() - entered_at < PENDING_SECONDS:
        return None
    user = get_state().session.get(User, user_id)
    return user if user is not None and user.is_active and user.session_nonce == nonce else None
