"""Set up the second factor, replace its recovery codes, turn it off."""

from __future__ import annotations

from datetime import timedelta

import segno
from flask import Blueprint, current_app, flash, render_template, url_for
from flask.typing import ResponseReturnValue
from itsdangerous import BadData, URLSafeTimedSerializer
from markupsafe import Markup

from ... import service
from ...models import User
from ...state import get_state
from ...store.people.codes import new_secret, setup_uri
from ...translation.texts import gettext
from ...web.actor import current_actor
from ...web.error_pages import error_page
from ...web.redirects import redirect, redirect_to_login, this_address
from ..forms import LogoutForm
from ..login import current_session, sign_in
from ..reauthentication import ask_for_password
from .forms import SetupForm
from .log_in import is_demanded

#: How long a shown secret can be confirmed with a code.
_SETUP_TIMEOUT = timedelta(minutes=30)


def add_rules(blueprint: Blueprint) -> None:
    """Add the pages that the profile links to."""
    for path, view, methods in (
        ("/second-factor", set_up_second_factor, ["GET", "POST"]),
        ("/second-factor/codes", renew_codes, ["POST"]),
        ("/second-factor/remove", remove_own_second_factor, ["POST"]),
    ):
        blueprint.add_url_rule(path, view_func=view, methods=methods)


def set_up_second_factor() -> ResponseReturnValue:
    """Show a secret for an authenticator app, and save it once a code of the app is right."""
    current = current_session()
    if current is None:
        return redirect_to_login(this_address())
    if current.has_second_factor:
        return redirect(_profile())
    asked = ask_for_password(None)
    if asked is not None:
        return asked
    user, form = current.user, SetupForm()
    secret = _shown_secret(user, form.secret.data or "")
    if form.validate_on_submit():
        if secret is None:
            flash(gettext("This took too long: scan the new QR code."), "danger")
            return redirect(this_address())
        codes = service.set_second_factor(user, secret, form.code.data or "", actor=current_actor())
        if codes is not None:
            sign_in(user, user.session_nonce)  # the other sessions have ended
            return _codes_page(codes, is_new=True)
        form.code.errors = [gettext("This code is wrong. Is the device's clock right?")]
    secret = secret or new_secret()
    form.secret.data = _serializer(user).dumps(secret)
    site = get_state().settings.site_name
    qr_code = segno.make(setup_uri(secret, username=user.username, site=site), error="m")
    page = render_template(
        "taskadmin/accounts/second_factor.html",
        form=form,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        # Light on dark pages, too: many scanners can't read inverted codes.
        qr_code=Markup(qr_code.svg_inline(scale=4, border=4, light="#fff")),  # noqa: S704 - of segno
        is_demanded=is_demanded(get_state().settings, user),
    )
    return page, 422 if form.errors else 200


def renew_codes() -> ResponseReturnValue:
    """Replace the recovery codes, and show the new ones once."""
    user, answer = _asked_for()
    if user is None:
        return answer
    codes = service.replace_recovery_codes(user, actor=current_actor())
    return _codes_page(codes, is_new=False)


def remove_own_second_factor() -> ResponseReturnValue:
    """Turn the second factor off, unless it is demanded."""
    user, answer = _asked_for()
    if user is None:
        return answer
    if is_demanded(get_state().settings, user):
        return error_page(404)
    service.remove_second_factor(user.id, actor=current_actor())
    sign_in(user, user.session_nonce)  # the other sessions have ended
    flash(gettext("The second factor is off. Your other sessions have been logged out."), "success")
    return redirect(_profile())


def _asked_for() -> tuple[User | None, ResponseReturnValue]:
    """Return the user who may continue, or None and the response to return instead."""
    current = current_session()
    if current is None:
        return None, redirect_to_login(_profile())
    if not LogoutForm().validate_on_submit():
        return None, error_page(400)
    if not current.has_second_factor:
        return None, redirect(_profile())
    asked = ask_for_password(None)
    return (current.user, "") if asked is None else (None, asked)


def _codes_page(codes: list[str], *, is_new: bool) -> str:
    return render_template("taskadmin/accounts/recovery_codes.html", codes=codes, is_new=is_new)


def _shown_secret(user: User, signed: str) -> str | None:
    """Return the secret that the page showed to this user; None if forged or too old."""
    try:
        secret = _serializer(user).loads(signed, max_age=int(_SETUP_TIMEOUT.total_seconds()))
    except BadData:
        return None
    return str(secret)


def _serializer(user: User) -> URLSafeTimedSerializer:
    assert current_app.secret_key is not None  # Flask's session needs it, too
    return URLSafeTimedSerializer(current_app.secret_key, salt=f"taskadmin.second_factor.{user.id}")


def _profile() -> str:
    return url_for("taskadmin_accounts.profile")
