"""Ask for the password again before changes that a stolen session could misuse."""

from __future__ import annotations

import logging
from datetime import timedelta

from flask import flash, g, render_template, request, session
from flask.typing import ResponseReturnValue

from .. import service
from ..state import get_state
from ..store.people.sessions import FoundSession
from ..translation.texts import gettext
from ..web.actor import current_actor
from ..web.layout import csrf_field_name
from ..web.redirects import redirect, this_address
from .forms import ConfirmForm
from .login import current_session
from .second_factor.log_in import tell_what_is_left, wrong_code

log = logging.getLogger("taskadmin.accounts")

#: How long an entered password stays valid (ASVS 5, 7.5.1 leaves this to the application).
CONFIRMED_FOR = timedelta(minutes=15)
#: The form's hidden field with the method of the interrupted request: "get" or "post".
_NEXT_FIELD = "confirm_next"


def ask_for_password(back: str | None = None) -> ResponseReturnValue | None:
    """Return a page that asks for the password; None if it was entered recently.

    The page's form is sent to the same address, with the interrupted form in hidden fields, except
    for passwords, so that the view continues.

    Args:
        back: Where to go instead, for a form that can't be sent again without its password.
    """
    current = current_session()
    if current is None or current.since_confirmed < CONFIRMED_FOR:
        return None
    form = ConfirmForm()
    if not current.has_second_factor:
        del form.confirm_code
    is_answer = ConfirmForm.NAME in request.form
    follows = request.form.get(_NEXT_FIELD, "post") if is_answer else request.method.lower()
    if is_answer and form.validate_on_submit() and _is_right(form, current):
        _confirm(current)
        return _go_on(follows, back)
    page = render_template(
        "taskadmin/accounts/confirm.html",
        form=form,
        user=current.user,
        fields=[*_typed(), (_NEXT_FIELD, follows)],
        back=back or get_state().home_url(),
    )
    return page, 422 if is_answer else 200


def _is_right(form: ConfirmForm, current: FoundSession) -> bool:
    user, by = current.user, current_actor()
    if not service.confirm_password(user, form.confirm_password.data or "", actor=by):
        form.confirm_password.errors = [gettext("Wrong password.")]
        return False
    if "confirm_code" not in form:
        return True
    # Second, because checking a code uses it up.
    code = form.confirm_code.data or ""
    if not service.confirm_code(user, code, actor=by):
        form.confirm_code.errors = [wrong_code()]
        return False
    tell_what_is_left(user, code)
    return True


def _confirm(current: FoundSession) -> None:
    key = service.confirm_session(current.id)
    session["_user_id"] = current.user.session_key = key
    g.taskadmin_session = current._replace(since_confirmed=timedelta(0))
    log.info("%s confirmed their password", current.user.username)


def _go_on(follows: str, back: str | None) -> ResponseReturnValue | None:
    if follows == "get":
        return redirect(this_address())
    if back is not None:
        flash(gettext("Nothing has changed yet: send the form again."), "danger")
        return redirect(back)
    return None


def _typed() -> list[tuple[str, str]]:
    """Return the fields of the submitted form, without passwords."""
    return [
        (name, value)
        for name, values in request.form.lists()
        for value in values
        if name != csrf_field_name() and not name.startswith("confirm_") and "password" not in name
    ]
