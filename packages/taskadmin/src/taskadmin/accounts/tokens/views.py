"""List, create and revoke one's API tokens; also for the host's users."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ... import service
from ...errors import InvalidToken
from ...models import User
from ...service import Scope
from ...state import get_state
from ...translation.texts import gettext
from ...web.actor import current_actor
from ...web.error_pages import error_page, handle_errors
from ...web.redirects import redirect
from ...web.refusals import ask_to_log_in
from .forms import RevokeForm, TokenForm

TOKENS_ENDPOINT = "taskadmin_tokens"


def make_tokens_blueprint(url_prefix: str) -> Blueprint:
    """Create the blueprint of the pages below *url_prefix*."""
    blueprint = Blueprint(TOKENS_ENDPOINT, __name__, url_prefix=url_prefix)
    handle_errors(blueprint)
    for path, view in (
        ("/tokens", tokens),
        ("/tokens/new", new_token),
        ("/tokens/revoke", revoke),
    ):
        methods = ["GET"] if view is tokens else ["GET", "POST"]
        blueprint.add_url_rule(path, view_func=view, methods=methods)
    return blueprint


def tokens() -> ResponseReturnValue:
    """List the user's tokens."""
    user = get_state().current_user()
    if user is None:
        return ask_to_log_in()
    return render_template("taskadmin/tokens/list.html", tokens=service.find_tokens(user.id))


def new_token() -> ResponseReturnValue:
    """Create a token, and show its secret once: the next page no longer has it."""
    user, asked = _user_who_entered_the_password()
    if user is None:
        return asked
    form = TokenForm()
    if form.validate_on_submit():
        try:
            created = service.create_token(
                user.id,
                name=form.name.data or "",
                scopes=[Scope(form.scope.data)],
                lasts=timedelta(days=int(form.days.data)),
                actor=current_actor(),
            )
        except InvalidToken as error:
            form.name.errors = [str(error)]
        else:
            return render_template("taskadmin/tokens/created.html", created=created)
    page = render_template("taskadmin/tokens/new.html", form=form)
    return page, 422 if form.errors else 200


def revoke() -> ResponseReturnValue:
    """Ask, then revoke one of the user's tokens (``id``)."""
    user, asked = _user_who_entered_the_password()
    if user is None:
        return asked
    form = RevokeForm()
    wanted = request.args.get("id")
    token = next((one for one in service.find_tokens(user.id) if str(one.id) == wanted), None)
    if token is None:
        return error_page(404)
    if not form.validate_on_submit():
        page = render_template("taskadmin/tokens/revoke.html", form=form, token=token)
        return page, 422 if form.errors else 200
    service.revoke_token(user.id, token.id, actor=current_actor())
    flash(gettext("Token %(name)s revoked.", name=token.name), "success")
    return redirect(url_for(f"{TOKENS_ENDPOINT}.tokens"))


def _user_who_entered_the_password() -> tuple[User | None, ResponseReturnValue]:
    """Return the user who may continue, or None and the response to return instead."""
    state = get_state()
    user = state.current_user()
    if user is None:
        return None, ask_to_log_in()
    asked = state.ask_for_password(url_for(f"{TOKENS_ENDPOINT}.tokens"))
    return (user, "") if asked is None else (None, asked)
