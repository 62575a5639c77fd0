"""Make users replace a password that another user has set."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .. import service
from ..errors import InvalidPassword
from ..state import is_page
from ..translation.texts import gettext
from ..web.actor import current_actor
from ..web.error_pages import error_page
from ..web.page_requests import is_poll
from ..web.redirects import redirect, redirect_to_login, this_address
from .forms import NewPasswordForm
from .login import after_login, sign_in, signed_in_user

CHOOSE_ENDPOINT = "taskadmin_accounts.choose_password"
_ALLOWED_ENDPOINTS = {CHOOSE_ENDPOINT, "taskadmin_accounts.logout"}


def lead_to_new_password() -> ResponseReturnValue | None:
    """Redirect each page to the one that asks for a new password."""
    if not is_page() or request.endpoint in _ALLOWED_ENDPOINTS:
        return None
    user = signed_in_user()
    if user is None or not user.must_change_password:
        return None
    if is_poll():
        return error_page(401)
    path = this_address() if request.method == "GET" else None
    return redirect(url_for(CHOOSE_ENDPOINT, next=path))


def choose_password() -> ResponseReturnValue:
    """Replace a password that another user has set."""
    user = signed_in_user()
    if user is None:
        return redirect_to_login(this_address())
    if not user.must_change_password:
        return redirect(after_login())
    form = NewPasswordForm()
    if form.validate_on_submit():
        password = form.password.data or ""
        if service.check_password(user, password):
            form.password.errors = [gettext("Choose another password than the one you were given.")]
        else:
            try:
                service.set_password(user.id, password, actor=current_actor())
            except InvalidPassword as error:
                form.password.errors = [str(error)]
            else:
                sign_in(user, user.session_nonce)
                flash(gettext("Password changed."), "success")
                return redirect(after_login())
    status = 422 if form.errors else 200
    page = render_template("taskadmin/accounts/new_password.html", form=form, user=user)
    return page, status
