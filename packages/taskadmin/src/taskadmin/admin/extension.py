"""The ``AdminViews`` extension: taskadmin's pages in Flask-Admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import url_for
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme

from ..errors import RegistrationError
from ..jobs import find_jobs
from ..models import Task, User
from ..state import MenuItem, State, register
from ..translation.i18n import lazy_gettext
from ..web.blueprint import add_shell, checked_prefix
from ..web.layout import person
from .dashboard.failures import FailuresView
from .dashboard.views import DashboardView
from .flask_admin.access import ProtectedView
from .flask_admin.fragment_cache import FragmentCache
from .flask_admin.index import IndexView, add_start_page
from .launches.views import LaunchesView
from .people.audit import AuditView
from .people.users import UsersView
from .runs.views import RunsView
from .tasks.review import ReviewView
from .tasks.views import TasksView
from .workers.views import WorkersView

if TYPE_CHECKING:
    from flask import Flask

INDEX = "taskadmin"
#: Menu labels of the views.
_LABELS = {
    "Dashboard": lazy_gettext("Dashboard"),
    "Tasks": lazy_gettext("Tasks"),
    "Runs": lazy_gettext("Runs"),
    "Launches": lazy_gettext("Launches"),
    "Failures": lazy_gettext("Failures"),
    "Workers": lazy_gettext("Workers"),
    "Review": lazy_gettext("Review"),
    "Users": lazy_gettext("Users"),
    "Audit": lazy_gettext("Audit"),
}


class AdminViews:
    """All admin pages as Flask-Admin views, each with permission checks.

    They get a Flask-Admin of their own or are added to the host's, under the category
    "taskadmin". Anonymous visitors are redirected to the log in page; users without access get 403.
    """

    def init_app(
        self, app: Flask, *, admin: Admin | None = None, url_prefix: str = "/taskadmin"
    ) -> None:
        """Register the views below *url_prefix*.

        Raises:
            RegistrationError: Without ``Models`` or ``Accounts``, on a second call, or if
                *admin* isn't initialised on *app*.
            ConfigurationError: If a module of ``TASKADMIN_JOBS`` can't be imported, or
                *url_prefix* isn't a path.
        """
        url_prefix = checked_prefix(url_prefix)
        if admin is not None and getattr(admin, "app", None) is not app:
            raise RegistrationError(
                f"admin isn't initialised on {app.name!r}: call admin.init_app(app) before"
                " taskadmin's init_app."
            )
        state = register(app, "AdminViews", needs=("Models", "Accounts"))
        find_jobs(state.settings.jobs)
        add_shell(app, url_prefix)
        category = "taskadmin" if admin is not None else None
        if admin is None:
            admin = Admin(
                name=state.settings.site_name,
                index_view=IndexView(name="Home", endpoint=INDEX, url=url_prefix),
                theme=Bootstrap4Theme(base_template="taskadmin/base.html"),
            )
            admin.init_app(app)
            state.home_url = lambda: url_for(f"{INDEX}.index")
        else:
            add_start_page(app, url_prefix)
            state.home_url = _first_page_or(state, state.home_url)

        def place(name: str) -> dict[str, Any]:
            path = name.lower()
            return {
                "name": _LABELS[name],
                "endpoint": f"taskadmin_{path}",
                "url": f"{url_prefix}/{path}",
                "category": category,
            }

        views: list[ProtectedView] = [
            DashboardView(**place("Dashboard")),
            TasksView(Task, state.db, **place("Tasks")),
            RunsView(**place("Runs")),
            LaunchesView(**place("Launches")),
            FailuresView(**place("Failures")),
            WorkersView(**place("Workers")),
            ReviewView(**place("Review")),
            UsersView(User, state.db, **place("Users")),
            AuditView(**place("Audit")),
        ]
        admin.add_views(*views)
        state.admin = admin
        state.fragment_cache = FragmentCache()
        state.pages += [
            MenuItem(view.name, f"{view.endpoint}.index_view", view.allows) for view in views
        ]


def _first_page_or(state: State, otherwise: Callable[[], str]) -> Callable[[], str]:
    """Return a function for the home URL: the first page the user may open, else *otherwise*."""

    def home_url() -> str:
        user = person()
        for page in state.pages:
            if user is not None and page.allows(user):
                return url_for(page.endpoint)
        return otherwise()

    return home_url
