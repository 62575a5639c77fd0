"""The frame around every page: templates, static files, top bar, error pages, forms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import humanize
from flask import Blueprint, Flask, current_app, render_template, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.csrf import generate_csrf

from .models import User
from .state import Page, State, get_state

ENDPOINT = "taskadmin_shell"

_ERRORS = {
    400: (
        "This form has expired",
        "Nothing was changed. Go back, reload the page and try again.",
    ),
    403: (
        "Not allowed",
        "Your account may not open this page. A superuser can give you the rights.",
    ),
    404: ("Not found", "There is nothing at this address."),
    413: ("Too large", "Nothing was changed: this is more than any form here takes."),
}


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
        """Who is signed in."""
        return self.state.current_user()

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
    for name, function in (
        ("ago", ago),
        ("utc", utc),
        ("duration", duration),
        ("number", number),
        ("short", short),
    ):
        blueprint.add_app_template_filter(function, f"taskadmin_{name}")
    app.register_blueprint(blueprint)


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


def error_page(status: int) -> tuple[str, int]:
    """An error in words, within the frame."""
    title, text = _ERRORS[status]
    return render_template("taskadmin/error.html", status=status, title=title, text=text), status


def ago(moment: datetime) -> str:
    """How long ago *moment* was, in words."""
    return humanize.naturaltime(moment, when=datetime.now(UTC))


def utc(moment: datetime) -> str:
    """*moment* for people: ``2026-01-31 12:00:00 UTC``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(length: timedelta) -> str:
    """A duration with a fitting unit."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return humanize.precisedelta(length, minimum_unit="seconds", format="%0.0f")


def number(value: float | None) -> str:
    """A number as short as it can be without becoming another one, with groups."""
    if value is None:
        return "–"
    if isinstance(value, float) and not (abs(value) >= 1e15 or 0 < abs(value) < 1e-4):
        text = format(value, ",.15g") if float(format(value, ".15g")) == value else repr(value)
        return text.replace("-", "−")
    return (f"{value:,}" if isinstance(value, int) else repr(value)).replace("-", "−")


def short(value: float) -> str:
    """A number with six digits that count, grouped: for columns."""
    return format(value, ",.6g").replace("-", "−")
