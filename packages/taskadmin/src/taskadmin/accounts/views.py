"""The account pages: log in, register, log out, profile."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_user, logout_user

from ..errors import UsernameTaken
from ..next_url import is_own_path
from ..shell import csrf_field_name, error_page, handle_errors
from ..state import get_state
from ..store import users
from ..store.audit import Actor
from ..texts import gettext, marked
from . import passwords
from .forms import ChangePasswordForm, LoginForm, LogoutForm, RegisterForm

if TYPE_CHECKING:
    from ..models import User

log = logging.getLogger("taskadmin.accounts")

ENDPOINT = "taskadmin_accounts"
#: Bytes; what Werkzeug allows a field of a multipart form, which it doesn't of other forms.
_MAX_BODY = 500_000
_REFUSED = marked("Username or password is wrong.")


def make_blueprint(url_prefix: str) -> Blueprint:
    """The account pages below *url_prefix*."""
    blueprint = Blueprint(ENDPOINT, __name__, url_prefix=url_prefix)
    handle_errors(blueprint)
    for path, view, methods in (
        ("/login", login, ["GET", "POST"]),
        ("/register", register, ["GET", "POST"]),
        ("/logout", logout, ["POST"]),
        ("/profile", profile, ["GET", "POST"]),
    ):
        blueprint.add_url_rule(path, view_func=view, methods=methods)
    blueprint.before_request(refuse_large_body)
    return blueprint


def refuse_large_body() -> ResponseReturnValue | None:
    """Refuse, before it is read, a body that anybody may send and no form of ours fills."""
    return error_page(413) if (request.content_length or 0) > _MAX_BODY else None


def login_url(next_path: str) -> str:
    """Address of the log in page that leads back to *next_path*."""
    return url_for(f"{ENDPOINT}.login", next=next_path if is_own_path(next_path) else None)


def login() -> ResponseReturnValue:
    """Log in with name and password."""
    if get_state().current_user() is not None:
        return redirect(_after_login())
    form = LoginForm()
    if form.validate_on_submit():
        user = _authenticate(form.username.data or "", form.password.data or "")
        if user is not None:
            _sign_in(user)
            log.info("%s logged in", user.username, extra={"user_id": user.id})
            return redirect(_after_login())
        form.password.errors = [gettext(_REFUSED)]
    status = 422 if form.errors else 200
    return render_template("taskadmin/accounts/login.html", form=form), status


def register() -> ResponseReturnValue:
    """Make an account without any rights, and sign it in."""
    state = get_state()
    if not state.settings.registration:
        return error_page(404)
    if state.current_user() is not None:
        return redirect(_after_login())
    form = RegisterForm()
    if form.validate_on_submit():
        try:
            user = users.create_user(
                state.session,
                form.username.data or "",
                password_hash=passwords.hash_password(form.password.data or ""),
                registered_from=request.remote_addr or "unknown",
            )
        except UsernameTaken as error:
            form.username.errors = [str(error)]
        else:
            _sign_in(user)
            log.info("%s registered", user.username, extra={"user_id": user.id})
            flash(gettext("Welcome, %(name)s.", name=user.username), "success")
            return redirect(_after_login())
    status = 422 if form.errors else 200
    return render_template("taskadmin/accounts/register.html", form=form), status


def logout() -> ResponseReturnValue:
    """End every session of this person: a stolen cookie is worthless afterwards."""
    state = get_state()
    user = state.current_user()
    if not LogoutForm().validate_on_submit():
        return error_page(400)
    if user is not None:
        log.info("%s logged out", user.username, extra={"user_id": user.id})
        users.end_sessions(state.session, user)
        logout_user()
        flash(gettext("You are logged out."), "success")
    return redirect(url_for(f"{ENDPOINT}.login"))


def profile() -> ResponseReturnValue:
    """Who you are, what you may do, and a new password."""
    state = get_state()
    user = state.current_user()
    if user is None:
        return redirect(login_url(request.full_path.rstrip("?")))
    form = ChangePasswordForm()
    if form.validate_on_submit():
        if passwords.verify_password(user.password_hash, form.current.data or ""):
            users.set_password_hash(
                state.session,
                user,
                passwords.hash_password(form.password.data or ""),
                actor=Actor(user.id, user.username, request.remote_addr or "unknown"),
            )
            _sign_in(user)
            log.info("%s changed the password", user.username, extra={"user_id": user.id})
            flash(gettext("Your password is changed. Every other session has ended."), "success")
            return redirect(url_for(f"{ENDPOINT}.profile"))
        form.current.errors = [gettext("This is not your current password.")]
    status = 422 if form.errors else 200
    return render_template("taskadmin/accounts/profile.html", form=form, user=user), status


def _authenticate(username: str, password: str) -> User | None:
    database = get_state().session
    user = users.find_user(database, username)
    password_hash = user.password_hash if user is not None else None
    if not passwords.verify_password(password_hash, password) or user is None:
        log.warning("Failed log in")
        return None
    if not user.is_active:
        log.warning("%s is deactivated and can't log in", user.username, extra={"user_id": user.id})
        return None
    if password_hash is not None and passwords.needs_rehash(password_hash):
        users.upgrade_password_hash(database, user, passwords.hash_password(password))
    return user


def _sign_in(user: User) -> None:
    # Forms that were made before don't work for the person who signs in now.
    session.pop(csrf_field_name(), None)
    login_user(user)


def _after_login() -> str:
    target = request.args.get("next")
    if target is not None and is_own_path(target):
        return target
    return get_state().home_url()
