"""The ``Api`` extension: tasks, runs and all else as JSON, for programs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flask import abort, request, request_started

from ..errors import RegistrationError
from ..jobs import find_jobs
from ..state import is_api, register
from ..web.blueprint import add_shell, checked_prefix
from ..web.problems import problem

if TYPE_CHECKING:
    from flask import Flask

#: Modules of the extra ``taskadmin[api]``.
_EXTRA = ("spectree", "flask_swagger_ui")


class Api:
    """The JSON API at ``/taskadmin/api/v1``, with its OpenAPI document and a page that shows it.

    .. code-block:: python

        TaskAdmin().init_app(app, db=db)
        Api().init_app(app)

    Programs send a personal token, ``Authorization: Bearer taskadmin_…``, or what the host's
    ``request_identity`` accepts; never the session's cookie.
    """

    def init_app(self, app: Flask, *, url_prefix: str = "/taskadmin") -> None:
        """Register the API on *app* at ``api/v1`` below *url_prefix*.

        Raises:
            RegistrationError: Without ``Accounts``, without the packages of ``taskadmin[api]``, or
                on a second call.
            ConfigurationError: If a module of ``TASKADMIN_JOBS`` can't be imported, or
                *url_prefix* isn't a path.
        """
        url_prefix = checked_prefix(url_prefix)
        if any(find_spec(module) is None for module in _EXTRA):
            raise RegistrationError(
                "The API needs packages that aren't installed: pip install 'taskadmin[api]'"
            )
        from .routes import blueprint  # imports them

        state = register(app, "Api", needs=("Models", "Accounts"))
        find_jobs(state.settings.jobs)
        add_shell(app, url_prefix)
        state.api_prefix = f"{url_prefix}/api/v1"
        app.register_blueprint(blueprint, url_prefix=state.api_prefix)
        # Before the host's before_request functions, which may redirect to a page.
        request_started.connect(_begin, app, weak=False)


def _begin(app: Flask, **_: Any) -> None:
    if not is_api():
        return
    # A CSRFProtect that the host made after taskadmin, too: no cookie counts here.
    protect = app.extensions.get("csrf")
    if protect is not None and request.blueprint is not None:
        protect.exempt(app.blueprints[request.blueprint])
    wrong = request.routing_exception
    if wrong is not None:
        status = wrong.code if wrong.code in (404, 405) else 404
        allowed = {name: value for name, value in wrong.get_headers() if name == "Allow"}
        abort(problem(status, headers=allowed))
