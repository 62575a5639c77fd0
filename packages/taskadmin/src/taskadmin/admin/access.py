"""Who may open which view: asked before every endpoint of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flask import redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import BaseView

from ..models import User
from ..next_url import is_own_path
from ..shell import error_page, handle_errors
from ..state import State, get_state

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger("taskadmin.admin")

#: A page that asks for itself again sends it.
LIVE_HEADER = "Taskadmin-Live"
#: Largest id of a column of type integer.
MAX_ID = 2**31 - 1
#: Largest id of runs and launches.
MAX_BIG_ID = 2**63 - 1


class ProtectedView(BaseView):
    """A view that only some people may open; everybody else is turned away, and it is logged."""

    def create_blueprint(self, admin: Any) -> Any:
        """Flask-Admin's blueprint of the view; it says in words what stops it."""
        blueprint = super().create_blueprint(admin)
        handle_errors(blueprint)
        return blueprint

    @staticmethod
    def allows(user: User) -> bool:
        """Whether *user* may open this view; superusers, unless a view says otherwise."""
        return user.may_manage

    @property
    def state(self) -> State:
        """taskadmin's state of the current application."""
        return get_state()

    @property
    def database(self) -> Session:
        """The session of the current request."""
        return get_state().session

    @property
    def user(self) -> User:
        """Who is signed in; only used behind the check of access."""
        user = get_state().current_user()
        assert user is not None
        return user

    def is_accessible(self) -> bool:
        """Flask-Admin asks this before each endpoint of the view, and for its menu."""
        user = get_state().current_user()
        return user is not None and self.allows(user)

    def inaccessible_callback(self, name: str, **kwargs: Any) -> ResponseReturnValue:
        """Lead anonymous people to the log in page; refuse everybody else."""
        state = get_state()
        user = state.current_user()
        log_refusal(user)
        if user is None and state.login_url is not None:
            if LIVE_HEADER in request.headers:
                return error_page(401)  # a script of ours, that says so within its page
            # After logging in a POST can't be repeated, so it leads to the start.
            path = request.full_path.rstrip("?") if request.method == "GET" else state.home_url()
            return redirect(state.login_url(path))
        return error_page(403)

    def _handle_view(self, name: str, **kwargs: Any) -> ResponseReturnValue | None:
        # Flask-Admin's own name for what comes before each endpoint. It redirects to the
        # argument "url" of many of them, and its check lets "http:evil.example" pass.
        refused: ResponseReturnValue | None = super()._handle_view(name, **kwargs)
        if refused is None and "url" in request.values and not is_own_path(request.values["url"]):
            return error_page(404)
        return refused


def log_refusal(user: User | None) -> None:
    """One line of the log, whatever the address holds: line breaks are escaped."""
    who = user.username if user is not None else "somebody who isn't logged in"
    log.warning("Refused %s to %s", quote(request.path), who)


def number_of(text: str | None, *, largest: int = MAX_ID) -> int | None:
    """The id that an address holds; None if it can't be one."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    number = int(text)
    return number if 0 < number <= largest else None
