"""The frame around every page: templates, static files, top bar, error pages, forms."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from flask import Blueprint, Flask, current_app, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, generate_csrf
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from . import i18n
from .i18n import lazy_gettext
from .models import User
from .state import Page, State, get_state
from .store.health import BeatLag, beat_lag
from .store.outage import is_outage
from .words import word

log = logging.getLogger("taskadmin.pages")

ENDPOINT = "taskadmin_shell"

_ERRORS = {
    400: (
        lazy_gettext("This form has expired"),
        lazy_gettext("Nothing was changed. Go back, reload the page and try again."),
    ),
    401: (
        lazy_gettext("You are logged out"),
        lazy_gettext("Log in again to go on. What was done before is kept."),
    ),
    403: (
        lazy_gettext("Not allowed"),
        lazy_gettext("Your account may not open this page. A superuser can give you the rights."),
    ),
    404: (lazy_gettext("Not found"), lazy_gettext("There is nothing at this address.")),
    405: (lazy_gettext("Not found"), lazy_gettext("There is nothing at this address.")),
    413: (
        lazy_gettext("Too large"),
        lazy_gettext("Nothing was changed: this is more than any form here takes."),
    ),
    422: (lazy_gettext("Nothing was exported"), ""),
    503: (
        lazy_gettext("The database is away"),
        lazy_gettext("Without it nothing can be shown or changed. Try again in a moment."),
    ),
}
#: When to try again after an outage, in seconds.
_RETRY_AFTER = "5"


class Beat(NamedTuple):
    """How it stands with beat and the launcher."""

    #: "good", "late" or "stopped".
    state: str
    #: Since the launcher's last turn, by the database's clock; None: it never had one.
    since: timedelta | None


def beat_of(state: State) -> Beat:
    """Judge the launcher's last turn by the length of a tick; asked once for each page."""
    if "taskadmin_beat_lag" not in g:
        g.taskadmin_beat_lag = beat_lag(state.session)
    lag: BeatLag = g.taskadmin_beat_lag
    if lag.ticked is None:
        return Beat("stopped", None)
    ticks = lag.ticked.total_seconds() / state.settings.tick_seconds
    # A turn may take 8 s; twelve ticks without any are a minute by default.
    seconds = lag.ticked.total_seconds()
    if ticks <= 3 or seconds <= 15:
        return Beat("good", lag.ticked)
    return Beat("late" if ticks <= 12 else "stopped", lag.ticked)


@dataclass(frozen=True, slots=True)
class Shell:
    """What the frame's templates need: ``taskadmin`` in every template."""

    state: State

    @property
    def site_name(self) -> str:
        """Name in the top bar."""
        return self.state.settings.site_name

    @property
    def user(self) -> User | None:
        """Who is signed in, as far as that can be found out."""
        return None if "taskadmin_outage" in g else self.state.current_user()

    @property
    def pages(self) -> list[Page]:
        """The pages that this person may open."""
        user = self.user
        return [page for page in self.state.pages if user is not None and page.allows(user)]

    @property
    def has_accounts(self) -> bool:
        """Whether taskadmin has log in pages, or the host signs people in."""
        return self.state.login_url is not None

    def is_current(self, page: Page) -> bool:
        """Whether the page being shown belongs to *page*."""
        return (request.endpoint or "").partition(".")[0] == page.endpoint.partition(".")[0]

    @property
    def csrf_name(self) -> str:
        """Name of the field that a form sends its token in."""
        return csrf_field_name()

    @property
    def language(self) -> str:
        """Language of the page, for its ``lang``."""
        return i18n.language_tag()

    @property
    def zone(self) -> str | None:
        """The zone that the reader has chosen; None: the browser's."""
        return i18n.zone_name()

    @property
    def beat(self) -> Beat | None:
        """Whether the launcher's turns come, for those who may know."""
        user = self.user
        if user is None or not user.may_review:
            return None
        return beat_of(self.state)

    def csrf_token(self) -> str:
        """Token for a form that is written by hand."""
        return generate_csrf()

    def static(self, name: str) -> str:
        """Address of one of taskadmin's static files."""
        return url_for(f"{ENDPOINT}.static", filename=name)


def add_shell(app: Flask, url_prefix: str) -> None:
    """Make templates and static files known to *app*, once."""
    if ENDPOINT in app.blueprints:
        return
    blueprint = Blueprint(
        ENDPOINT,
        __name__,
        url_prefix=url_prefix,
        template_folder="templates",
        static_folder="static/taskadmin",
        static_url_path="/static",
    )
    blueprint.app_context_processor(lambda: {"taskadmin": Shell(get_state())})
    for name, function in {**i18n.FILTERS, "word": word}.items():
        blueprint.add_app_template_filter(function, f"taskadmin_{name}")
    app.register_blueprint(blueprint)
    i18n.init_app(app)
    handle_wrong_addresses(app, url_prefix)


def csrf_field_name() -> str:
    """Flask-WTF's name for the token, in forms and in the session."""
    name: str = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    return name


class PageForm(FlaskForm):
    """A form with a CSRF token, which works with and without the host's ``CSRFProtect``.

    It reads text fields only: a file or JSON under a field's name would be no text.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(formdata=request.form or None, **options)


def handle_errors(blueprint: Blueprint) -> None:
    """Let the pages of *blueprint* say in words what stops them."""
    for kind in (DBAPIError, PoolTimeout):
        blueprint.register_error_handler(kind, _outage_page)
    blueprint.register_error_handler(CSRFError, lambda _: error_page(400))
    for status in (404, 413):
        blueprint.register_error_handler(status, lambda error: error_page(error.code))


def handle_wrong_addresses(app: Flask, url_prefix: str) -> None:
    """Answer addresses below *url_prefix* that nobody knows in words, unless *app* does it."""

    def answer() -> ResponseReturnValue | None:
        wrong = request.routing_exception
        if not isinstance(wrong, NotFound | MethodNotAllowed):
            return None
        if not request.path.startswith(f"{url_prefix}/") or _handles(app, wrong):
            return None
        # What Werkzeug says in headers: which methods there are.
        headers = {key: value for key, value in wrong.get_headers() if key == "Allow"}
        return (*error_page(wrong.code), headers)

    if url_prefix.strip("/"):
        app.before_request(answer)


def _handles(app: Flask, error: HTTPException) -> bool:
    by_code = app.error_handler_spec[None]
    return any(
        issubclass(type(error), kind)
        for code in (error.code, None)
        for kind in by_code.get(code, ())
    )


def _outage_page(error: SQLAlchemyError) -> ResponseReturnValue:
    if not is_outage(error):
        raise error
    log.error("A page waits for the database: %s", str(error.__cause__ or error).strip())
    # Who reads it, and in which language, can't be looked up.
    g.taskadmin_outage, g.taskadmin_reader = True, None
    title, text = _ERRORS[503]
    # Without the context processors of others, which may ask the database: Flask-Login's does.
    template = current_app.jinja_env.get_template("taskadmin/error.html")
    page = template.render(taskadmin=Shell(get_state()), status=503, title=title, text=text)
    return page, 503, {"Retry-After": _RETRY_AFTER}


def error_page(status: int, text: str | None = None) -> tuple[str, int]:
    """An error in words, within the frame; *text* says more than the usual."""
    title, usual = _ERRORS[status]
    text = text or usual
    page = render_template("taskadmin/error.html", status=status, title=title, text=text)
    return page, status
