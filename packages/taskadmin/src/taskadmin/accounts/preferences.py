"""Preferences page: a user's language and time zone, also for the host's users."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, flash, render_template, url_for
from flask.typing import ResponseReturnValue

from .. import service
from ..schedules.zones import zone_names
from ..state import get_state
from ..translation import i18n
from ..translation.languages import LANGUAGES
from ..translation.texts import gettext
from ..web.error_pages import handle_errors
from ..web.redirects import redirect
from ..web.refusals import ask_to_log_in
from .forms import PreferencesForm

PREFERENCES_ENDPOINT = "taskadmin_preferences"


def make_preferences_blueprint(url_prefix: str) -> Blueprint:
    """Create the blueprint of the page below *url_prefix*."""
    blueprint = Blueprint(PREFERENCES_ENDPOINT, __name__, url_prefix=url_prefix)
    handle_errors(blueprint)
    blueprint.add_url_rule("/preferences", view_func=preferences, methods=["GET", "POST"])
    return blueprint


def preferences() -> ResponseReturnValue:
    """Show and save language and time zone."""
    state = get_state()
    user = state.current_user()
    if user is None:
        return ask_to_log_in()
    form = PreferencesForm(obj=user)
    if form.validate_on_submit():
        language, zone = form.language.data or None, form.zone.data or None
        service.set_preferences(user.id, language=language, zone=zone)
        i18n.speak(language)
        flash(gettext("Preferences saved."), "success")
        return redirect(url_for(f"{PREFERENCES_ENDPOINT}.preferences"))
    page = render_template(
        "taskadmin/accounts/preferences.html",
        form=form,
        languages=[(name, i18n.tag_of(name), label) for name, label in LANGUAGES.items()],
        zones=sorted(zone_names()),
        now=datetime.now(UTC),
    )
    return page, 422 if form.errors else 200
