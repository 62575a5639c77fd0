"""Account pages: log in, register, log out, profile."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, url_for
from flask.typing import ResponseReturnValue

from .. import service
from ..errors import InvalidPassword, UsernameTaken
from ..state import get_state
from ..store.people.second_factors import count_recovery_codes, find_second_factor
from ..store.people.sessions import sessions_of
from ..translation.texts import gettext, marked, ngettext
from ..web.actor import current_actor, visitor
from ..web.error_pages import error_page, handle_errors
from ..web.redirects import is_own_path, redirect
from ..web.refusals import ask_to_log_in
from . import sessions
from .forms import ChangePasswordForm, LoginForm, LogoutForm, RegisterForm
from .known_browser import known_browser
from .login import after_login, current_session, sign_in
from .new_password import choose_password
from .second_factor import log_in
from .second_factor import views as second_factor

ACCOUNTS_ENDPOINT = "taskadmin_accounts"
_REFUSED = marked("Username or password is wrong.")


def make_blueprint(url_prefix: str) -> Blueprint:
    """Create the blueprint of the account pages below *url_prefix*."""
    blueprint = Blueprint(ACCOUNTS_ENDPOINT, __name__, url_prefix=url_prefix)
    handle_errors(blueprint)
    for path, view, methods in (
        ("/login", login, ["GET", "POST"]),
        ("/register", register, ["GET", "POST"]),
        ("/logout", logout, ["POST"]),
        ("/profile", profile, ["GET", "POST"]),
        ("/password", choose_password, ["GET", "POST"]),
    ):
        blueprint.add_url_rule(path, view_func=view, methods=methods)
    for part in (sessions, log_in, second_factor):
        part.add_rules(blueprint)
    return blueprint


def login_url(next_path: str) -> str:
    """Return the URL of the log in page that continues at *next_path*."""
    return url_for(f"{ACCOUNTS_ENDPOINT}.login", next=next_path if is_own_path(next_path) else None)


def login() -> ResponseReturnValue:
    """Log in with username and password."""
    if get_state().current_user() is not None:
        return redirect(after_login())
    form = LoginForm()
    if form.validate_on_submit():
        logged_in = service.log_in(
            form.username.data or "",
            form.password.data or "",
            visitor=visitor(),
            browser=known_browser(),
        )
        if logged_in is not None:
            return log_in.enter(logged_in)
        form.password.errors = [gettext(_REFUSED)]
    status = 422 if form.errors else 200
    return render_template("taskadmin/accounts/login.html", form=form), status


def register() -> ResponseReturnValue:
    """Create an account without a role, and log it in."""
    state = get_state()
    if not state.settings.registration:
        return error_page(404)
    if state.current_user() is not None:
        return redirect(after_login())
    form = RegisterForm()
    if form.validate_on_submit():
        by = visitor()
        service.count_registration(by, username=form.username.data or "")
        try:
            user = service.create_user(
                form.username.data or "",
                password=form.password.data or "",
                registered_from=by,
            )
        except UsernameTaken as error:
            form.username.errors = [str(error)]
        except InvalidPassword as error:
            form.password.errors = [str(error)]
        else:
            sign_in(user, user.session_nonce)
            flash(gettext("Welcome, %(name)s.", name=user.username), "success")
            return redirect(after_login())
    status = 422 if form.errors else 200
    return render_template("taskadmin/accounts/register.html", form=form), status


def logout() -> ResponseReturnValue:
    """Log out: end this session, so that a copy of its cookie stops working.

    The user's sessions in other browsers continue; the profile ends them.
    """
    current = current_session()
    if not LogoutForm().validate_on_submit():
        return error_page(400)
    if current is None:
        return redirect(url_for(f"{ACCOUNTS_ENDPOINT}.login"))
    state = get_state()
    mine = sessions_of(state.session, current.user, state.settings.session_limits)
    others = sum(one.id != current.id for one in mine)
    service.end_session(current.user.id, current.id, actor=current_actor())
    if not others:
        return sessions.log_out(gettext("You are logged out."))
    sentence = ngettext(
        "You are logged out here, and still logged in on %(num)s other browser.",
        "You are logged out here, and still logged in on %(num)s other browsers.",
        others,
    )
    return sessions.log_out(sentence)


def profile() -> ResponseReturnValue:
    """Show the user's role, and change the password."""
    state = get_state()
    user = state.current_user()
    if user is None:
        return ask_to_log_in()
    form = ChangePasswordForm()
    if form.validate_on_submit():
        by = current_actor()
        if not service.confirm_password(user, form.current.data or "", actor=by):
            form.current.errors = [gettext("This is not your current password.")]
        else:
            try:
                service.set_password(user.id, form.password.data or "", actor=by)
            except InvalidPassword as error:
                form.password.errors = [str(error)]
            else:
                sign_in(user, user.session_nonce)
                flash(
                    gettext("Password changed. Your other sessions have been logged out."),
                    "success",
                )
                return redirect(url_for(f"{ACCOUNTS_ENDPOINT}.profile"))
    status = 422 if form.errors else 200
    current = current_session()
    assert current is not None  # logged-in users have a session
    factor = find_second_factor(state.session, user.id) if current.has_second_factor else None
    page = render_template(
        "taskadmin/accounts/profile.html",
        form=form,
        user=user,
        sessions=sessions_of(state.session, user, state.settings.session_limits),
        current_id=current.id,
        browser_of=sessions.browser_of,
        second_factor=factor,
        recovery_codes=count_recovery_codes(state.session, user.id) if factor else 0,
        is_demanded=log_in.is_demanded(state.settings, user),
    )
    return page, status
