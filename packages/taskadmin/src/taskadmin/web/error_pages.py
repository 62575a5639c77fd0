"""Error pages, within the frame of all pages."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from flask import Blueprint, Flask, current_app, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from ..errors import HashesBusy, HostUrlError, IdentityError, TooManyAttempts
from ..state import get_state, is_api
from ..store.database.outage import first_line
from ..translation import i18n
from ..translation.i18n import lazy_gettext
from ..translation.texts import gettext
from .database_errors import ErrorExplanation, explain_error
from .layout import Layout
from .page_requests import LIVE_HEADER, is_poll
from .problems import problem
from .redirects import page_of_form, return_to_form

log = logging.getLogger("taskadmin.pages")

_ERRORS = {
    400: (
        lazy_gettext("This form has expired"),
        lazy_gettext("Nothing was changed. Go back, reload the page and try again."),
    ),
    401: (
        lazy_gettext("You are logged out"),
        lazy_gettext("Log in again to continue. Your earlier changes are saved."),
    ),
    403: (
        lazy_gettext("Not allowed"),
        lazy_gettext("Your account doesn't have access to this page. Ask a superuser for access."),
    ),
    404: (lazy_gettext("Not found"), lazy_gettext("There is no page at this address.")),
    405: (lazy_gettext("Not found"), lazy_gettext("There is no page at this address.")),
    413: (
        lazy_gettext("Request too large"),
        lazy_gettext("Nothing was changed: the request is larger than any form here accepts."),
    ),
    422: (lazy_gettext("Nothing was exported"), ""),
    429: (lazy_gettext("Please wait"), lazy_gettext("Too many requests. Try again later.")),
    500: (
        lazy_gettext("Something went wrong"),
        lazy_gettext(
            "This page failed because of an error in the program. The administrator can find"
            " it in the log by the number below."
        ),
    ),
}
#: For requests that browsers don't send on their own.
_OTHER_ERROR = (
    lazy_gettext("Invalid request"),
    lazy_gettext("This request can't be processed. Nothing was changed."),
)
#: Retry-After in seconds when too much is requested: sooner for people than for polls.
_PAGE_RETRY_SECONDS, _POLL_RETRY_SECONDS = 3, 10


def handle_errors(blueprint: Blueprint) -> None:
    """Register the error handlers of *blueprint*'s pages."""
    for kind in (DBAPIError, PoolTimeout):
        blueprint.register_error_handler(kind, _database_page)
    blueprint.register_error_handler(HostUrlError, _host_url_page)
    blueprint.register_error_handler(IdentityError, _identity_page)
    blueprint.register_error_handler(TooManyAttempts, _wait_page)
    blueprint.register_error_handler(CSRFError, _expired_page)
    for status in (404, 413):
        blueprint.register_error_handler(status, lambda error: error_page(error.code))
    # Without a code, so that a host's handler for 500 takes precedence. Flask has already logged
    # the exception, and re-raises it for tests and debuggers.
    blueprint.register_error_handler(HTTPException, _other_page)


def handle_wrong_addresses(app: Flask, url_prefix: str) -> None:
    """Handle unknown addresses below *url_prefix*, unless *app* has a handler."""

    def answer() -> ResponseReturnValue | None:
        wrong = request.routing_exception
        if not isinstance(wrong, NotFound | MethodNotAllowed):
            return None
        if is_api():
            return problem(wrong.code, headers=_headers(wrong))
        if not request.path.startswith(f"{url_prefix}/") or _hosts_handler(app, wrong):
            return None
        status = wrong.code
        try:
            page, _ = error_page(status)
        except Exception:  # outside of any blueprint, nothing would handle it
            log.warning("Can't look up the user who requested an unknown address", exc_info=True)
            page = failure_page(status, *_ERRORS[status])
        return page, status, _headers(wrong)

    if url_prefix.strip("/"):
        app.before_request(answer)


def _hosts_handler(app: Flask, error: HTTPException) -> Callable[..., object] | None:
    """Return the host's handler for such errors on all pages, or None."""
    by_code = app.error_handler_spec[None]
    for code in (error.code, None):
        for kind, handler in by_code.get(code, {}).items():
            if isinstance(error, kind):
                return handler
    return None


def _headers(error: HTTPException) -> dict[str, str]:
    """Return Werkzeug's headers, such as Allow and Retry-After."""
    return {name: value for name, value in error.get_headers() if name != "Content-Type"}


def _other_page(error: HTTPException) -> ResponseReturnValue:
    handler = _hosts_handler(current_app, error)
    if handler is not None:
        response: ResponseReturnValue = current_app.ensure_sync(handler)(error)
        return response
    if error.response is not None:
        return error.get_response()  # the response already exists
    if isinstance(error, InternalServerError):
        return _failure_page(error)
    status = error.code or 400
    # Other errors with 400 or 503 aren't about our forms or our database.
    title, text = _OTHER_ERROR if status in (400, 503) else _ERRORS.get(status, _OTHER_ERROR)
    return failure_page(status, title, text), status, _headers(error)


def _failure_page(error: InternalServerError) -> ResponseReturnValue:
    cause = error.original_exception
    explanation = None if cause is None else explain_error(cause)
    if cause is not None and explanation is not None:
        return _explanation_page(explanation, cause)
    number = secrets.token_hex(4)
    log.error(
        "Error %s: %s on %s %s",
        number,
        type(cause or error).__name__,
        request.method,
        quote(request.path),
    )
    page = failure_page(500, *_ERRORS[500], number=number, moment=datetime.now(UTC))
    return page, 500


def _expired_page(_: CSRFError) -> ResponseReturnValue:
    """Respond to a form that the host's ``CSRFProtect`` has refused."""
    page = page_of_form()
    return error_page(400) if page is None else return_to_form(page)


def _host_url_page(error: HostUrlError) -> ResponseReturnValue:
    log.error("%s", error)
    page = failure_page(
        503,
        gettext("%(name)s can't be used", name=error.name),
        gettext(
            "The application has no endpoint “%(endpoint)s” without arguments. The administrator"
            " has to correct %(name)s where init_app is called. This command lists all endpoints.",
            name=error.name,
            endpoint=error.endpoint,
        ),
        command="flask routes",
    )
    return page, 503


def _identity_page(error: IdentityError) -> ResponseReturnValue:
    log.error("%s", error)
    text = gettext(
        "It returned something else than a taskadmin.Identity or None. The administrator can find"
        " the value in the log."
    )
    return failure_page(503, gettext("%(name)s can't be used", name="identity"), text), 503


def _wait_page(error: TooManyAttempts) -> ResponseReturnValue:
    wait = i18n.duration(error.retry_after)
    if isinstance(error, HashesBusy):
        text = gettext("Too many users are logging in right now. Try again in %(time)s.", time=wait)
    else:
        text = gettext(
            "Too many attempts. Try again in %(time)s. Users who are already logged in aren't"
            " affected.",
            time=wait,
        )
    headers = {"Retry-After": f"{error.retry_after.total_seconds():.0f}"}
    return *error_page(429, text), headers


def _database_page(error: BaseException) -> ResponseReturnValue:
    _skip_reader()
    explanation = explain_error(error)
    if explanation is None:
        raise error
    return _explanation_page(explanation, error)


def _explanation_page(explanation: ErrorExplanation, error: BaseException) -> ResponseReturnValue:
    log.error("A page failed because of the database: %s", first_line(error))
    headers = (
        {} if explanation.retry_after is None else {"Retry-After": str(explanation.retry_after)}
    )
    page = failure_page(503, explanation.title, explanation.text, command=explanation.command)
    return page, 503, headers


def busy_answer() -> ResponseReturnValue:
    """Return the response when too much is requested at once."""
    if is_api():
        return problem(
            503, detail="Too many requests at the moment.", retry_after=_PAGE_RETRY_SECONDS
        )
    if is_poll():  # the script then waits longer
        return "", 503, {"Retry-After": str(_POLL_RETRY_SECONDS), LIVE_HEADER: "later"}
    _skip_reader()
    text = gettext(
        "Too many requests at the moment. Try again in %(time)s.",
        time=i18n.duration(timedelta(seconds=_PAGE_RETRY_SECONDS)),
    )
    page = failure_page(503, gettext("This site is busy"), text)
    return page, 503, {"Retry-After": str(_PAGE_RETRY_SECONDS)}


def _skip_reader() -> None:
    """Don't look up the reader: the query would fail, and rows may have to be read again."""
    g.taskadmin_failed, g.taskadmin_reader = True, None
    i18n.keep_language()


def failure_page(status: int, title: str, text: str, **details: object) -> str:
    """Render an error without querying the database or calling the host."""
    _skip_reader()
    # Without other context processors, which may query the database like Flask-Login's.
    template = current_app.jinja_env.get_template("taskadmin/error.html")
    return template.render(
        taskadmin=Layout(get_state()), status=status, title=title, text=text, **details
    )


def error_page(
    status: int, text: str | None = None, *, title: str | None = None
) -> tuple[str, int]:
    """Render an error within the frame; *text* and *title* replace the usual ones."""
    i18n.speak_to_reader()  # not yet done for unknown addresses and for large requests
    usual_title, usual_text = _ERRORS[status]
    page = render_template(
        "taskadmin/error.html", status=status, title=title or usual_title, text=text or usual_text
    )
    return page, status
