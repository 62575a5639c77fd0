"""Access to views, checked before each of their endpoints."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import g, request
from flask.typing import ResponseReturnValue
from flask_admin import BaseView
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ... import service
from ...models import User
from ...search.times import Viewer
from ...state import State, get_state, is_page
from ...store.database import clock
from ...store.database.outage import first_line
from ...store.database.transaction import end_failed
from ...translation import i18n
from ...web.actor import visitor
from ...web.error_pages import error_page, handle_errors
from ...web.redirects import leads_elsewhere
from ...web.refusals import ask_to_log_in

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger("taskadmin.pages")


class ProtectedView(BaseView):
    """A view that refuses and logs users who may not open it."""

    def create_blueprint(self, admin: object) -> object:
        """Create the view's blueprint with taskadmin's error pages."""
        blueprint = super().create_blueprint(admin)
        handle_errors(blueprint)
        blueprint.before_request(_refuse_other_sites)
        return blueprint

    @staticmethod
    def allows(user: User) -> bool:
        """Return whether *user* may open this view; superusers, unless overridden."""
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
    def viewer(self) -> Viewer:
        """Zone and clock for times that the user enters."""
        return Viewer(i18n.zone(), lambda: clock.now(self.database))

    @property
    def user(self) -> User:
        """The current user; only used after the access check."""
        user = get_state().current_user()
        assert user is not None
        return user

    def is_accessible(self) -> bool:
        """Check access; Flask-Admin calls this before each endpoint and for its menu."""
        user = get_state().current_user() if is_page() else _user_of_menu()
        return user is not None and self.allows(user)

    def inaccessible_callback(self, name: str, **kwargs: object) -> ResponseReturnValue:
        """Redirect anonymous visitors to the log in page; refuse everyone else."""
        user = get_state().current_user()
        log_refusal(user)
        return ask_to_log_in() if user is None else error_page(403)


def _refuse_other_sites() -> ResponseReturnValue | None:
    return error_page(404) if leads_elsewhere() else None


def _user_of_menu() -> User | None:
    """Return the current user, for the menu of the host's Flask-Admin on a page of the host.

    The host's page doesn't fail because taskadmin's tables are missing or can't be read.
    """
    state = get_state()
    if "taskadmin_menu_failed" in g:  # each attempt may take until a timeout
        return None
    try:
        return state.current_user()
    except (DBAPIError, PoolTimeout) as error:
        g.taskadmin_menu_failed = True
        end_failed(state.session, error)  # the host's queries would fail in this transaction
        log.warning("The menu has no pages of taskadmin: %s", first_line(error))
        return None


def log_refusal(user: User | None) -> None:
    """Trace a refused request."""
    by = visitor()
    service.note_refusal(by if user is None else by.named(user), request.path)
