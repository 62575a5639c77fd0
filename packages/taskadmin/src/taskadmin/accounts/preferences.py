"""Language and time zone of a person; also of people whom the host signs in."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .. import i18n
from ..i18n import LANGUAGES
from ..schedules.zones import zone_names
from ..shell import error_page, handle_errors
from ..state import get_state
from ..store import users
from ..texts import gettext
from .forms import PreferencesForm

ENDPOINT = "taskadmin_preferences"
#: Bytes; the form has two short fields.
_MAX_BODY = 10_000


def make_preferences_blueprint(url_prefix: str) -> Blueprint:
    """The page below *url_prefix*."""
    blueprint = Blueprint(ENDPOINT, __name__, url_prefix=url_prefix)
    handle_errors(blueprint)
    blueprint.add_url_rule("/preferences", view_func=preferences, methods=["GET", "POST"])
    return blueprint


def preferences() -> ResponseReturnValue:
    """Choose the language and the time zone of all pages."""
    if (request.content_length or 0) > _MAX_BODY:
        return error_page(413)
    state = get_state()
    user = state.current_user()
    if user is None:
        if state.login_url is None:
            return error_page(403)
        return redirect(state.login_url(request.full_path.rstrip("?")))
    form = PreferencesForm(obj=user)
    if form.validate_on_submit():
        language, zone = form.language.data or None, form.zone.data or None
        users.set_preferences(state.session, user, language=language, zone=zone)
        i18n.speak(language)
        flash(gettext("Your preferences are saved."), "success")
        return redirect(url_for(f"{ENDPOINT}.preferences"))
    page = render_template(
        "taskadmin/accounts/preferences.html",
        form=form,
        languages=[(name, i18n.tag_of(name), label) for name, label in LANGUAGES.items()],
        zones=sorted(zone_names()),
        now=datetime.now(UTC),
    )
    return page, 422 if form.errors else 200
