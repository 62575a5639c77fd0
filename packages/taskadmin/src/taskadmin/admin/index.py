"""The start of the admin pages."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import AdminIndexView, expose

from ..shell import error_page, handle_errors
from ..state import get_state
from .access import log_refusal


class IndexView(AdminIndexView):
    """Leads everybody to the first page they may open."""

    def create_blueprint(self, admin: Any) -> Any:
        """Flask-Admin's blueprint of the view; it says in words what stops it."""
        blueprint = super().create_blueprint(admin)
        handle_errors(blueprint)
        return blueprint

    @expose()
    def index(self) -> ResponseReturnValue:
        """To the first page of the menu, to the log in page, or to the profile."""
        state = get_state()
        user = state.current_user()
        if user is None:
            if state.login_url is None:
                log_refusal(user)
                return error_page(403)
            return redirect(state.login_url(request.path))
        for page in state.pages:
            if page.allows(user):
                return redirect(url_for(page.endpoint))
        if state.login_url is None:
            log_refusal(user)
            return error_page(403)
        return redirect(url_for("taskadmin_accounts.profile"))
