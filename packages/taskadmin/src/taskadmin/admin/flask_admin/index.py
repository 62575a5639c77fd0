"""The start page, which redirects."""

from __future__ import annotations

from flask import Blueprint, Flask, url_for
from flask.typing import ResponseReturnValue
from flask_admin import AdminIndexView, expose

from ...state import get_state
from ...web.error_pages import error_page, handle_errors
from ...web.redirects import redirect
from ...web.refusals import ask_to_log_in
from .access import log_refusal


class IndexView(AdminIndexView):
    """Redirect users to the first page they may open."""

    def create_blueprint(self, admin: object) -> object:
        """Create the view's blueprint with taskadmin's error pages."""
        blueprint = super().create_blueprint(admin)
        handle_errors(blueprint)
        return blueprint

    @expose()
    def index(self) -> ResponseReturnValue:
        """Redirect to the first page of the menu, the log in page or the profile."""
        return _lead_on()


def add_start_page(app: Flask, url_prefix: str) -> None:
    """Register the same at *url_prefix* beside a host's Flask-Admin, unless the host has a page there.

    The root of the host is left to the host, which may register its page later.
    """
    is_taken = any(rule.rule.rstrip("/") == url_prefix for rule in app.url_map.iter_rules())
    if is_taken or not url_prefix:
        return
    blueprint = Blueprint("taskadmin_start", __name__, url_prefix=url_prefix)
    handle_errors(blueprint)
    blueprint.add_url_rule("/", "index", _lead_on)
    app.register_blueprint(blueprint)


def _lead_on() -> ResponseReturnValue:
    state = get_state()
    user = state.current_user()
    if user is None:
        if state.login_url is None:
            log_refusal(user)
        return ask_to_log_in()
    for page in state.pages:
        if page.allows(user):
            return redirect(url_for(page.endpoint))
    if state.has_identity:
        log_refusal(user)
        return error_page(403)
    return redirect(url_for("taskadmin_accounts.profile"))
